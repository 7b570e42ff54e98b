"""Results of the detection benchmark: the file, the table and the chart of the docs."""

import json
from pathlib import Path

import msgspec
import numpy as np
from _analysis_result import commit
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
        return f"{result.case:26} {result.runs:4} runs {result.seconds:5.0f} s  {rates}"
    mark = "goal" if result.ratio <= (result.goal or 0) else "must" if result.ratio <= (result.must or 0) else "FAILS"
    others = ", ".join(f"{name} {value and round(value)}" for name, value in result.units.items())
    head = f"{result.case:26} {result.runs:4} runs {result.seconds:5.0f} s"
    return f"{head}  {result.ratio:.2f} {result.spread} {mark}  {others}"


def read() -> Report:
    return msgspec.json.decode(RESULTS.read_bytes(), type=Report)


def write(results: list[Result], seed: int) -> None:
    report = Report(commit=commit(), seed=seed, results=results)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(msgspec.to_builtins(report), indent=1) + "\n", encoding="utf-8")


def write_docs(report: Report) -> None:
    """The tables in docs/benchmarks.md and the chart beside it, from the result file alone."""
    harms = [result for result in report.results if result.ratio is not None]
    nulls = [result for result in report.results if result.ratio is None]
    rows = ["| harm | SPRT | ebbgate | times the SPRT (95 %) | must | goal | " + " | ".join(_others()) + " |"]
    rows += ["|---|---:|---:|---:|---:|---:|" + "---:|" * len(_others())]
    for r in harms:
        low, high = r.spread or (0.0, 0.0)
        cells = [
            r.says,
            _units(r.units["sprt"]),
            _units(r.units["ebbgate"]),
            f"{r.ratio:.2f} ({low:.2f} to {high:.2f})",
        ]
        cells += [f"{r.must:g}", f"{r.goal:g}", *(_units(r.units.get(name)) for name in NAMES if name != "ebbgate")]
        rows.append("| " + " | ".join(cells) + " |")
    rows += ["", "Rollouts taken back though there was no harm:", ""]
    rows += ["| null | runs | " + " | ".join(NAMES.values()) + " |", "|---|---:|" + "---:|" * len(NAMES)]
    for r in nulls:
        cells = [r.says, str(r.runs), *(f"{r.fired[name]:.1%}" for name in NAMES)]
        rows.append("| " + " | ".join(cells) + " |")
    seconds = sum(r.seconds for r in report.results)
    rows += [
        "",
        f"Seed {report.seed}, commit {report.commit}; {harms[0].runs} rollouts a harm; {seconds / 60:.0f} min.",
    ]
    path = DOCS / "benchmarks.md"
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(before + BEGIN + "\n" + "\n".join(rows) + "\n" + END + after, encoding="utf-8")


def _others() -> list[str]:
    return [label for name, label in NAMES.items() if name != "ebbgate"]


def _units(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"
