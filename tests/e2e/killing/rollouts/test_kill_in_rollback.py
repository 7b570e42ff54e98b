"""Kill -9 of control between a rollback's decision, its flag-off, and its proof (RULES H1 to H3, I2; issue 2: 4)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.settings import Role
from ebbgate.core.rollouts.state import RollbackOutcome, Status

CLOCK = SystemClock()


def test_control_killed_between_the_decision_and_the_flag_off_takes_the_version_back_when_it_is_back(
    roles: Any, control: Any, begin: Any, plan: Any, hashed: Any, eventually: Callable[..., None]
) -> None:
    text = plan("name: half, to: 50%, who: random, stay: 4h..2d", "name: full, to: 100%, who: everyone, watch: 4h")
    rollout = begin(roles, control, roles.directory, text, is_harmful=True)
    rollout_id, crowd, found = rollout.id, rollout.crowd, rollout.found
    begun_at = control.flags.get("newWidgets").snapshot_version
    eventually(lambda: crowd.client.snapshot_version == begun_at)
    roles.kill(Role.CONTROL)
    CLOCK.sleep(timedelta(seconds=9))  # everybody comes by, and what they do counts; the edge takes it all

    roles.start(Role.CONTROL, end_at="committed")
    roles.wait_killed(Role.CONTROL)
    state = found.rollout(rollout_id)
    assert state.status is Status.ROLLING_BACK
    assert state.rollback is not None
    assert crowd.client.snapshot_version == begun_at  # decided, and nobody has heard of it
    assert [d["decision"] for d in found.decisions(rollout_id)][-1] == "rollback"

    roles.start(Role.CONTROL, end_at="written")
    roles.wait_killed(Role.CONTROL)
    eventually(lambda: crowd.client.snapshot_version == state.rollback.off_version, "the flag-off to be pushed")
    assert not found.is_journaled(f"publish:production:{state.rollback.off_version}")  # done, and not yet noted

    roles.start(Role.CONTROL, end_at="ingested:3")
    roles.wait_killed(Role.CONTROL)
    assert not any(crowd.client.boolean_value("newWidgets", True, {"targetingKey": f"user-{n}"}) for n in range(800))

    roles.start(Role.CONTROL)
    eventually(lambda: found.rollout(rollout_id).status is Status.ROLLED_BACK, "the end", timeout_s=120.0)
    ended = rollout.end(eventually)
    assert ended.rollback is not None
    assert ended.rollback.outcome is RollbackOutcome.RECOVERED, ended.rollback
    assert (ended.rollback.confirmed, ended.rollback.expected) == (1, 1)
    assert [action for action, _ in found.audit(f"rollout:{rollout_id}")] == [
        "rollout.start",
        "rollout.rollback",
        "rollback.propagated",
        "rollback.recovered",
    ]
    assert found.is_journaled(f"publish:production:{ended.rollback.off_version}")
    assert crowd.by_phase(ended) == hashed(ended)
