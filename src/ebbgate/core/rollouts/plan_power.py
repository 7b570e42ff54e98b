"""What a plan can find out before it starts: which guardrail can be answered in which phase (RULES E7), and which
absolute limit can be tested (RULES G3)."""

from datetime import timedelta
from enum import StrEnum
from math import ceil, floor, log

import msgspec

from ebbgate.core.metrics.definition import Guardrail, Margin, MetricKind
from ebbgate.core.metrics.ledger import ledger_of, limit_alphas
from ebbgate.core.metrics.limits_evidence import start_limit
from ebbgate.core.metrics.power import POWER, margin_reachable, units_needed
from ebbgate.core.rollouts.exposure import expected_attribute_share, hash_share_ppm
from ebbgate.core.rollouts.plan import Phase, Plan
from ebbgate.core.rollouts.values_quantities import SHARES, margin_text
from ebbgate.core.stats import above_log_e, log_average
from ebbgate.core.stats.bernoulli import start_weight

_DAY = timedelta(days=1)
_MOST_OBSERVATIONS = 10**9

BREACH_STARTS_AT = 1_000
"""The look at which a breach is supposed to begin: later looks have less of the error budget left."""

BREACH_RATIO = 2.0
"""A limit is testable if twice the share of bad observations that it allows would be shown."""


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
    margin. smallest_margin: the least that can be proven with the units there are. why: one plain sentence.
    """

    guardrail: str
    phase: str
    phase_index: int
    answer: Answer
    why: str
    treatment_units: int = 0
    control_units: int = 0
    needed_units: int | None = None
    smallest_margin: Margin | None = None


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
    """guardrails: phases within guardrails, in the plan's order. assumptions: plain sentences, to be shown with it."""

    users: int | None
    power: float
    guardrails: tuple[PowerCell, ...]
    limits: tuple[LimitCell, ...]
    assumptions: tuple[str, ...]


_ASSUMPTIONS = (
    "`users` are the units active on a day; people who return count once, so a stay beyond a day adds nobody.",
    "Every active unit gives every metric one observation; where fewer do, fewer units count.",
    "Units whose window closes after the phase's longest stay do not count.",
    "A named audience without a `share` is taken to fill its phase's exposure, or to be empty where `random` joins it.",
)


def power(plan: Plan) -> PowerTable:
    """The whole table. Pure; the same bounds as the ones that will judge."""
    arms = expected_arms(plan)
    cells = tuple(
        _cell(plan, guardrail, index, arms[index]) for guardrail in plan.guardrails for index in range(len(plan.phases))
    )
    return PowerTable(
        users=plan.users, power=POWER, guardrails=cells, limits=_limit_cells(plan, arms), assumptions=_ASSUMPTIONS
    )


def expected_arms(plan: Plan) -> tuple[Arms, ...]:
    """The contrast of each phase, as shares of all active units (RULES B1, D1)."""
    result: list[Arms] = []
    attribute_share, previous = 0.0, 0
    for index, phase in enumerate(plan.phases):
        attribute_share = _attribute_share(plan, index, attribute_share)
        opened = hash_share_ppm(phase, attribute_share=attribute_share, previous_ppm=previous)
        drawn = (1 - attribute_share) * (1 - plan.holdout) / 1_000_000
        result.append(
            Arms(
                treatment=(opened - previous) * drawn,
                control=(1_000_000 - opened) * drawn,
                exposed=min(1.0, attribute_share + opened * drawn),
            )
        )
        previous = opened
    return tuple(result)


def _attribute_share(plan: Plan, index: int, before: float) -> float:
    expected = expected_attribute_share(plan, index, before)
    phase = plan.phases[index]
    # Without a declared share, a phase of named audiences alone is taken at its word.
    return expected if phase.is_random or expected > before else max(before, phase.exposure)


def _length(plan: Plan, phase: Phase, index: int) -> timedelta:
    """The longest that a phase lasts before somebody is asked."""
    if index == len(plan.phases) - 1:
        return max(plan.watch, phase.stay_max or timedelta(0))
    return phase.stay_max if phase.stay_max is not None else phase.stay_min


def _units(plan: Plan, share: float, guardrail: Guardrail, length: timedelta) -> int:
    """Distinct units of this share whose observation is complete within the length."""
    assert plan.users is not None
    observed = length - guardrail.metric.window - guardrail.metric.lateness
    days = min(1.0, max(0.0, observed / _DAY))
    return floor(plan.users * share * days + 1e-6)  # 0.15 * 20,000 is 3,000, whatever the floats say


