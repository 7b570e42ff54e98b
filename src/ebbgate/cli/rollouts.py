"""`ebbgate rollout`."""

import click

from ebbgate.cli.lazy import Entry, LazyGroup

_READ, _ACT = "ebbgate.cli.rollouts_read", "ebbgate.cli.rollouts_act"

ENTRIES = {
    "start": Entry(f"{_ACT}:start", "Start a rollout of a plan file.", "Change"),
    "pause": Entry(f"{_ACT}:pause", "Stop advancing; exposure stays where it is.", "Change"),
    "resume": Entry(f"{_ACT}:resume", "Go on from a pause or a review.", "Change"),
    "promote": Entry(f"{_ACT}:promote", "Go to the next phase now, on your word.", "Change"),
    "abort": Entry(f"{_ACT}:abort", "End it without a verdict.", "Change"),
    "retry": Entry(f"{_ACT}:retry", "Start an ended rollout again.", "Change"),
    "settle": Entry(f"{_ACT}:settle", "End a rollback that cannot be verified.", "Change"),
    "list": Entry(f"{_READ}:list_all", "All rollouts, newest first.", "Look"),
    "get": Entry(f"{_READ}:get", "The ladder and the metrics; --watch follows them.", "Look"),
    "status": Entry(f"{_READ}:status", "One line and an exit status; --timeout waits for the end.", "Look"),
    "history": Entry("ebbgate.cli.rollouts_history:history", "Every decision that was made.", "Look"),
    "explain": Entry("ebbgate.cli.rollouts_history:explain", "Why a decision was made, with its numbers.", "Look"),
    "replay": Entry("ebbgate.cli.rollouts_history:replay", "Every past decision again, from what was stored.", "Look"),
}


@click.command(cls=LazyGroup, entries=ENTRIES)
def rollout() -> None:
    """Start rollouts, follow them, steer them.

    REF is a rollout's id, or the name of its flag (then the newest rollout of that flag is meant).
    """
