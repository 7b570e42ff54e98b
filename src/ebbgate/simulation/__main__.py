"""`python -m ebbgate.simulation SEED [harm]`: one history, told line by line."""

import sys
from datetime import timedelta

from ebbgate.control.views import inputs_of
from ebbgate.simulation.people import NO_HARM, Harm
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import World


def main(arguments: list[str]) -> int:
    """Print every decision of one seeded rollout."""
    seed = int(arguments[0]) if arguments else 1
    harm = Harm(error_rate=4.0) if "harm" in arguments[1:] else NO_HARM
    world = World(seed=seed, harm=harm)
    state = world.run(world.start(short_plan()).id, until=timedelta(days=8), step=HOUR)
    with world.store.transaction() as tx:
        rows = tx.decisions(state.id, limit=10_000)
    for row in rows:
        seen = inputs_of(row).assignment
        arms = f"{seen.treatment:,} new, {seen.control:,} old"
        print(f"{row.looked_at:%m-%d %H:%M} {row.status_before.value}: {row.decision.code.value} ({arms})")  # noqa: T201
        print(f"    {row.decision.reason}")  # noqa: T201
    outcome = state.rollback.outcome_reason if state.rollback else state.reason
    print(f"{world.replay_hint()}\nended {state.status.value}: {outcome}")  # noqa: T201
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
