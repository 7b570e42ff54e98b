"""What `plan power` says: answers in phases, for guardrails, limits and goals (RULES E7, G3)."""

from enum import StrEnum

import msgspec

from ebbgate.core.metrics.definition import Margin
from ebbgate.core.rollouts.traffic import Traffic


class Answer(StrEnum):
    """Whether a guardrail can be proven inside its margin in a phase, if nothing changed, with power 0.9."""

    YES = "yes"
    NO = "no"
    NOT_APPLICABLE = "not_applicable"  # no random contrast in this phase, or no margin (RULES F1)
    UNKNOWN = "unknown"  # the plan does not say what is needed to tell: `users`, or a `baseline`


class Arms(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of all active units in a phase: newly exposed by hash, never exposed so far, and exposed at all."""

    treatment: float
    control: float
    exposed: float

    @property
    def is_contrast(self) -> bool:
        return self.treatment > 0 and self.control > 0


class PowerCell(msgspec.Struct, frozen=True, kw_only=True):
    """One guardrail in one phase.

    *_units: expected with an observation by the end of `stay_max`. needed_units: of the treatment, for the plan's
    margin; needed_days: of the phase, until they have come and their windows have closed, None where they never do.
    smallest_margin: the least that can be proven with the units there are. why: one plain sentence. changes: of the
    plan, each of which alone would make the answer yes (`with_changes`).
    """

    guardrail: str
    phase: str
    phase_index: int
    answer: Answer
    why: str
    treatment_units: int = 0
    control_units: int = 0
    needed_units: int | None = None
    needed_days: float | None = None
    smallest_margin: Margin | None = None
    changes: tuple[str, ...] = ()


class GoalCell(msgspec.Struct, frozen=True, kw_only=True):
    """One goal in the phase that decides it, the last one with two random arms.

    target: relative change asked for. shown_change: the smallest true change that would be shown to meet it with the
    units there are. further: a true change a quarter further than the target; needed_units, needed_days: until that
    is shown, None where it never is. why: one plain sentence.
    """

    goal: str
    phase: str
    phase_index: int
    target: float
    answer: Answer
    why: str
    treatment_units: int = 0
    control_units: int = 0
    shown_change: float | None = None
    further: float | None = None
    needed_units: int | None = None
    needed_days: float | None = None


class LimitCell(msgspec.Struct, frozen=True, kw_only=True):
    """One absolute limit, for one function, in one phase. needed_units: until twice the allowed share is shown."""

    guardrail: str
    limit: float
    function: str
    phase: str
    phase_index: int
    is_testable: bool | None  # None: the plan does not say its `users`
    treatment_units: int
    needed_units: int


class PowerTable(msgspec.Struct, frozen=True, kw_only=True):
    """guardrails: phases within guardrails, in the plan's order. assumptions: plain sentences, to be shown with it.
    traffic: what was reckoned with; None where the plan does not say its users.
    """

    users: int | None
    power: float
    guardrails: tuple[PowerCell, ...]
    limits: tuple[LimitCell, ...]
    assumptions: tuple[str, ...]
    goals: tuple[GoalCell, ...] = ()
    traffic: Traffic | None = None
