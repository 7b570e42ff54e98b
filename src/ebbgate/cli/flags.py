"""`ebbgate flag`."""

import click

from ebbgate.cli.lazy import Entry, LazyGroup

_READ, _CHANGE = "ebbgate.cli.flags_read", "ebbgate.cli.flags_change"
_HISTORY, _DOCUMENT = "ebbgate.cli.flags_history", "ebbgate.cli.flags_document"

ENTRIES = {
    "list": Entry(f"{_READ}:list_all", "All flags of an environment.", "Look"),
    "show": Entry(f"{_READ}:show", "One flag: as written, as served, and what stands between.", "Look"),
    "eval": Entry("ebbgate.cli.flags_eval:evaluate", "What a user gets, and why. Nothing is recorded.", "Look"),
    "history": Entry(f"{_HISTORY}:history", "Every change: who, when, why, and what differs.", "Look"),
    "diff": Entry(f"{_HISTORY}:diff", "What differs between two versions.", "Look"),
    "stale": Entry("ebbgate.cli.flags_silence:stale", "What should arrive around flags, and does not.", "Look"),
    "export": Entry(f"{_DOCUMENT}:export_flags", "All flags as one flagd document.", "Look"),
    "put": Entry(f"{_CHANGE}:put", "Create a flag, or replace its definition.", "Change"),
    "kill": Entry(f"{_CHANGE}:kill", "Everybody gets the old version, at once.", "Change"),
    "restore": Entry(f"{_CHANGE}:restore", "Lift a kill.", "Change"),
    "revert": Entry(f"{_HISTORY}:revert", "Go back to an earlier version.", "Change"),
    "delete": Entry(f"{_HISTORY}:delete", "Delete a flag; its history stays.", "Change"),
    "import": Entry(f"{_DOCUMENT}:import_flags", "Take a flagd document, or see what it would change.", "Change"),
    "opt-in": Entry(f"{_CHANGE}:opt_in", "Put a user on the flag's opt-in list.", "Change"),
    "opt-out": Entry(f"{_CHANGE}:opt_out", "Take a user off the flag's opt-in list.", "Change"),
}


@click.command(cls=LazyGroup, entries=ENTRIES)
def flag() -> None:
    """Read, write, kill and restore flags."""
