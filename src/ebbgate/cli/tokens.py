"""`ebbgate token`."""

import click

from ebbgate.cli.lazy import Entry, LazyGroup

_HOME = "ebbgate.cli.tokens_change"

ENTRIES = {
    "create": Entry(f"{_HOME}:create", "Make a token; its text is shown once."),
    "list": Entry(f"{_HOME}:list_all", "All tokens; never their texts."),
    "revoke": Entry(f"{_HOME}:revoke", "Take a token back for good."),
    "new-admin": Entry("ebbgate.cli.tokens_local:new_admin", "On the server's machine: an admin token."),
}


@click.command(cls=LazyGroup, entries=ENTRIES)
def token() -> None:
    """Make, list and revoke tokens. Needs an admin token; new-admin makes one.

    \b
    client    an application's front end: evaluate flags, send events
    server    an application's back end: that, and whole snapshots
    operator  people and pipelines: rollouts and flags
    admin     that, and tokens
    """
