"""The contract of the control store: rollouts, evidence and decisions (RULES E5, I2)."""

from datetime import UTC, datetime, timedelta
from math import inf, log

import msgspec
import pytest

from ebbgate.core.errors import ConflictError
from ebbgate.core.metrics import LimitEvidence, MetricEvidence, PhaseEvidence, SampleRatioEvidence
from ebbgate.core.metrics.contrast import TOTAL_PPM
from ebbgate.core.metrics.definition import (
    CriticalLimit,
    Direction,
    Goal,
    Guardrail,
    HarmBy,
    Margin,
    Metric,
    MetricKind,
)
from ebbgate.core.rollouts.decision import Advance, Code, Decision, Hold, Pause, Review, Rollback, Step
from ebbgate.core.rollouts.plan import Audience, Mode, Phase, Plan, Response
from ebbgate.core.rollouts.state import (
    PhaseRecord,
    ReviewState,
    RollbackOutcome,
    RollbackState,
    RollbackStep,
    RolloutState,
    Status,
)
from ebbgate.ports.control_store import (
    ControlStore,
    DecisionRow,
    Evidence,
)

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def a_plan(flag: str = "widgets", environment: str = "production") -> Plan:
    errors = Metric(
        name="errors",
        kind=MetricKind.RATE,
        event="api_error",
        trial="api_request",
        bad=Direction.INCREASE,
        harm=HarmBy.MEAN,
        window=timedelta(hours=1, microseconds=5),
        lateness=timedelta(minutes=5),
        on=("apply_all",),
        scale=(1.0, 5.0),
    )
    return Plan(
        app="router",
        flag=flag,
        environment=environment,
        mode=Mode.ACT,
        audiences=(Audience(name="internal", rule={"in": ["@example.com", {"var": "email"}]}, share=0.02),),
        phases=(
            Phase(name="early", exposure=0.05, who=("internal", "random"), stay_min=timedelta(hours=1), why="first"),
            Phase(name="full", exposure=1.0, who=("everyone",), stay_min=timedelta(0), reversible=False),
        ),
        guardrails=(
            Guardrail(
                metric=errors,
                worse_by=Margin(absolute=0.005),
                critical=CriticalLimit(value=0.05, sustained=timedelta(minutes=5), on=("apply_all",)),
            ),
        ),
        goals=(Goal(metric=msgspec.structs.replace(errors, name="clicks"), change=0.5),),
    )


def a_rollout(
    id: str = "r1", *, revision: int = 1, flag: str = "widgets", status: Status = Status.DRAFT
) -> RolloutState:
    return RolloutState(
        id=id,
        lineage=id,
        attempt=1,
        release="v1.4.0",
        plan=a_plan(flag),
        mode=Mode.ACT,
        status=status,
        created_at=NOON,
        revision=revision,
    )


def a_full_rollout() -> RolloutState:
    """Every optional part is there."""
    return msgspec.structs.replace(
        a_rollout(status=Status.ROLLED_BACK),
        phases=(
            PhaseRecord(
                index=0,
                entered_at=NOON,
                snapshot_version=3,
                attribute_share=0.1 / 3,
                hash_from=0,
                hash_to=TOTAL_PPM // 3,
            ),
        ),
        resume_to=Status.WATCHING,
        review=ReviewState(
            code=Code.SAMPLE_RATIO,
            reason="ratio",
            owner="lead",
            opened_at=NOON,
            deadline_at=NOON + timedelta(hours=4),
            then=Response.PAUSE,
            proposes="rollback",
        ),
        rollback=RollbackState(
            reason="harm on errors",
            actor="ebbgate",
            step=RollbackStep.DONE,
            started_at=NOON,
            off_version=4,
            off_at=NOON,
            propagation_deadline_at=NOON + timedelta(minutes=1),
            recovery_deadline_at=NOON + timedelta(hours=6),
            recovery_from_at=NOON,
            confirmed=41,
            expected=44,
            unproven=2,
            stragglers=("web-7",),
            outcome=RollbackOutcome.RECOVERED,
            outcome_reason="ungefähr «gut»",
            ended_at=NOON,
        ),
        summarised_to=NOON,
        ended_at=NOON,
        reason="harm",
        acknowledged=frozenset({"too_long", "off_target"}),
    )


def a_decision(sequence: int, decision: Decision | None = None, *, rollout_id: str = "r1") -> DecisionRow:
    return DecisionRow(
        rollout_id=rollout_id,
        sequence=sequence,
        decision=decision or Hold(code=Code.TOO_YOUNG, reason="young"),
        status_before=Status.RUNNING,
        status_after=Status.RUNNING,
        looked_at=NOON,
        machine_at=NOON,
        offset=2**40,
        summarised_from=None,
        summarised_to=NOON,
        inputs=b'{"a":\x00}',
    )


