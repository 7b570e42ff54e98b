"""Prints the control API's description: `python -m ebbgate.doors.openapi > spec/openapi.json`."""

import sys

from ebbgate.api.app import describable_app
from ebbgate.api.published import openapi_text


def main() -> None:
    sys.stdout.buffer.write(openapi_text(describable_app()))


if __name__ == "__main__":
    main()
