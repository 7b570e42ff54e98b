"""Plan files on this machine."""

from pathlib import Path

from ebbgate.adapters.plans import read_plan
from ebbgate.core.errors import PlanError
from ebbgate.core.rollouts.plan import Plan


def load_plan(path: Path, overlay: str | None = None) -> Plan:
    """The plan of a file. overlay: the name of one in the file. Raises PlanError, naming file, line, path and hint."""
    try:
        return parse_plan(plan_text(path), overlay)
    except PlanError as error:
        if error.path is None:  # the file itself, which the message names already
            raise
        raise PlanError(f"{path}: {error.message}", hint=error.hint, path=error.path) from None


def parse_plan(text: str, overlay: str | None = None) -> Plan:
    """The plan of a text. Raises PlanError, naming line, path and hint."""
    return read_plan(text, overlay=overlay)


def plan_text(path: Path) -> str:
    """The text of a plan file. Raises PlanError where there is none that can be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PlanError(f"there is no file {path}", hint="write one with `ebbgate init`, or name another") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PlanError(f"{path} cannot be read: {reason}", hint="give the path of a plan file") from error
