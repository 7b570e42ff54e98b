"""`import ebbgate` against `import msgspec, mmh3`, each in fresh processes, in turn; the ratio of the least CPU times.

The first process of each writes bytecode into a folder of this run, as an installation has it; it is not counted.
"""

import os
import subprocess
import sys
import tempfile

ROUNDS = 20
TIMED = "import time; t = time.process_time(); {}; print(time.process_time() - t)"
STATEMENTS = {
    "import msgspec, mmh3": "import msgspec, mmh3",
    "import ebbgate": "import ebbgate",
    "and its Client": "import ebbgate; ebbgate.Client",
}


def milliseconds(statement: str, cache: str) -> float:
    """CPU time of a statement in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = cache
    command = [sys.executable, "-c", TIMED.format(statement)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout) * 1000


def main() -> None:
    """Print the times and their ratios to the first one."""
    with tempfile.TemporaryDirectory() as cache:
        best = {name: milliseconds(statement, cache) for name, statement in STATEMENTS.items()}
        best = dict.fromkeys(best, float("inf"))
        for _ in range(ROUNDS):
            for name, statement in STATEMENTS.items():
                best[name] = min(best[name], milliseconds(statement, cache))
    base = next(iter(best.values()))
    for name, time_ms in best.items():
        print(f"{name}: {time_ms:.1f} ms CPU, ratio {time_ms / base:.2f}")


if __name__ == "__main__":
    main()
