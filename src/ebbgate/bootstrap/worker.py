"""`python -m ebbgate.bootstrap.worker [ERRORS]`: one process of `ebbgate serve`, as `spawn` starts it.

Its settings are the first line of standard input. ERRORS: the descriptor that takes the error that ends it.
"""

import sys

from ebbgate.bootstrap.processes import end_with_parent, receive_settings, tell_error
from ebbgate.bootstrap.serve import serve
from ebbgate.core.errors import EbbgateError


def main() -> int:
    descriptor = int(sys.argv[1]) if sys.argv[1:] else None
    settings = receive_settings()
    end_with_parent()
    try:
        return serve(settings)
    except EbbgateError as error:
        tell_error(error, descriptor)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
