"""`ebbgate postmortem`."""

import click

from ebbgate.cli.lazy import Entry, LazyGroup

_HOME, _ACTIONS = "ebbgate.cli.postmortems_write", "ebbgate.cli.postmortems_actions"

ENTRIES = {
    "show": Entry(f"{_HOME}:show", "The document as Markdown; --html writes a page.", "Look"),
    "draft": Entry(f"{_HOME}:draft", "Draft it now, or fill in anew what is stored.", "Write"),
    "write": Entry(f"{_HOME}:write", "Write a judgement.", "Write"),
    "submit": Entry(f"{_HOME}:submit", "Ask for a review.", "Write"),
    "review": Entry(f"{_HOME}:review", "Say that it is right; not for an author.", "Write"),
    "close": Entry(f"{_HOME}:close", "Finish a reviewed one.", "Write"),
    "actions": Entry(f"{_ACTIONS}:actions", "What is to be done; overdue ones are marked.", "Actions"),
    "action-add": Entry(f"{_ACTIONS}:add", "Add something with an owner and a day.", "Actions"),
    "action-end": Entry(f"{_ACTIONS}:end", "Say that it is done, or dropped.", "Actions"),
}


@click.command(cls=LazyGroup, entries=ENTRIES)
def postmortem() -> None:
    """Post-mortems: the facts are filled in from stored rows, the judgements are yours.

    REF is an incident's id (INC-1), or the id of its rollout.
    """
