"""`python -m ebbgate`: the same as the `ebbgate` command."""

import sys

from ebbgate.cli import main

if __name__ == "__main__":
    sys.exit(main())
