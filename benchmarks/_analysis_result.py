"""Results of the null benchmark: kept null by null, so that a run that was stopped goes on; as a table in the docs."""

import hashlib
import json
import subprocess
from collections import Counter
from math import sqrt
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results" / "nulls.json"
DOCS = FOLDER.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- nulls: begin -->", "<!-- nulls: end -->"
ALPHA = 0.05
RUNS = 1500
"""Of each null, in a whole run."""
Z = 1.959963984540054  # of a two-sided 95 % interval


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One null. code: of what was measured (`digest`). fired: runs with an automatic rollback; by_code, by_metric: of
    those. asked: runs in which a person was asked, by the review's code. interval: Wilson, 95 %. holds: whether the
    interval allows a rate of at most alpha.
    """

    null: str
    says: str
    seed: int
    commit: str
    code: str
    runs: int
    seconds: float
    fired: int
    rate: float
    interval: tuple[float, float]
    holds: bool
    looks: float
    by_code: dict[str, int] = {}
    by_metric: dict[str, int] = {}
    asked: dict[str, int] = {}
    examples: tuple[str, ...] = ()


def wilson(fired: int, runs: int) -> tuple[float, float]:
    """95 % interval of a share. Source: Wilson (1927), J. Amer. Statist. Assoc. 22."""
    share, extra = fired / runs, Z * Z / runs
    centre = (share + extra / 2) / (1 + extra)
    reach = Z / (1 + extra) * sqrt(share * (1 - share) / runs + extra / (4 * runs))
    return max(0.0, centre - reach), min(1.0, centre + reach)


MEASURED = (
    "src/ebbgate/core/stats/*.py",
    "src/ebbgate/core/metrics/*.py",
    "src/ebbgate/core/rollouts/[dehls]*.py",
    "src/ebbgate/control/evidence*.py",
    "src/ebbgate/simulation/array_blocks.py",
    "benchmarks/_analysis_nulls.py",
    "benchmarks/_analysis_run.py",
    "benchmarks/_analysis_store.py",
    "benchmarks/_analysis_stream.py",
)
UNMEASURED = {"__init__.py", "power.py", "history.py", "history_text.py", "display.py", "explain.py", "silence.py"}
"""What the figures rest on, and what lies beside it: while none of these files changes, runs go on where they were
stopped, and stand."""


def digest() -> str:
    """Of the text of all files that matter."""
    found = hashlib.sha256()
    files = sorted(path for pattern in MEASURED for path in FOLDER.parent.glob(pattern))
    for path in (path for path in files if path.name not in UNMEASURED):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def commit() -> str:
    """The commit that is measured; `+` if the tree has other things in it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=FOLDER, check=True, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--", "../src", ".", ":(exclude)results")
    return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")


def read() -> dict[str, Result]:
    if not RESULTS.exists():
        return {}
    found = msgspec.json.decode(RESULTS.read_bytes(), type=list[Result])
    return {result.null: result for result in found}


def keep(result: Result) -> None:
    """Put it in the place of the null's earlier one."""
    RESULTS.parent.mkdir(exist_ok=True)
    kept = {**read(), result.null: result}
    rows = [msgspec.to_builtins(kept[name]) for name in kept]
    text = json.dumps(rows, indent=1, sort_keys=True) + "\n"
    fresh = RESULTS.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(RESULTS)


def joined(before: Result | None, more: Result) -> Result:
    """The runs of both, which have the same seeds one after the other."""
    if before is None:
        return more
    fired, runs = before.fired + more.fired, before.runs + more.runs
    interval = wilson(fired, runs)
    return msgspec.structs.replace(
        more,
        runs=runs,
        seconds=round(before.seconds + more.seconds, 1),
        fired=fired,
        rate=fired / runs,
        interval=interval,
        holds=interval[0] <= ALPHA,
        looks=round((before.looks * before.runs + more.looks * more.runs) / runs, 2),
        by_code=dict(Counter(before.by_code) + Counter(more.by_code)),
        by_metric=dict(Counter(before.by_metric) + Counter(more.by_metric)),
        asked=dict(Counter(before.asked) + Counter(more.asked)),
        examples=(*before.examples, *more.examples)[:3],
    )


SHARES = {"harm": 0.035, "late_harm": 0.005, "critical_limit": 0.01}
"""Of alpha, by cause (RULES E3). The whole decides; a cause that takes more than its own is named."""


def beyond_share(result: Result) -> list[str]:
    """Causes whose rate is above their share of alpha, as far as so many runs can tell."""
    found = ((cause, result.by_code.get(cause, 0), share) for cause, share in SHARES.items())
    return [f"{cause} {count}" for cause, count, share in found if wilson(count, result.runs)[0] > share]


def line(result: Result) -> str:
    low, high = result.interval
    verdict = "holds" if result.holds else "FAILS"
    codes = ", ".join(f"{code} {n}" for code, n in sorted(result.by_code.items()))
    return (
        f"{result.null:14} {result.fired:5}/{result.runs}  {result.rate:6.2%}  [{low:.2%}, {high:.2%}]  {verdict}"
        f"  {result.seconds:.0f} s  {codes}{'  beyond its share: ' if (over := beyond_share(result)) else ''}"
        f"{', '.join(over)}"
    )


def write_docs() -> None:
    """The table in docs/benchmarks.md, from the result file alone."""
    found = read()
    rows = ["| null | runs | false rollbacks | 95 % interval | <= 5 % |", "|---|---:|---:|---:|---|"]
    for r in found.values():
        low, high = r.interval
        holds = "yes" if r.holds else "**no**"
        if over := beyond_share(r):
            holds += f", but beyond its share of alpha: {', '.join(over)}"
        rows.append(f"| {r.null}: {r.says} | {r.runs:,} | {r.rate:.2%} | {low:.2%} to {high:.2%} | {holds} |")
    first = next(iter(found.values()))
    commits = ", ".join(dict.fromkeys(r.commit for r in found.values()))
    minutes = sum(r.seconds for r in found.values()) / 60
    rows += ["", f"Seed {first.seed}, commit {commits}; {minutes:.0f} min of one core."]
    if min(r.runs for r in found.values()) < RUNS:
        rows.append(
            f"Stopped before {RUNS:,} runs each: `make bench-analysis` goes on from there while its code is the same."
        )
    text = DOCS.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    DOCS.write_text(before + BEGIN + "\n" + "\n".join(rows) + "\n" + END + after, encoding="utf-8")
