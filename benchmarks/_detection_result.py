"""Results of the detection benchmark: the file, the table and the chart of the docs."""

import json
from math import ceil, floor, log10
from pathlib import Path

import msgspec
import numpy as np
from _analysis_result import ALPHA, commit, wilson
from _detection_streams import Case

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results" / "detection.json"
DOCS = FOLDER.parent / "docs"
BEGIN, END = "<!-- detection: begin -->", "<!-- detection: end -->"
NAMES = {
    "ebbgate": "ebbgate",
    "fixed_threshold": "fixed threshold",
    "mann_whitney": "repeated Mann-Whitney",
    "growthbook": "GrowthBook, one-sided",
    "msprt": "mSPRT",
}


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One case. units: median treated units until a rule fired, None if fewer than half did; fired: share of rollouts
    in which it did. ratio: ebbgate's units in multiples of the SPRT's; spread: its bootstrap 95 % interval."""

    case: str
    says: str
    seed: int
    commit: str
    runs: int
    seconds: float
    units: dict[str, float | None]
    fired: dict[str, float]
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    must: float | None = None
    goal: float | None = None

    @property
    def fails(self) -> bool:
        """Whether so many rollouts show that a harm needs more than its *must*, or that ebbgate takes harmless
        versions back more often than alpha: where even the lower end of the 95 % interval is above it."""
        if self.ratio is None:
            return wilson(round(self.fired["ebbgate"] * self.runs), self.runs)[0] > ALPHA
        low, most = self.spread[0] if self.spread else self.ratio, self.must or 0.0
        return not low <= most  # nor where the SPRT itself never fired, and nothing is known


def result_of(case: Case, units: dict[str, np.ndarray], *, seed: int, seconds: float) -> Result:
    runs = len(units["ebbgate"])
    medians = {name: float(np.median(found)) for name, found in units.items()}
    ratio, spread = None, None
    if "sprt" in units:
        ratio = medians["ebbgate"] / medians["sprt"]
        rng = np.random.default_rng(0)
        picks = rng.integers(0, runs, (1000, runs))
        ratios = np.median(units["ebbgate"][picks], axis=1) / np.median(units["sprt"][picks], axis=1)
        low, high = np.quantile(ratios, [0.025, 0.975])
        spread = (round(float(low), 3), round(float(high), 3))
    return Result(
        case=case.name,
        says=case.says,
        seed=seed,
        commit=commit(),
        runs=runs,
        seconds=round(seconds, 1),
        units={name: value if np.isfinite(value) else None for name, value in medians.items()},
        fired={name: round(float(np.isfinite(found).mean()), 4) for name, found in units.items()},
        ratio=None if ratio is None else round(ratio, 3),
        spread=spread,
        must=case.must,
        goal=case.goal,
    )


def line(result: Result) -> str:
    if result.ratio is None:
        rates = ", ".join(f"{name} {share:.1%}" for name, share in result.fired.items())
        mark = "FAILS  " if result.fails else ""
        return f"{result.case:26} {result.runs:4} runs {result.seconds:5.0f} s  {mark}{rates}"
    mark = "FAILS" if result.fails else "above must, within the noise"
    if result.ratio <= (result.must or 0):
        mark = "goal" if result.ratio <= (result.goal or 0) else "must"
    others = ", ".join(f"{name} {value and round(value)}" for name, value in result.units.items())
    head = f"{result.case:26} {result.runs:4} runs {result.seconds:5.0f} s"
    return f"{head}  {result.ratio:.2f} {result.spread} {mark}  {others}"


def read() -> list[Result]:
    return msgspec.json.decode(RESULTS.read_bytes(), type=list[Result]) if RESULTS.exists() else []


def keep(result: Result) -> None:
    """Put it in the place of the case's earlier one."""
    kept = {found.case: found for found in read()} | {result.case: result}
    RESULTS.parent.mkdir(exist_ok=True)
    rows = [msgspec.to_builtins(found) for found in kept.values()]
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def write_docs(results: list[Result]) -> None:
    """The tables in docs/benchmarks.md and the chart beside it, from the result file alone."""
    harms = [result for result in results if result.ratio is not None]
    nulls = [result for result in results if result.ratio is None]
    others = [label for name, label in NAMES.items() if name != "ebbgate"]
    rows = ["| harm | runs | SPRT | ebbgate | times the SPRT (95 %) | must | goal | " + " | ".join(others) + " |"]
    rows += ["|---|---:|---:|---:|---:|---:|---:|" + "---:|" * len(others)]
    for r in harms:
        low, high = r.spread or (0.0, 0.0)
        cells = [r.says, f"{r.runs:,}", _units(r.units["sprt"]), _units(r.units["ebbgate"])]
        cells += [f"{r.ratio:.2f} ({low:.2f} to {high:.2f})", f"{r.must:g}", f"{r.goal:g}"]
        cells += [_units(r.units.get(name)) for name in NAMES if name != "ebbgate"]
        rows.append("| " + " | ".join(cells) + " |")
    rows += ["", "Rollouts taken back though there was no harm:", ""]
    rows += ["| null | runs | " + " | ".join(NAMES.values()) + " |", "|---|---:|" + "---:|" * len(NAMES)]
    for r in nulls:
        cells = [r.says, f"{r.runs:,}", *(f"{r.fired[name]:.1%}" for name in NAMES)]
        rows.append("| " + " | ".join(cells) + " |")
    commits = ", ".join(dict.fromkeys(r.commit for r in results))
    minutes = sum(r.seconds for r in results) / 60
    rows += ["", f"Seed {results[0].seed}, commit {commits}; {minutes:.0f} min of one core."]
    (DOCS / "detection.svg").write_text(chart(harms), encoding="utf-8")
    path = DOCS / "benchmarks.md"
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(before + BEGIN + "\n" + "\n".join(rows) + "\n" + END + after, encoding="utf-8")


def chart(harms: list[Result]) -> str:
    """Treated units until each rule fires, on a logarithmic scale, one line a harm."""
    left, right, top, step = 360, 960, 60, 30
    values = [value for r in harms for value in r.units.values() if value]
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    height = top + step * len(harms) + 30
    colours = {"sprt": "#555", "ebbgate": "#0b6", "fixed_threshold": "#b70", "mann_whitney": "#a3c"}
    colours |= {"growthbook": "#c33", "msprt": "#36c"}

    def across(value: float) -> float:
        return left + (log10(value) - low) / (high - low) * (right - left)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 {height}" font-family="sans-serif" role="img">'
    ]
    parts += [
        "<title>Treated units until harm is found, median</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    x = 10
    for name, colour in colours.items():
        label = NAMES.get(name, "SPRT")
        parts.append(f'<circle cx="{x}" cy="18" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{x + 9}" y="22" font-size="12">{label}</text>')
        x += 40 + 8 * len(label)  # as wide as fonts may be
    for power in range(low, high + 1):
        x = across(10**power)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top - 16}" y2="{height - 25}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 8}" font-size="12" text-anchor="middle">{10**power:,}</text>')
    for place, r in enumerate(harms):
        y = top + place * step
        says = r.says.replace("->", "to")
        parts.append(f'<text x="{left - 10}" y="{y + 4}" font-size="12" text-anchor="end">{says}</text>')
        parts += [
            f'<circle cx="{across(value):.1f}" cy="{y}" r="5" fill="{colours[name]}" fill-opacity="0.8"/>'
            for name, value in r.units.items()
            if value
        ]
    return "\n".join([*parts, "</svg>", ""])


def _units(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"
