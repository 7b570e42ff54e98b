"""What the simulations share."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import structlog

from ebbgate.core.rollouts.state import RolloutState
from ebbgate.simulation.world import World


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    """Injected faults are expected: they need not be told."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    yield
    structlog.reset_defaults()


def _books_agree(world: World, state: RolloutState) -> None:
    """State, decisions, audit and outbox tell one story (RULES I2)."""
    with world.store.transaction() as tx:
        decisions = tx.decisions(state.id, limit=10_000)
        audit = tx.audit(subject=f"rollout:{state.id}", limit=10_000)
        outbox = tx.outbox(limit=100_000)
    hint = world.replay_hint()
    assert [row.sequence for row in decisions] == list(range(1, len(decisions) + 1)), hint
    told = [row.key for row in outbox if row.topic == "decision" and row.subject == state.id]
    assert told == [f"decision:{state.id}:{row.sequence}" for row in decisions], hint
    changes = [row for row in outbox if row.topic == "rollout" and row.subject == state.id]
    assert len(changes) == len(audit), hint
    assert [row.payload["status"] for row in changes] == [row.after["status"] for row in audit], hint
    for before, after in pairwise(audit):
        assert after.before["status"] == before.after["status"], hint
    assert audit[-1].after["status"] == state.status.value, hint
    moved = [row for row in decisions if row.status_after is not row.status_before]
    assert len(moved) <= len(audit), hint


@pytest.fixture
def books_agree() -> Callable[[World, RolloutState], None]:
    return _books_agree
