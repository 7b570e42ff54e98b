"""`python -m ebbgate.bootstrap.worker SETTINGS`: one process of `ebbgate serve`, started by its supervisor."""

import sys

import msgspec

from ebbgate.bootstrap.serve import end_with_parent, serve
from ebbgate.bootstrap.settings import ServeSettings
from ebbgate.core.errors import EbbgateError


def main() -> int:
    settings = msgspec.json.decode(sys.argv[1], type=ServeSettings, dec_hook=lambda kind, value: kind(value))
    end_with_parent()
    try:
        return serve(settings)
    except EbbgateError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr, flush=True)  # noqa: T201
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
