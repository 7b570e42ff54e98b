"""`ebbgate flag`."""

import click

from ebbgate.cli.lazy import Entry, LazyGroup

_READ, _CHANGE = "ebbgate.cli.flags_read", "ebbgate.cli.flags_change"

ENTRIES = {
    "list": Entry(f"{_READ}:list_all", "All flags of an environment.", "Look"),
    "show": Entry(f"{_READ}:show", "One flag: as written, as served, and what stands between.", "Look"),
    "eval": Entry("ebbgate.cli.flags_eval:evaluate", "What a user gets, and why. Nothing is recorded.", "Look"),
    "put": Entry(f"{_CHANGE}:put", "Create a flag, or replace its definition.", "Change"),
    "kill": Entry(f"{_CHANGE}:kill", "Everybody gets the old version, at once.", "Change"),
    "restore": Entry(f"{_CHANGE}:restore", "Lift a kill.", "Change"),
    "opt-in": Entry(f"{_CHANGE}:opt_in", "Put a user on the flag's opt-in list.", "Change"),
    "opt-out": Entry(f"{_CHANGE}:opt_out", "Take a user off the flag's opt-in list.", "Change"),
}


@click.command(cls=LazyGroup, entries=ENTRIES)
def flag() -> None:
    """Read, write, kill and restore flags."""
