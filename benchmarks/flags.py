"""Evaluators of Python beside each other: CPU time of one flag and of 200, 10,000 distinct contexts, answers checked.

The others are installed from PyPI into an environment of their own (a folder in the system's temporary files that is
kept; EBBGATE_BENCH_ENV names another), which also gets msgspec and mmh3, so that all run in one process.
`--write` puts the table into docs/benchmarks.md.
"""

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
PEERS = ["eppo-server-sdk==4.4.1", "openfeature-flagd-core==2.0.0", "growthbook==4.0.0"]
RUNS = 3
TITLES = {"boolean": "no rule", "sticky": "rule + 20 %", "five": "5 rules x 3 + split", "all": "200 flags"}
DOCS = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- flags: begin -->", "<!-- flags: end -->"


def python() -> str:
    """The interpreter that has the others; ours alone where they cannot be installed."""
    folder = Path(os.environ.get("EBBGATE_BENCH_ENV") or Path(tempfile.gettempdir()) / "ebbgate-bench-flags")
    binary = folder / "bin" / "python"
    if not binary.exists():
        venv.create(folder, with_pip=True)
    packages = [*PEERS, "msgspec", "mmh3"]
    command = [str(binary), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"the others cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
        return sys.executable
    return str(binary)


def run(binary: str) -> dict[str, dict[str, float]]:
    """One process of all evaluators."""
    command = [binary, str(HERE / "_flags_measure.py")]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    sys.stderr.write(done.stderr)
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


def table(runs: list[dict[str, dict[str, float]]]) -> list[str]:
    """The medians as Markdown; behind each the spread over the runs."""
    lines = [f"| CPU time | {' | '.join(TITLES.values())} |", "|---|" + "---:|" * len(TITLES)]
    for name in runs[0]:
        cells = []
        for case in TITLES:
            values = [found[name][case] for found in runs if case in found[name]]
            if not values:
                cells.append("")
                continue
            spread = 100 * (max(values) - min(values)) / median(values)
            shown = f"{median(values) / 1000:,.0f} us" if case == "all" else f"{median(values):,.0f} ns"
            cells.append(f"{shown} (+-{spread / 2:.0f} %)")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Measure, print, and with `--write` record."""
    binary = python()
    lines = table([run(binary) for _ in range(RUNS)])
    print("\n".join(lines))
    if "--write" in sys.argv:
        before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        DOCS.write_text(f"{before}{BEGIN}\n{chr(10).join(lines)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
