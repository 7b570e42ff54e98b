"""What `plan lint` reports."""

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """error: it must not start. warning: it may not do what it promises. note: worth knowing, nothing to change."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """path: of the plan file (`$.phases[1].to`). hint: what to write, or why nothing need be done."""

    level: Level
    path: str
    message: str
    hint: str
