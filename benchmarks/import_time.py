"""`import ebbgate` against `import msgspec, mmh3`, each in fresh processes, in turn; the ratio of the medians."""

import subprocess
import sys
from statistics import median

ROUNDS = 15
TIMED = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"


def seconds(statement: str) -> float:
    """How long a statement takes in a process of its own."""
    done = subprocess.run([sys.executable, "-c", TIMED.format(statement)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    base, bare, client = [], [], []
    for _ in range(ROUNDS):
        base.append(seconds("import msgspec, mmh3"))
        bare.append(seconds("import ebbgate"))
        client.append(seconds("import ebbgate; ebbgate.Client"))
    print(f"import msgspec, mmh3: {median(base) * 1000:.1f} ms")
    print(f"import ebbgate: {median(bare) * 1000:.1f} ms, ratio {median(bare) / median(base):.2f}")
    print(f"and ebbgate.Client: {median(client) * 1000:.1f} ms, ratio {median(client) / median(base):.2f}")


if __name__ == "__main__":
    main()
