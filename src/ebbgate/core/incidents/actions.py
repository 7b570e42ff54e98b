"""What is to be done about it: each with an owner and a day, and reported when the day has passed."""

from datetime import date, datetime
from enum import StrEnum

import msgspec


class ActionKind(StrEnum):
    PREVENT = "prevent"
    MITIGATE = "mitigate"
    PROCESS = "process"
    DOCS = "docs"
    TRAINING = "training"


class ActionState(StrEnum):
    OPEN = "open"
    DONE = "done"
    DROPPED = "dropped"


class ActionItem(msgspec.Struct, frozen=True, kw_only=True):
    """One action. id 0 = not stored yet. due_on: its last day (UTC). *_at: machine time. result: how it ended."""

    incident: str
    text: str
    owner: str
    due_on: date
    kind: ActionKind
    created_by: str
    created_at: datetime
    id: int = 0
    revision: int = 1
    state: ActionState = ActionState.OPEN
    ended_at: datetime | None = None
    result: str = ""


def is_overdue(item: ActionItem, *, now: datetime) -> bool:
    """Whether its day has passed while it is open. now: machine time, UTC."""
    return item.state is ActionState.OPEN and now.date() > item.due_on
