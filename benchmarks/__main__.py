"""`make bench`: every benchmark of this folder, one after the other, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> int:
    """Run them all; the exit status is that of the last one that failed."""
    status = 0
    for path in sorted(FOLDER.glob("*.py")):
        if path.name.startswith("_"):
            continue
        print(f"== {path.stem}: {(path.read_text(encoding='utf-8').splitlines()[0]).strip(chr(34))}", flush=True)
        status = subprocess.run([sys.executable, str(path)], check=False).returncode or status
    return status


if __name__ == "__main__":
    raise SystemExit(main())
