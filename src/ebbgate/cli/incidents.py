"""`ebbgate incident`."""

import click

from ebbgate.cli.lazy import Entry, LazyGroup

_READ, _ACT = "ebbgate.cli.incidents_read", "ebbgate.cli.incidents_act"

ENTRIES = {
    "list": Entry(f"{_READ}:list_all", "What is wrong, newest first.", "Look"),
    "show": Entry(f"{_READ}:show", "One incident and its timeline.", "Look"),
    "timeline": Entry(f"{_READ}:timeline", "What happened, with links to the evidence.", "Look"),
    "open": Entry(f"{_ACT}:open_one", "Open one by hand, such as for corrupted data.", "Change"),
    "report": Entry(f"{_ACT}:report", "What a user says, tied to their version.", "Change"),
    "note": Entry(f"{_ACT}:note", "Keep what you see.", "Change"),
    "assign": Entry(f"{_ACT}:assign", "Give somebody a role.", "Change"),
    "severity": Entry(f"{_ACT}:severity", "Say how grave it is.", "Change"),
    "stable": Entry(f"{_ACT}:stable", "The harm is over; the post-mortem is drafted.", "Change"),
    "reopen": Entry(f"{_ACT}:reopen", "It is not over.", "Change"),
    "close": Entry(f"{_ACT}:close", "It is written up.", "Change"),
}


@click.command(cls=LazyGroup, entries=ENTRIES)
def incident() -> None:
    """Incidents: each rollback opens one by itself.

    REF is an incident's id (INC-1), the id of its rollout, or the name of its flag.
    """
