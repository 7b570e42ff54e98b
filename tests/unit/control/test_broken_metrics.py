"""A metric that cannot be computed stops none of the others, passes no phase, and is named (RULES D5, F1, F2)."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

import ebbgate.control.evidence as evidence_of
import ebbgate.control.evidence_analyses as analyses_of
from ebbgate.cli.doctor_checks import Finding
from ebbgate.cli.doctor_server import check_rollouts
from ebbgate.control.replay import ReplayService
from ebbgate.control.views import inputs_of
from ebbgate.core.events import TrackedEvent
from ebbgate.core.metrics import Verdict, fold, judge
from ebbgate.core.rollouts.decision import Code, Hold, Review, Rollback
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.state import Status
from ebbgate.simulation.people import Harm
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import World

HARM = Harm(error_rate=12.0, begin=timedelta(hours=30))
WITHOUT = "api_time cannot be computed"


def a_world(*, plan: Plan | None = None, **changes: Any) -> tuple[World, str]:
    world = World(seed=3, users=250, **changes)
    return world, world.start(plan or short_plan()).id


def decisions(world: World, rollout_id: str) -> list[Any]:
    with world.store.transaction() as tx:
        return tx.decisions(rollout_id, limit=10_000)


@pytest.fixture
def api_time_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first block with units in both arms cannot be folded."""

    def broken(guardrail: Any, evidence: Any, block: Any, **more: Any) -> Any:
        if block.metric == "api_time" and block.treatment_n and block.control_n:
            raise OverflowError("too large")
        return fold(guardrail, evidence, block, **more)

    monkeypatch.setattr(evidence_of, "fold", broken)


@pytest.mark.usefixtures("api_time_breaks")
def test_harm_on_another_metric_is_shown_and_taken_back() -> None:
    world, rollout_id = a_world(harm=HARM)
    state = world.run(rollout_id, until=timedelta(days=4), step=HOUR)
    assert state.rollback is not None, world.replay_hint()
    found = next(row.decision for row in decisions(world, rollout_id) if isinstance(row.decision, Rollback))
    assert found.metrics == ("errors",)
    assert world.loop.failures == 0


@pytest.mark.usefixtures("api_time_breaks")
def test_f2_a_gating_metric_that_cannot_be_computed_holds_and_after_long_a_person_is_asked() -> None:
    world, rollout_id = a_world()
    world.run(rollout_id, until=timedelta(hours=40), step=HOUR)
    view = world.views.get(rollout_id)
    assert (view.status, view.phase) == (Status.RUNNING, "early")
    assert isinstance(view.decision, Hold)
    assert (view.decision.code, view.decision.metrics) == (Code.BROKEN_METRIC, ("api_time",))
    verdicts = {analysis.metric: (analysis.verdict, analysis.why) for analysis in view.analyses}
    assert verdicts["api_time"] == (Verdict.UNDECIDED, "broken")
    assert verdicts["errors"][1] != "broken"
    assert len(view.trouble) == 1
    assert view.trouble[0].startswith(f"{WITHOUT} since ")
    assert "OverflowError: too large" in view.trouble[0]
    checks = list(check_rollouts(world.views.list()))
    assert [check.finding for check in checks] == [Finding.FAILED]
    assert WITHOUT in checks[0].detail
    for _ in range(48):
        world.pass_time(HOUR)
    asked = next(row.decision for row in decisions(world, rollout_id) if isinstance(row.decision, Review))
    assert (asked.code, asked.metrics) == (Code.TOO_LONG, ("api_time",))
    assert WITHOUT in asked.reason
    assert world.views.get(rollout_id).phase == "early"


@pytest.mark.usefixtures("api_time_breaks")
def test_a_replay_finds_the_same_metric_broken() -> None:
    world, rollout_id = a_world()
    world.run(rollout_id, until=timedelta(hours=30), step=HOUR)
    found = ReplayService(world.store).replay(rollout_id)
    assert found.is_same, found.differences
    assert any(inputs_of(row).health.broken for row in decisions(world, rollout_id))


