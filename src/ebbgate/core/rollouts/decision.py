"""What a look may decide (RULES F2). A decision is a value; it is stored with its inputs."""

from datetime import timedelta
from enum import StrEnum

import msgspec

from ebbgate.core.rollouts.plan import Response


class Code(StrEnum):
    """Stable reason codes of decisions."""

    KILLED = "killed"  # a person switched the flag off: that is a rollback
    CRITICAL_LIMIT = "critical_limit"
    HARM = "harm"
    LATE_HARM = "late_harm"  # on people who had the new version before (RULES E3)
    STARVATION = "starvation"  # both arms bad soon after an exposure step (RULES F4)
    ENVIRONMENT = "environment"  # both arms bad, not after a step: hold and alert
    IRREVERSIBLE = "irreversible"  # RULES F7
    OUTAGE = "outage"  # this and the next three lie outside of the statistics (RULES E3): a probe failed
    ALERT = "alert"  # another monitor said so
    USER_REPORTS = "user_reports"
    DATA_CORRUPTION = "data_corruption"
    OFF_TARGET = "off_target"
    REVIEW_EXPIRED = "review_expired"
    SAMPLE_RATIO = "sample_ratio"
    STALE_SOURCES = "stale_sources"
    MISSING_METRIC = "missing_metric"
    BROKEN_METRIC = "broken_metric"  # a guardrail that gates or is critical cannot be computed
    LATE_EVENTS = "late_events"  # events come later in one arm than in the other (RULES D4)
    DROPPED_VALUES = "dropped_values"  # more values are broken in one arm than in the other, or in both (RULES D5)
    VOLUME_LOST = "volume_lost"  # treated units no longer come by (RULES G2)
    CROSSED_UNITS = "crossed_units"
    OVEREXPOSED = "overexposed"
    WAITING = "waiting"  # for a person: paused or in review
    TOO_YOUNG = "too_young"
    UNDECIDED = "undecided"
    TOO_LONG = "too_long"
    SAFE = "safe"
    WATCHED = "watched"
    REDEPLOY = "redeploy"  # the flag was not enough: the last stable release goes back
    REDEPLOYED = "redeployed"  # it answers
    OBSERVING = "observing"  # mode observe: what it would have done is in the reason
    PROPAGATED = "propagated"  # of a rollback: everybody follows, or the deadline has come (RULES H2)
    RECOVERING = "recovering"  # of a rollback: waiting for the metrics (RULES H3)
    RECOVERED = "recovered"
    UNVERIFIED = "unverified"
    FAILED = "failed"


class Decided(msgspec.Struct, frozen=True, kw_only=True, tag_field="decision"):
    """What every decision says: a stable code, one plain sentence, and the metrics it rests on."""

    code: Code
    reason: str
    metrics: tuple[str, ...] = ()


class Advance(Decided, frozen=True, kw_only=True, tag="advance"):
    """Go to the next phase, or, in the last, to success."""


class Hold(Decided, frozen=True, kw_only=True, tag="hold"):
    """Change nothing. notify: whether somebody should hear of it."""

    notify: bool = False


class Review(Decided, frozen=True, kw_only=True, tag="review"):
    """A person must choose within the deadline (plan time), else `then` follows. proposes: the decision asked for."""

    deadline: timedelta
    then: Response
    proposes: str | None = None


class Pause(Decided, frozen=True, kw_only=True, tag="pause"):
    """Stop advancing until a person resumes; exposure stays."""


class Rollback(Decided, frozen=True, kw_only=True, tag="rollback"):
    """Take the version back."""


class Step(Decided, frozen=True, kw_only=True, tag="step"):
    """A rollback under way did its next step; the code says which. It follows from what is stored with it."""


Decision = Advance | Hold | Review | Pause | Rollback | Step