def _cell(plan: Plan, guardrail: Guardrail, index: int, arms: Arms) -> PowerCell:
    phase = plan.phases[index]
    cell = PowerCell(
        guardrail=guardrail.metric.name, phase=phase.name, phase_index=index, answer=Answer.NOT_APPLICABLE, why=""
    )
    if not arms.is_contrast:
        why = "everybody is exposed" if phase.exposure >= 1 else "nobody is drawn at random in this phase"
        return msgspec.structs.replace(cell, why=f"{why}: there is nothing to compare with")
    if guardrail.worse_by is None:
        return msgspec.structs.replace(cell, why="it has no `worse_by`, so it gates no phase")
    if plan.users is None:
        return msgspec.structs.replace(cell, answer=Answer.UNKNOWN, why="the plan does not say its `users`")
    length = _length(plan, phase, index)
    treatment, control = (_units(plan, share, guardrail, length) for share in (arms.treatment, arms.control))
    cell = msgspec.structs.replace(cell, treatment_units=treatment, control_units=control)
    if needs_baseline(guardrail):
        return msgspec.structs.replace(cell, answer=Answer.UNKNOWN, why="it has no `baseline`")
    return _answered(plan, guardrail, cell, arms)


def _answered(plan: Plan, guardrail: Guardrail, cell: PowerCell, arms: Arms) -> PowerCell:
    allocation = arms.treatment / (arms.treatment + arms.control)
    needed = units_needed(guardrail, allocation=allocation, min_n=plan.min_units)
    reach = margin_reachable(
        guardrail, treatment_n=cell.treatment_units, control_n=cell.control_units, min_n=plan.min_units
    )
    is_enough = needed is not None and cell.treatment_units >= needed.treatment
    asked = _margin_words(guardrail, guardrail.worse_by)
    smallest = _as_margin(guardrail, reach)
    if is_enough:
        why = f"{cell.treatment_units:,} new units, {needed.treatment:,} prove {asked}" if needed else ""
    elif needed is None:
        why = f"no number of units proves {asked} here"
    else:
        least = f"; they prove {_margin_words(guardrail, smallest)} at best" if smallest else ""
        why = f"{cell.treatment_units:,} new units, but {needed.treatment:,} are needed to prove {asked}{least}"
    return msgspec.structs.replace(
        cell,
        answer=Answer.YES if is_enough else Answer.NO,
        why=why,
        needed_units=needed.treatment if needed else None,
        smallest_margin=smallest,
    )


def needs_baseline(guardrail: Guardrail) -> bool:
    """Whether power cannot be told without a baseline that the plan does not give."""
    relative = guardrail.worse_by is not None and guardrail.worse_by.absolute is None
    is_free = guardrail.metric.kind is MetricKind.QUANTILE and relative
    return guardrail.baseline is None and not is_free


def _as_margin(guardrail: Guardrail, reach: float | None) -> Margin | None:
    if reach is None or guardrail.worse_by is None:
        return None
    return Margin(absolute=reach) if guardrail.worse_by.absolute is not None else Margin(relative=reach)


def _margin_words(guardrail: Guardrail, margin: Margin | None) -> str:
    """Rounded up to what a plan can write, so that what is shown can be proven."""
    assert margin is not None
    size = 4 if margin.absolute is not None and guardrail.metric.kind not in SHARES else 5
    rounded = msgspec.structs.replace(
        margin,
        relative=None if margin.relative is None else ceil(margin.relative * 1_000 - 1e-9) / 1_000,
        absolute=None if margin.absolute is None else ceil(margin.absolute * 10**size - 1e-6) / 10**size,
    )
    return margin_text(rounded, event=guardrail.metric.event, kind=guardrail.metric.kind)


def _limit_cells(plan: Plan, arms: tuple[Arms, ...]) -> tuple[LimitCell, ...]:
    alphas = limit_alphas(ledger_of(plan.alpha), plan.guardrails)
    by_name = {guardrail.metric.name: guardrail for guardrail in plan.guardrails}
    result: list[LimitCell] = []
    for (name, limit, function), alpha in alphas.items():
        guardrail = by_name[name]
        needed = observations_needed(guardrail, limit=limit, function=function, alpha=alpha)
        for index, phase in enumerate(plan.phases):
            there = 0
            if plan.users is not None:
                there = _units(plan, arms[index].exposed, guardrail, _length(plan, phase, index))
            result.append(
                LimitCell(
                    guardrail=name,
                    limit=limit,
                    function=function,
                    phase=phase.name,
                    phase_index=index,
                    is_testable=None if plan.users is None else there >= needed,
                    treatment_units=there,
                    needed_units=needed,
                )
            )
    return tuple(result)


def observations_needed(guardrail: Guardrail, *, limit: float, function: str, alpha: float) -> int:
    """Observations after which a breach of twice the allowed share is shown, beginning late in the rollout."""
    evidence = start_limit(guardrail, limit=limit, function=function, alpha=alpha)
    share = evidence.share
    breach = min(BREACH_RATIO * share, (1 + share) / 2)
    wanted = evidence.threshold - log(start_weight(BREACH_STARTS_AT))

    def is_shown(n: int) -> bool:
        return log_average(above_log_e(n, floor(n * breach), share)) >= wanted

    low, high = 0, evidence.min_n
    while not is_shown(high) and high < _MOST_OBSERVATIONS:
        low, high = high, high * 2
    while high - low > 1 and low >= evidence.min_n:
        middle = (low + high) // 2
        low, high = (low, middle) if is_shown(middle) else (middle, high)
    return high
