"""`ebbgate rollback`: a version's name, or one of the commands about taking versions back."""

import click

from ebbgate.cli.lazy import Entry, LazyGroup

ENTRIES = {
    "run": Entry("ebbgate.cli.rollouts_act:rollback", "Take a version back now: the flag goes off."),
    "status": Entry("ebbgate.cli.rollouts_read:get", "Where a rollback stands; --watch follows it."),
    "drill": Entry("ebbgate.cli.drills:drill", "Walk the whole way back on a scratch flag and in a sandbox."),
    "drills": Entry("ebbgate.cli.drills:drills", "The drills so far, with their times."),
}


class _Group(LazyGroup):
    """`ebbgate rollback REF` is `ebbgate rollback run REF`: at night nobody wants to think of the verb."""

    default = "run"

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in ENTRIES:
            args = [self.default, *args]
        return super().resolve_command(ctx, args)


@click.command(
    cls=_Group, entries=ENTRIES, context_settings={"ignore_unknown_options": True}, subcommand_metavar="REF | COMMAND"
)
def rollback() -> None:
    """Take a version back now: `ebbgate rollback newWidgets --reason "support is overrun" --watch`.

    REF is a rollout's id, or the name of its flag. A flag that is called like one of the commands is named behind
    `run`.
    """
