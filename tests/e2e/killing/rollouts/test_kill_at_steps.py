"""Kill -9 of control at every named step of the loop, while the edge goes on (RULES H1, I2, I3; issue 2: 4)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.settings import Role
from ebbgate.control.looker import STEPS
from ebbgate.core.rollouts.state import Status

CLOCK = SystemClock()
SHARES = {"tenth": 10, "quarter": 25, "third": 35, "more": 60, "most": 80}
CHANGES = 6
"""How often the plan changes state by itself: to five more phases, and to success."""


def test_control_killed_at_every_step_of_the_loop_decides_once_and_ends_as_it_would_have(
    roles: Any, control: Any, begin: Any, plan: Any, hashed: Any, eventually: Callable[..., None]
) -> None:
    text = plan(
        *(f"name: {name}, to: {share}%, who: random, stay: 1h..2d" for name, share in SHARES.items()),
        "name: full, to: 100%, who: everyone, watch: 1h",
        tick="5m",
        lateness="15m",
        propagation="20s",
        recovery="4h",
    )
    rollout = begin(roles, control, roles.directory, text)
    assert len(STEPS) == CHANGES, "each step of the loop is to be hit while a change of state is decided"

    for step in STEPS:
        kill_at(step, roles, rollout, eventually)
    state = rollout.end(eventually)  # replayed, after as many restarts as there are steps
    assert state.status is Status.SUCCEEDED
    assert [record.hash_to for record in state.phases] == [100_000, 250_000, 350_000, 600_000, 800_000, 1_000_000]
    decisions = [decision["decision"] for decision in rollout.found.decisions(rollout.id)]
    assert decisions.count("advance") == CHANGES
    assert rollout.crowd.by_phase(state) == hashed(state)


def kill_at(step: str, roles: Any, rollout: Any, eventually: Callable[..., None]) -> None:
    """Let the next change of state become due while control is dead; kill control at its step; start it again.

    The killed look is the first after the start, so it is the one that changes the state.
    """
    found = rollout.found
    view = rollout.control.rollouts.get(rollout.id)
    state = found.rollout(rollout.id)
    stay = state.plan.watch if view.status is Status.WATCHING else state.phase.stay_min
    entered_at = next(p.entered_at for p in reversed(view.phases) if p.entered_at is not None)
    roles.kill(Role.CONTROL)
    CLOCK.sleep((entered_at + stay - view.now) / 600 + timedelta(seconds=0.5))
    before = len(found.decisions(rollout.id))
    roles.start(Role.CONTROL, end_at="written:2" if step == "written" else step)  # at its start it writes one as well
    roles.wait_killed(Role.CONTROL)
    after = len(found.decisions(rollout.id))
    assert after - before == (1 if step in ("committed", "written", "published") else 0), step

    roles.start(Role.CONTROL)
    has_decided = lambda: len(found.decisions(rollout.id)) > before  # noqa: E731
    eventually(has_decided, f"a decision after a kill at {step}")
    first = found.decisions(rollout.id)[before]
    assert first["decision"] == "advance", (step, first)
