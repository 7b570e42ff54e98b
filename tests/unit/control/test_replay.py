"""RULES E5: every past decision computed again gives the same values, to 1e-9, to the end of a rollback."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.control.audit import Actor
from ebbgate.control.decisions import StoredLook, facts_of, inputs_of
from ebbgate.control.evidence import look_analyses, recovery_analyses
from ebbgate.control.replay import ReplayService, as_recovered, recompute
from ebbgate.core.errors import TransitionError
from ebbgate.core.metrics import ProportionBlock, Verdict, fold, start
from ebbgate.core.metrics.blocks import RECOVERY, RETURNED, MeanBlock, Moments
from ebbgate.core.metrics.definition import Guardrail, MetricKind
from ebbgate.core.metrics.readings import ReadingBlock, ReadingEvidence, fold_reading, judge_reading
from ebbgate.core.rollouts.decision import Code, Hold, Rollback, Step
from ebbgate.core.rollouts.look import EDITION, LookData, LookInputs
from ebbgate.core.rollouts.state import RollbackOutcome, Status
from ebbgate.ports.control_store import Evidence
from ebbgate.simulation.people import Harm
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import World
from ebbgate.testing.rollouts import an_analysis

OLD: dict[str, Any] = {"late": None, "clustered": None, "window": None, "trail": ()}
ADA = Actor(name="ada", reason="nobody will come back tonight")


def a_world(**changes: Any) -> tuple[World, str]:
    """A small world with a holdout, so that late harm is tested to the end."""
    world = World(seed=3, users=250, **changes)
    plan = msgspec.structs.replace(short_plan(), holdout=0.1, watch=30 * HOUR)
    return world, world.start(plan).id


@pytest.fixture(scope="module")
def taken_back() -> tuple[World, str]:
    """Harm from the 30th hour on, a rollback, and its recovery."""
    world, rollout_id = a_world(harm=Harm(error_rate=12.0, begin=timedelta(hours=30)))
    state = world.run(rollout_id, until=timedelta(days=7), step=HOUR)
    assert state.status is Status.ROLLED_BACK, world.replay_hint()
    return world, rollout_id


def rows_of(world: World, rollout_id: str) -> list[Any]:
    with world.store.transaction() as tx:
        return tx.decisions(rollout_id, limit=10_000)


def test_a_rollback_s_steps_are_decisions_to_its_end(taken_back: tuple[World, str]) -> None:
    world, rollout_id = taken_back
    rows = rows_of(world, rollout_id)
    began = next(i for i, row in enumerate(rows) if isinstance(row.decision, Rollback))
    after = rows[began + 1 :]
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
    assert isinstance(after[0].decision, Step)
    assert after[0].decision.code is Code.PROPAGATED
    assert all(isinstance(row.decision, Hold) and row.decision.code is Code.RECOVERING for row in after[1:-1])
    outcome = world.rollouts.get(rollout_id).rollback.outcome  # type: ignore[union-attr]
    assert after[-1].decision.code.value == outcome.value  # type: ignore[union-attr]
    assert after[-1].status_after is Status.ROLLED_BACK
    assert {facts_of(row).rollback.look for row in after} == {rows[began].sequence}  # type: ignore[union-attr]


def test_replay_recomputes_every_decision_to_the_same_value(taken_back: tuple[World, str]) -> None:
    world, rollout_id = taken_back
    found = ReplayService(world.store).replay(rollout_id)
    assert found.is_same, found.differences
    assert found.state_is_same is True
    assert found.decisions == len(rows_of(world, rollout_id))
    assert found.values > 50 * found.decisions


def test_replay_is_the_same_after_a_restart_and_notices_a_changed_number(taken_back: tuple[World, str]) -> None:
    world, rollout_id = taken_back
    world.restart()
    assert ReplayService(world.store).replay(rollout_id).is_same
    rows = world.store._tables.decisions[rollout_id]  # the disk, so to say
    place = next(i for i, row in enumerate(rows) if facts_of(row).analyses and facts_of(row).rollback is None) + 20
    kept, stored = rows[place], msgspec.msgpack.decode(rows[place].inputs, type=StoredLook)
    errors = stored.analyses["errors"]
    changed = {**stored.analyses, "errors": msgspec.structs.replace(errors, log_e=errors.log_e + 1e-6)}
    tampered = msgspec.msgpack.encode(msgspec.structs.replace(stored, analyses=changed))
    rows[place] = msgspec.structs.replace(kept, inputs=tampered)
    try:
        found = ReplayService(world.store).replay(rollout_id)
    finally:
        rows[place] = kept
    assert [(d.sequence, d.path) for d in found.differences] == [(kept.sequence, "analyses.errors.log_e")]
    assert not found.is_same


def test_the_plan_is_stored_once_and_every_row_still_has_it(taken_back: tuple[World, str]) -> None:
    world, rollout_id = taken_back
    stored = [msgspec.msgpack.decode(row.inputs, type=StoredLook) for row in rows_of(world, rollout_id)]
    assert [look.plan is not None for look in stored] == [True] + [False] * (len(stored) - 1)
    assert {look.plan_at for look in stored} == {1}
    with world.store.transaction() as tx:
        last = tx.last_decision(rollout_id)
        assert last is not None
        plan = inputs_of(tx, last).state.plan
    assert plan == world.rollouts.get(rollout_id).plan


def test_replay_folds_all_that_a_look_read_parts_and_readings_too(taken_back: tuple[World, str]) -> None:
    world, rollout_id = taken_back
    row = rows_of(world, rollout_id)[0]
    with world.store.transaction() as tx:
        inputs = inputs_of(tx, row)
    errors, *others = inputs.state.plan.guardrails
    by_endpoint = msgspec.structs.replace(errors, metric=msgspec.structs.replace(errors.metric, by="endpoint"))
    plan = msgspec.structs.replace(inputs.state.plan, guardrails=(by_endpoint, *others))
    head: dict[str, Any] = {"phase": 1, "closed_at": inputs.now}
    part = ProportionBlock(
        metric="errors[/a]",
        opened_at=inputs.now - HOUR,
        treatment_n=40,
        treatment_y=3,
        control_n=60,
        control_y=2,
        **head,
    )
    reading = ReadingBlock(metric="errors", treatment=0.1, control=0.2, **head)
    seen = msgspec.structs.replace(
        inputs, state=msgspec.structs.replace(inputs.state, plan=plan), parts=[part], readings=[reading]
    )
    evidence, _, _ = recompute(row, seen, Evidence())
    assert evidence.parts["errors[/a]"].phases[1].strata.treatment.n == 40
    assert evidence.readings["errors"].newest == reading
    assert set(LookData.__struct_fields__) <= set(LookInputs.__struct_fields__)


def as_before(inputs: LookInputs) -> bytes:
    """As versions wrote a row that knew neither late harm nor arrivals: the whole state, plan and all."""
    analyses = {n: msgspec.structs.replace(a, **OLD) for n, a in inputs.analyses.items()}
    health = msgspec.structs.replace(inputs.health, arrivals=(), volume=None)
    whole = msgspec.structs.asdict(msgspec.structs.replace(inputs, analyses=analyses, health=health))
    for name in ("late", "arrivals", "volume", "clustered", "rollback", "edition"):
        del whole[name]
    return msgspec.msgpack.encode(whole)


def test_rows_of_an_earlier_version_are_read_and_replayed(taken_back: tuple[World, str]) -> None:
    world, rollout_id = taken_back
    kept = list(rows := world.store._tables.decisions[rollout_id])
    old = []
    with world.store.transaction() as tx:
        for row in kept:
            if isinstance(row.decision, Rollback):
                break
            old.append(msgspec.structs.replace(row, inputs=as_before(inputs_of(tx, row))))
    rows[:] = old
    try:
        with world.store.transaction() as tx:
            assert inputs_of(tx, rows[-1]).state.plan.flag == "newWidgets"
        found = ReplayService(world.store).replay(rollout_id)
    finally:
        rows[:] = kept
    assert found.decisions == len(old) > 20
    assert not found.differing, found.differences
    assert found.state_is_same is None  # what followed is not among these rows


def test_a_rollback_that_nobody_can_verify_is_settled_by_hand_and_never_as_recovered() -> None:
    world, rollout_id = a_world()
    world.pass_time(HOUR)
    with pytest.raises(TransitionError, match="no rollback to settle"):
        world.rollbacks.settle(rollout_id, actor=ADA)
    world.rollouts.roll_back(rollout_id, actor=Actor(name="ada", reason="it fails"))
    state = world.rollbacks.settle(rollout_id, actor=ADA)
    assert state.status is Status.ROLLED_BACK
    assert state.rollback is not None
    assert state.rollback.outcome is RollbackOutcome.UNVERIFIED
    assert "settled by ada: nobody will come back tonight" in state.rollback.outcome_reason
    assert rows_of(world, rollout_id)[-1].decision.code is Code.UNVERIFIED
    found = ReplayService(world.store).replay(rollout_id)
    assert found.by_person == 1
    assert found.is_same, found.differences
    world.pass_time(HOUR)
    assert world.rollouts.get(rollout_id).status is Status.ROLLED_BACK


def test_sentences_are_compared_only_where_they_were_written_as_they_are_now(taken_back: tuple[World, str]) -> None:
    """Numbers of an earlier edition are compared all the same."""
    world, rollout_id = taken_back
    rows = world.store._tables.decisions[rollout_id]
    place = next(i for i, row in enumerate(rows) if facts_of(row).analyses and facts_of(row).rollback is None) + 20
    kept, stored = rows[place], msgspec.msgpack.decode(rows[place].inputs, type=StoredLook)
    assert stored.edition == EDITION
    errors = stored.analyses["errors"]

    def found_of(edition: int, **changes: Any) -> list[str]:
        analyses = {**stored.analyses, "errors": msgspec.structs.replace(errors, **changes)}
        tampered = msgspec.msgpack.encode(msgspec.structs.replace(stored, analyses=analyses, edition=edition))
        rows[place] = msgspec.structs.replace(kept, inputs=tampered)
        try:
            return [d.path for d in ReplayService(world.store).replay(rollout_id).differences]
        finally:
            rows[place] = kept

    assert found_of(EDITION, words="otherwise") == ["analyses.errors.words"]
    assert found_of(0, words="otherwise") == []
    assert found_of(0, words="otherwise", log_e=errors.log_e + 1e-6) == ["analyses.errors.log_e"]


def test_what_is_only_read_stays_what_it_was_after_a_rollback(taken_back: tuple[World, str]) -> None:
    """A number of the release is neither compared nor recovered; rows of before are replayed as they were."""
    world, rollout_id = taken_back
    state = world.rollouts.get(rollout_id)
    errors = state.plan.guardrails[0]
    metric = msgspec.structs.replace(errors.metric, name="size", kind=MetricKind.BUILD, event="size_bytes")
    size = msgspec.structs.replace(errors, metric=metric, limit=500_000.0, critical=None)
    plan = msgspec.structs.replace(state.plan, guardrails=(*state.plan.guardrails, size))
    state = msgspec.structs.replace(state, plan=plan)
    with world.store.transaction() as tx:
        evidence = tx.evidence(rollout_id)
        inputs = inputs_of(tx, tx.decisions(rollout_id)[-1])
    block = ReadingBlock(metric="size", phase=1, closed_at=state.record.entered_at, treatment=480_000.0)
    evidence = msgspec.structs.replace(evidence, readings={"size": fold_reading(size, ReadingEvidence(), block)})
    for phase in (RECOVERY, RETURNED):
        found = recovery_analyses(state, evidence, phase=phase)
        assert found["size"] == judge_reading(size, evidence.readings["size"])
        assert found["size"].verdict is Verdict.NOT_APPLICABLE
        before = an_analysis(metric="size", verdict=Verdict.UNDECIDED)
        old = msgspec.structs.replace(inputs, state=state, edition=0)
        assert as_recovered(found, {"size": before}, old) == {**found, "size": before}
        assert as_recovered(found, {"size": before}, msgspec.structs.replace(old, edition=EDITION)) == found


def test_outliers_are_compared_only_where_the_row_could_know_them(taken_back: tuple[World, str]) -> None:
    world, rollout_id = taken_back
    row = next(one for one in rows_of(world, rollout_id) if facts_of(one).rollback is None)
    with world.store.transaction() as tx:
        inputs = inputs_of(tx, row)
    metric = msgspec.structs.replace(inputs.state.plan.guardrails[0].metric, name="dwell", kind=MetricKind.MEAN)
    dwell = Guardrail(metric=msgspec.structs.replace(metric, event="dwell_s", trial=None))
    plan = msgspec.structs.replace(inputs.state.plan, guardrails=(dwell,), goals=())
    arm = Moments(n=100, total=100.0, squares=110.0)
    block = MeanBlock(
        metric="dwell",
        phase=inputs.state.record.index,
        opened_at=inputs.now - HOUR,
        closed_at=inputs.now,
        cap=3.0,
        treatment=arm,
        control=arm,
        treatment_raw_total=1100.0,
        control_raw_total=100.0,
        treatment_raw_squares=1e6,
        control_raw_squares=110.0,
    )
    state = msgspec.structs.replace(inputs.state, plan=plan)
    evidence = Evidence(metrics={"dwell": fold(dwell, start(dwell, alpha=0.01), block)})
    seen = msgspec.structs.replace(inputs, state=state, blocks=[], late=[], arrivals=[], volume=None, clustered=[])
    found = look_analyses(state, evidence)
    assert found["dwell"].outliers is not None
    before = {"dwell": msgspec.structs.replace(found["dwell"], outliers=None)}

    def differing(edition: int) -> list[str]:
        stored = msgspec.structs.replace(seen, analyses=before, edition=edition)
        return [one.path for one in recompute(row, stored, evidence)[2] if one.path.startswith("analyses")]

    assert differing(0) == []
    assert {path.split(".")[2] for path in differing(EDITION)} == {"outliers"}
