"""How a command says that it failed: two lines on stderr, and with --json the same as one document on stdout.

Imports nothing but the core, so that it can also say that an extra is missing.
"""

import sys

import msgspec

from ebbgate.cli.exits import Exit, exit_of_error
from ebbgate.core.errors import EbbgateError, MissingExtraError


def report(error: EbbgateError, *, as_json: bool = False) -> Exit:
    """Print `error: ... (at $.phases[1].to)` and `hint: ...`; returns the exit status."""
    return fail(
        error.message, error.hint, code=error.code, path=error.path, status=exit_of_error(error), as_json=as_json
    )


def fail(message: str, hint: str, *, code: str, status: Exit, path: str | None = None, as_json: bool = False) -> Exit:
    where = f" (at {path})" if path not in (None, "$") else ""  # `$` is the whole document, and says nothing
    print(f"error: {_one_line(message)}{where}\nhint: {_one_line(hint)}", file=sys.stderr)
    if as_json:
        document = {"error": {"code": code, "message": message, "hint": hint, "path": path}}
        print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    return status


def missing_extra(error: ModuleNotFoundError) -> EbbgateError:
    """What a module that is not there means to a user. Raises it again if it is a part of ebbgate itself."""
    name = (error.name or "").partition(".")[0]
    if name in ("", "ebbgate"):
        raise error
    return MissingExtraError(
        f"the `ebbgate` command needs the module `{name}`, which is not installed",
        hint='pip install "ebbgate[server]"',
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