def test_a_full_rollout_comes_back_as_it_was(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_rollout(a_full_rollout())

    with control_store.transaction() as tx:
        assert tx.rollout("r1") == a_full_rollout()
        assert tx.rollouts() == [a_full_rollout()]


@pytest.mark.parametrize("revision", [1, 3])
def test_a_rollout_whose_revision_is_not_the_next_is_a_conflict(control_store: ControlStore, revision: int) -> None:
    with control_store.transaction() as tx:
        tx.put_rollout(a_rollout())

    with control_store.transaction() as tx:
        with pytest.raises(ConflictError, match="revision 1"):
            tx.put_rollout(a_rollout(revision=revision))
        tx.put_rollout(a_rollout(revision=2))  # the transaction goes on after the conflict

    with control_store.transaction() as tx:
        assert tx.rollout("r1") == a_rollout(revision=2)


def test_rollouts_come_newest_first_and_by_flag_and_status(control_store: ControlStore) -> None:
    older = msgspec.structs.replace(a_rollout("old"), created_at=NOON - timedelta(hours=1))
    with control_store.transaction() as tx:
        tx.put_rollout(a_rollout("r1"))
        tx.put_rollout(older)
        tx.put_rollout(a_rollout("r2", flag="other", status=Status.DRAFT))
        tx.put_rollout(a_rollout("r2", flag="other", status=Status.PAUSED, revision=2))
        tx.put_rollout(a_rollout("r3", status=Status.RUNNING))

    with control_store.transaction() as tx:
        assert [state.id for state in tx.rollouts()] == ["r3", "r2", "r1", "old"]
        assert [state.id for state in tx.rollouts(flag="widgets")] == ["r3", "r1", "old"]
        assert [state.id for state in tx.rollouts(statuses=[Status.RUNNING, Status.PAUSED])] == ["r3", "r2"]
        assert [state.id for state in tx.rollouts(flag="other", statuses=[Status.RUNNING])] == []
        assert tx.rollouts(statuses=[]) == []


@pytest.mark.parametrize(
    "decision",
    [
        Advance(code=Code.SAFE, reason="every guardrail is safe", metrics=("errors", "latency")),
        Hold(code=Code.ENVIRONMENT, reason="both arms are bad", notify=True),
        Review(code=Code.TOO_LONG, reason="old", deadline=timedelta(hours=4), then=Response.PAUSE, proposes="rollback"),
        Pause(code=Code.REVIEW_EXPIRED, reason="nobody answered"),
        Rollback(code=Code.HARM, reason="harm on errors", metrics=("errors",)),
        Step(code=Code.PROPAGATED, reason="4/4 confirmed"),
    ],
)
def test_a_decision_comes_back_as_it_was(control_store: ControlStore, decision: Decision) -> None:
    row = a_decision(1, decision)
    with control_store.transaction() as tx:
        tx.put_rollout(a_rollout())
        tx.add_decision(row)

    with control_store.transaction() as tx:
        assert tx.decisions("r1") == [row]
        assert tx.last_decision("r1") == row


def test_decisions_come_in_order_of_sequence_and_only_once(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_rollout(a_rollout())
        tx.put_rollout(a_rollout("r2"))
        for sequence in (1, 3, 2, 11):
            tx.add_decision(a_decision(sequence))
        tx.add_decision(a_decision(1, rollout_id="r2"))

    with control_store.transaction() as tx:
        assert [row.sequence for row in tx.decisions("r1")] == [1, 2, 3, 11]
        assert [row.sequence for row in tx.decisions("r1", after=1, limit=2)] == [2, 3]
        assert tx.last_decision("r1") == a_decision(11)
        assert (tx.decision_count("r1"), tx.decision_count("r2")) == (4, 1)
        with pytest.raises(ConflictError):
            tx.add_decision(a_decision(2))


def test_a_decision_without_its_rollout_is_a_conflict(control_store: ControlStore) -> None:
    with pytest.raises(ConflictError), control_store.transaction() as tx:
        tx.add_decision(a_decision(1))
    with pytest.raises(ConflictError), control_store.transaction() as tx:
        tx.put_evidence("r1", Evidence())


def test_evidence_comes_back_exactly_with_infinities_and_empty_phases(control_store: ControlStore) -> None:
    metric = MetricEvidence(
        metric="errors",
        threshold=log(1 / 0.035),
        odds=(0.1 + 0.2, -inf, 1e-300),
        exceedance=((1.0, 2.0 / 3), ()),
        phases={0: PhaseEvidence(treatment_sketch={-100_000: 3, 7: 1}), -1: PhaseEvidence()},
        log_e=inf,
        harm_shown_at=NOON,
        harm_phase=0,
        harm_bound=-inf,
    )
    limit = LimitEvidence(
        metric="errors",
        function="apply_all",
        limit=0.05,
        share=0.5,
        bad_is_above=True,
        is_critical=True,
        sustained=timedelta(minutes=5),
        min_n=30,
        threshold=4.6,
        above=(-inf, 0.1),
        breached_at=NOON,
    )
    stored = Evidence(
        metrics={"errors": metric},
        limits={"errors > 0.05": limit},
        goals={"clicks": metric},
        recovery_limits={"errors": limit},
        sample_ratio=SampleRatioEvidence(log_e=-inf),
    )
    with control_store.transaction() as tx:
        tx.put_rollout(a_rollout())
        tx.put_evidence("r1", Evidence())
        tx.put_evidence("r1", stored)

    with control_store.transaction() as tx:
        assert tx.evidence("r1") == stored
        assert tx.evidence("r2") == Evidence()