def test_evidence_that_cannot_be_judged_holds_too_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(guardrail: Any, *args: Any, **more: Any) -> Any:
        found = judge(guardrail, *args, **more)
        is_hit = guardrail.metric.name == "errors" and found.treatment_n > 0
        return msgspec.structs.replace(found, safe_bound=float("nan")) if is_hit else found

    monkeypatch.setattr(analyses_of, "judge", broken)
    world, rollout_id = a_world()
    world.run(rollout_id, until=timedelta(hours=40), step=HOUR)
    view = world.views.get(rollout_id)
    assert isinstance(view.decision, Hold)
    assert view.decision.metrics == ("errors",)
    assert "not finite" in view.decision.reason
    assert "nan" not in view.decision.reason


def test_a_critical_limit_counts_though_the_comparison_beside_it_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(guardrail: Any, evidence: Any, block: Any, **more: Any) -> Any:
        if block.metric == "errors":
            raise ZeroDivisionError
        return fold(guardrail, evidence, block, **more)

    monkeypatch.setattr(evidence_of, "fold", broken)
    world, rollout_id = a_world(harm=HARM)
    world.run(rollout_id, until=timedelta(days=4), step=HOUR)
    found = next(row.decision for row in decisions(world, rollout_id) if isinstance(row.decision, Rollback))
    assert found.code is Code.CRITICAL_LIMIT


@pytest.mark.parametrize("value", [1e200, 1.2e308])
def test_d5_one_huge_value_is_dropped_and_harm_is_shown_and_taken_back(value: float) -> None:
    world, rollout_id = a_world(harm=HARM)
    world.run(rollout_id, until=timedelta(hours=20), step=HOUR)
    now = world.clock.plan_now()
    stray = [
        TrackedEvent(id=f"stray-{n}", unit=person.key, name="api_ms", value=value, occurred_at=now, sent_at=now)
        for n, person in enumerate(world.everybody)
    ]
    world._append(stray)
    world.run(rollout_id, until=timedelta(days=4), step=HOUR)
    found = next(row.decision for row in decisions(world, rollout_id) if isinstance(row.decision, Rollback))
    assert found.metrics == ("errors",)
    assert world.loop.failures == 0
    assert world.store_evidence(rollout_id).broken == ()


def test_a_look_that_breaks_is_told_with_since_when_and_what_until_one_works(monkeypatch: pytest.MonkeyPatch) -> None:
    world, rollout_id = a_world()
    for _ in range(3):
        world.pass_time(HOUR)
    begun_at = world.clock.machine_now() + HOUR

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no such thing")

    with monkeypatch.context() as patched:
        patched.setattr(world.loop._looker, "_stale_for", broken)
        for _ in range(3):
            world.pass_time(HOUR)
    view = world.views.get(rollout_id)
    assert view.trouble == (
        f"nothing is decided: 3 looks have failed since {begun_at:%Y-%m-%d %H:%M:%S} UTC, the last that worked was at "
        f"{view.looked_at:%Y-%m-%d %H:%M} UTC (plan time); an unforeseen error: RuntimeError: no such thing",
    )
    assert [line.trouble for line in world.views.list()] == [view.trouble]
    [check] = check_rollouts(world.views.list())
    assert check.finding is Finding.FAILED
    world.pass_time(HOUR)
    assert world.views.get(rollout_id).trouble == ()
    [check] = check_rollouts(world.views.list())
    assert (check.finding, check.detail) == (Finding.OK, "1 under way, each looked at")


def test_a_log_that_cannot_be_read_is_every_rollout_s_trouble() -> None:
    world, rollout_id = a_world()
    world.pass_time(HOUR)
    world.store.fail_next(), world.loop.tick()
    assert world.loop.failures == 1
    assert "nothing is decided" in world.views.get(rollout_id).trouble[0]
    world.pass_time(HOUR)
    assert world.views.get(rollout_id).trouble == ()
