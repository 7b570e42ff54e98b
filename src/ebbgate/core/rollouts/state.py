"""A rollout's state, and the one table of its transitions (DESIGN section 6)."""

from datetime import datetime
from enum import StrEnum

import msgspec

from ebbgate.core.audiences import Bucketing
from ebbgate.core.errors import TransitionError
from ebbgate.core.metrics.contrast import TOTAL_PPM, Contrast, Interval
from ebbgate.core.rollouts.plan import Mode, Phase, Plan, Response


class Status(StrEnum):
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    WATCHING = "watching"
    PAUSED = "paused"
    REVIEW = "review"  # a person must choose
    ROLLING_BACK = "rolling_back"
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"


class Trigger(StrEnum):
    """What moves a rollout."""

    SCHEDULE = "schedule"
    START = "start"
    ADVANCE = "advance"  # to the next phase
    WATCH = "watch"  # the last phase began
    SUCCEED = "succeed"
    PAUSE = "pause"
    RESUME = "resume"
    REVIEW = "review"
    ROLL_BACK = "roll_back"
    SETTLE = "settle"  # the rollback's outcome is known
    ABORT = "abort"


class RollbackStep(StrEnum):
    """Where a rollback stands. Each step is check-then-act (RULES H1)."""

    FLAG_OFF = "flag_off"  # the kill overlay is written with the transition itself
    PROPAGATION = "propagation"  # waiting for evaluators to confirm (machine time)
    RECOVERY = "recovery"  # waiting for the metrics (plan time)
    REDEPLOY = "redeploy"  # stage two: the last stable release is on its way back (machine time)
    VERIFY = "verify"  # waiting for the metrics again, after the redeployment (plan time)
    DONE = "done"


class RollbackOutcome(StrEnum):
    RECOVERED = "recovered"
    UNVERIFIED = "unverified"
    FAILED = "failed"


_ACTIVE = (Status.RUNNING, Status.WATCHING, Status.PAUSED, Status.REVIEW)

TRANSITIONS: dict[tuple[Status, Trigger], Status] = {
    (Status.DRAFT, Trigger.SCHEDULE): Status.SCHEDULED,
    (Status.DRAFT, Trigger.START): Status.RUNNING,
    (Status.SCHEDULED, Trigger.START): Status.RUNNING,
    (Status.DRAFT, Trigger.ABORT): Status.ABORTED,
    (Status.SCHEDULED, Trigger.ABORT): Status.ABORTED,
    (Status.RUNNING, Trigger.ADVANCE): Status.RUNNING,
    (Status.RUNNING, Trigger.WATCH): Status.WATCHING,
    (Status.WATCHING, Trigger.SUCCEED): Status.SUCCEEDED,
    (Status.RUNNING, Trigger.PAUSE): Status.PAUSED,
    (Status.WATCHING, Trigger.PAUSE): Status.PAUSED,
    (Status.REVIEW, Trigger.PAUSE): Status.PAUSED,
    (Status.RUNNING, Trigger.REVIEW): Status.REVIEW,
    (Status.WATCHING, Trigger.REVIEW): Status.REVIEW,
    (Status.PAUSED, Trigger.REVIEW): Status.REVIEW,
    (Status.REVIEW, Trigger.REVIEW): Status.REVIEW,  # something graver came up
    (Status.PAUSED, Trigger.RESUME): Status.RUNNING,  # or WATCHING: back to where it was
    (Status.REVIEW, Trigger.RESUME): Status.RUNNING,
    (Status.REVIEW, Trigger.ADVANCE): Status.RUNNING,  # a person promotes
    (Status.PAUSED, Trigger.ADVANCE): Status.RUNNING,
    (Status.REVIEW, Trigger.WATCH): Status.WATCHING,
    (Status.PAUSED, Trigger.WATCH): Status.WATCHING,
    (Status.REVIEW, Trigger.SUCCEED): Status.SUCCEEDED,
    (Status.PAUSED, Trigger.SUCCEED): Status.SUCCEEDED,
    **{(status, Trigger.ROLL_BACK): Status.ROLLING_BACK for status in _ACTIVE},
    (Status.SUCCEEDED, Trigger.ROLL_BACK): Status.ROLLING_BACK,
    **{(status, Trigger.ABORT): Status.ABORTED for status in _ACTIVE},
    (Status.ROLLING_BACK, Trigger.SETTLE): Status.ROLLED_BACK,
}

COMMANDS = {
    Trigger.ADVANCE: "rollout promote",
    Trigger.WATCH: "rollout promote",
    Trigger.SUCCEED: "rollout promote",
    Trigger.PAUSE: "rollout pause",
    Trigger.RESUME: "rollout resume",
    Trigger.ROLL_BACK: "rollback",
    Trigger.ABORT: "rollout abort",
    Trigger.SETTLE: "rollout settle",  # as unverified, before the deadline; else it settles by itself
}
"""What a person types for a trigger."""

FINAL = frozenset({Status.SUCCEEDED, Status.ROLLED_BACK, Status.ABORTED})
"""End states: the loop no longer looks (a succeeded rollout can still be taken back by a person)."""

LOOKED_AT = frozenset({Status.RUNNING, Status.WATCHING, Status.PAUSED, Status.REVIEW, Status.ROLLING_BACK})
"""States in which each tick looks: gates go on while paused and in review (RULES F5)."""


class PhaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a phase began; fixed for its length (RULES B1).

    snapshot_version: first snapshot of the phase. attribute_share: share already exposed by attribute, measured at
    the start.
    hash_from, hash_to: the hash interval newly exposed, in buckets of TOTAL_PPM.
    """

    index: int
    entered_at: datetime
    snapshot_version: int
    attribute_share: float
    hash_from: int
    hash_to: int


class ReviewState(msgspec.Struct, frozen=True, kw_only=True):
    """An open review (RULES F3). code: of the decision that opened it; key: what it is about (`decide.seen_key`).
    proposes: the decision a person is asked for
    (`rollback`, `advance`), if any.
    """

    code: str
    key: str = ""
    reason: str
    owner: str
    opened_at: datetime
    deadline_at: datetime
    then: Response
    proposes: str | None = None


class RollbackState(msgspec.Struct, frozen=True, kw_only=True):
    """A rollback under way or done. off_version: snapshot that serves control to all. Machine times but for
    recovery_deadline_at.
    """

    reason: str
    actor: str
    step: RollbackStep
    started_at: datetime  # plan time
    off_version: int
    off_at: datetime  # machine time of the commit
    propagation_deadline_at: datetime  # machine time
    recovery_deadline_at: datetime | None = None  # plan time; set when propagation ends
    recovery_from_at: datetime | None = None
    confirmed: int | None = None
    expected: int | None = None
    unproven: int | None = None
    stragglers: tuple[str, ...] = ()
    served_at: datetime | None = None  # machine time at which no evaluator lagged any more
    redeploy_why: str = ""  # why the flag was not enough; empty while it is
    redeploy_to: str | None = None  # id of the release that goes back
    redeploy_from_at: datetime | None = None  # machine time
    is_recovery_skipped: bool = False  # a person, or evaluators that did not follow, led to the second stage before it
    redeployed_at: datetime | None = None  # machine time at which it answered
    redeployed_version: int | None = None  # first snapshot after that
    outcome: RollbackOutcome | None = None
    outcome_reason: str = ""
    ended_at: datetime | None = None  # plan time


class RolloutState(msgspec.Struct, frozen=True, kw_only=True):
    """All that the loop knows of a rollout besides its evidence.

    lineage: the salt of its hash (RULES B2). revision grows by one with every stored change (optimistic concurrency).
    resume_to: where `resume` leads. summarised_to: plan time up to which blocks have been folded. phases: one record
    per phase begun.
    """

    id: str
    lineage: str
    attempt: int
    release: str
    plan: Plan
    mode: Mode
    status: Status
    created_at: datetime
    revision: int = 0
    phases: tuple[PhaseRecord, ...] = ()
    resume_to: Status | None = None
    review: ReviewState | None = None
    rollback: RollbackState | None = None
    summarised_to: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""
    holdout_ended_at: datetime | None = None  # plan time
    bucketing: Bucketing = "v2"  # of the environment at the start; another one ends the rollout (flags.md)
    acknowledged: frozenset[str] = frozenset()  # what a person has been asked in this phase (`decide.seen_key`)

    @property
    def phase_index(self) -> int:
        """Index of the current phase; 0 before the start."""
        return self.phases[-1].index if self.phases else 0

    @property
    def phase(self) -> Phase:
        return self.plan.phases[self.phase_index]

    @property
    def record(self) -> PhaseRecord:
        assert self.phases, "the rollout has not begun"
        return self.phases[-1]

    @property
    def is_last_phase(self) -> bool:
        return self.phase_index == len(self.plan.phases) - 1

    @property
    def is_over(self) -> bool:
        return self.status in FINAL


def next_status(status: Status, trigger: Trigger) -> Status:
    """The state that follows. Raises TransitionError, naming what is possible."""
    try:
        return TRANSITIONS[status, trigger]
    except KeyError:
        commands = sorted({COMMANDS[t] for s, t in TRANSITIONS if s is status and t in COMMANDS})
        raise TransitionError(
            f"a rollout that is {status.value} cannot {trigger.value.replace('_', ' ')}",
            hint=f"possible now: {', '.join(commands)}"
            if commands
            else "it has ended; a new try is `ebbgate rollout retry`, which exposes people again",
        ) from None


def contrast_of(state: RolloutState, index: int | None = None) -> Contrast:
    """The contrast of a phase (default: the current one), RULES D1: newly exposed interval against never exposed
    interval.
    """
    position = (
        len(state.phases) - 1 if index is None else next(i for i, p in enumerate(state.phases) if p.index == index)
    )
    record = state.phases[position]
    later = state.phases[position + 1 :]
    ended = later[0].snapshot_version if later else (state.rollback.off_version if state.rollback else None)
    if state.plan.is_external:
        return _external_contrast(state, record)
    return Contrast(
        rollout_id=state.id,
        environment=state.plan.environment,
        flag=state.plan.flag,
        salt=state.lineage,
        phase=record.index,
        version_from=record.snapshot_version,
        version_to=ended,
        treatment=Interval(start=record.hash_from, end=record.hash_to),
        control=Interval(start=record.hash_to, end=TOTAL_PPM),
        treatment_variant=state.plan.treatment_variant,
        control_variant=state.plan.control_variant,
        audience_variant=f"{state.plan.treatment_variant}_audience",
        bucketing=state.bucketing,
    )


def _external_contrast(state: RolloutState, record: PhaseRecord) -> Contrast:
    """The contrast where another flag system assigns: by variant. Its exposures carry snapshot version 0."""
    nobody = Interval(start=0, end=0)
    return Contrast(
        rollout_id=state.id,
        environment=state.plan.environment,
        flag=state.plan.flag,
        salt=state.lineage,
        phase=record.index,
        version_from=0,
        version_to=1,
        treatment=nobody,
        control=nobody,
        treatment_variant=state.plan.treatment_variant,
        control_variant=state.plan.control_variant,
        audience_variant=f"{state.plan.treatment_variant}_audience",
        bucketing=state.bucketing,
        is_external=True,
        external_share=state.plan.phases[record.index].exposure,
        since=record.entered_at,
    )
