"""Evaluators of Python beside each other: CPU time of one flag and of 200, 10,000 distinct contexts, answers checked.

The others are installed from PyPI into `.venv-bench`, pinned by benchmarks/peers.lock, and run there, each in processes
of its own, in turn. None may use the network. `--write` puts the table into docs/benchmarks.md; `--turns=N` is three by
default; names of subjects as further arguments measure only those.
"""

import hashlib
import json
import os
import subprocess
import sys
import venv
from importlib.metadata import distributions
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
ROOT = HERE.parent
LOCK = HERE / "peers.lock"
FOLDER = ROOT / ".venv-bench"
RUNS = 3
TITLES = {"boolean": "no rule", "sticky": "rule + 20 %", "five": "5 rules x 3 + split", "all": "200 flags"}
SUBJECTS = [
    "_flags_own:bare",
    "_flags_own:ebbgate",
    "_flags_own:ebbgate_client",
    "_flags_native:eppo",
    "_flags_native:statsig",
    "_flags_own:flagd",
    "_flags_engines:growthbook",
    "_flags_engines:flagsmith",
    "_flags_engines:microsoft",
    "_flags_clients:configcat",
    "_flags_clients:launchdarkly",
    "_flags_clients:posthog",
    "_flags_native:yggdrasil",
    "_flags_native:unleash",
    "_flags_own:flagd_openfeature",
]
FAILED = "it fails here: "
OURS, FLAGD = "ebbgate: details", "openfeature-flagd-core"
DOCS = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- flags: begin -->", "<!-- flags: end -->"

Found = dict[str, dict[str, float | str]]
"""By row: nanoseconds by case, or why there are none."""


def python() -> str:
    """The interpreter that has the peers, made anew when the lock has changed."""
    binary, stamp = FOLDER / "bin" / "python", FOLDER / ".installed"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return str(binary)
    print(f"installing the peers into {FOLDER.name}", file=sys.stderr)
    venv.create(FOLDER, with_pip=True, clear=True)
    pip = [str(binary), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    subprocess.run([*pip, "-r", str(LOCK)], check=True)
    stamp.write_text(wanted, encoding="utf-8")
    return str(binary)


def versions() -> dict[str, str]:
    """What is installed for the peers, by name."""
    (packages,) = FOLDER.glob("lib/python*/site-packages")
    return {
        found.metadata["Name"].lower().replace("_", "-"): found.version for found in distributions(path=[str(packages)])
    }


def run(binary: str, subject: str) -> Found:
    """One process of one subject. A row with its complaint in place of figures, where it fails."""
    closed = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")  # for native code, too
    environment = {**os.environ, **closed, "PYTHONPATH": str(ROOT / "src")}
    command = [binary, str(HERE / "_flags_measure.py"), subject]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        complaint = (done.stderr.strip().splitlines() or ["no word"])[-1]
        print(f"{subject}: {done.stderr}", file=sys.stderr)
        return {subject.partition(":")[2]: dict.fromkeys(TITLES, f"{FAILED}{complaint}")}
    found: Found = json.loads(done.stdout)
    return found


def table(runs: list[Found], installed: dict[str, str]) -> list[str]:
    """The medians as Markdown, behind each half of the spread over the runs; then the ratios, and what is missing."""
    lines = [f"| CPU time | {' | '.join(TITLES.values())} |", "|---|" + "---:|" * len(TITLES)]
    missing: list[str] = []
    for name in runs[0]:
        cells = []
        for case in TITLES:
            figures = [found.get(name, {}).get(case) for found in runs]
            values = [figure for figure in figures if isinstance(figure, float | int)]
            if not values:
                reasons = [figure for figure in figures if isinstance(figure, str) and figure not in missing]
                missing.extend(reasons[:1])
                cells.append("-")
                continue
            spread = 100 * (max(values) - min(values)) / median(values)
            shown = f"{median(values) / 1000:,.0f} us" if case == "all" else f"{median(values):,.0f} ns"
            cells.append(f"{shown} (+-{spread / 2:.0f} %)" if len(values) > 1 else shown)
        version = installed.get(name.lower(), "")
        lines.append(f"| {f'{name} {version}'.strip()} | {' | '.join(cells)} |")
    return [*lines, *ratios(runs), *(f"\n\\-: {reason}." for reason in missing)]


def ratios(runs: list[Found]) -> list[str]:
    """How many times longer the quickest other one takes than our call with details, and how many times flagd's core.

    Taken within each run, so that a slow minute of the machine is in both; the median of the runs.
    """
    if OURS not in runs[0]:
        return []
    others = [name for name in runs[0] if not name.startswith(("ebbgate", "a bare"))]
    nearest, flagd = [], []
    for case in TITLES:
        rows = [{name: found[name].get(case) for name in (OURS, *others) if name in found} for found in runs]
        timed = [{name: value for name, value in row.items() if isinstance(value, float | int)} for row in rows]
        by_name = {name: median(row[name] / row[OURS] for row in timed if name in row) for name in timed[0]}
        del by_name[OURS]
        quickest = min(by_name, key=by_name.__getitem__, default="")
        nearest.append(f"{by_name[quickest]:.1f} ({quickest})" if quickest else "")
        flagd.append(f"{by_name[FLAGD]:.0f}" if FLAGD in by_name else "")
    first = f"| **next / {OURS}** | {' | '.join(nearest)} |"
    return [first, f"| **flagd's core / {OURS}** | {' | '.join(flagd)} |"]


def main() -> int:
    """Measure, print, and with `--write` record. 1 where a subject failed: then nothing is recorded."""
    asked = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    subjects = [subject for subject in SUBJECTS if not asked or subject.partition(":")[2] in asked]
    turns = next((int(argument[8:]) for argument in sys.argv if argument.startswith("--turns=")), RUNS)
    binary = python()
    runs: list[Found] = []
    for _ in range(turns):
        found: Found = {}
        for subject in subjects:
            found.update(run(binary, subject))
        runs.append(found)
    lines = table(runs, versions())
    print("\n".join(lines))
    failed = any(str(value).startswith(FAILED) for found in runs for row in found.values() for value in row.values())
    if "--write" in sys.argv and not failed:
        load = os.getloadavg()[0]
        machine = f"CPython {sys.version.split()[0]}, {os.cpu_count()} cores; load at the end {load:.1f}"
        lines.append(f"\n{machine}; turns: {len(runs)}.")
        before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        DOCS.write_text(f"{before}{BEGIN}\n{chr(10).join(lines)}\n{END}{after}", encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
