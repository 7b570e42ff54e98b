"""Late harm (RULES E3): people who had the new version before against people who never had it, day by day.

A harm that only shows after days of use has nowhere else to show: each unit is in its phase's comparison once. The
same people come again every day, so days are never multiplied: each is an epoch with its own e-process, in which each
unit is observed once, and with its own fixed part of the budget (`late_alphas`).
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from ebbgate.core.metrics.analysis import LateAnalysis, LateDay, LateStanding
from ebbgate.core.metrics.blocks import AnyBlock
from ebbgate.core.metrics.definition import Guardrail, Metric
from ebbgate.core.metrics.display import format_value, format_worse
from ebbgate.core.metrics.evidence import EVIDENCE_EDITION, fold, start
from ebbgate.core.metrics.evidence_change import measure
from ebbgate.core.metrics.evidence_types import MetricEvidence
from ebbgate.core.metrics.limits_delay import limit_delay

EPOCH = timedelta(days=1)
"""Plan time of one epoch, counted from the entry of its phase, so that both groups are the same for its length."""


TRAIL_SHOWN = 7
"""Days before the newest one that an analysis shows."""


class LateSpan(msgspec.Struct, frozen=True, kw_only=True):
    """The part of one epoch that a look adds. day: of the phase, from 0. epoch_at: close from which the epoch counts,
    which is its beginning and the metric's delay."""

    day: int
    epoch_at: datetime
    opened_at: datetime
    closed_at: datetime


class LateBlock(msgspec.Struct, frozen=True, kw_only=True):
    """A block of one epoch."""

    day: int
    block: AnyBlock


class LateEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything needed to go on with one metric's late-harm test.

    past: the epochs that are over, oldest first; phase, day, current: the one that runs. An epoch without a single
    observation is none, and costs nothing. harm_*: latched at the first crossing of any epoch; harm_epoch counts from
    0.
    """

    metric: str
    past: tuple[LateDay, ...] = ()
    phase: int = 0
    day: int = 0
    current: MetricEvidence | None = None
    harm_shown_at: datetime | None = None
    harm_bound: float | None = None
    harm_epoch: int | None = None


def late_spans(metric: Metric, *, entered_at: datetime, opened_at: datetime, closed_at: datetime) -> list[LateSpan]:
    """The parts of epochs that close in `(opened_at, closed_at]`. entered_at: when the phase began. Plan times."""
    origin = entered_at + limit_delay(metric)
    opened_at = max(opened_at, origin)
    spans = []
    while opened_at < closed_at:
        day = (opened_at - origin) // EPOCH
        end = min(closed_at, origin + (day + 1) * EPOCH)
        spans.append(LateSpan(day=day, epoch_at=origin + day * EPOCH, opened_at=opened_at, closed_at=end))
        opened_at = end
    return spans


def fold_late(
    guardrail: Guardrail,
    evidence: LateEvidence,
    found: LateBlock,
    *,
    alpha_of: Callable[[int], float],
    edition: int = EVIDENCE_EDITION,
) -> LateEvidence:
    """The evidence with one more block, in order of closing. Pure. alpha_of: an epoch's number, from 0, to its part of
    the budget for this metric (`late_alphas`). edition: as of `fold`."""
    block, current, past = found.block, evidence.current, evidence.past
    if current is None or (evidence.phase, evidence.day) != (block.phase, found.day):
        if current is not None:
            past = (*past, _ended(evidence, current))
        current = start(guardrail, alpha=alpha_of(len(past)))
    current = fold(guardrail, current, block, edition=edition)
    evidence = msgspec.structs.replace(evidence, past=past, phase=block.phase, day=found.day, current=current)
    if current.harm_shown_at is None or evidence.harm_shown_at is not None:
        return evidence
    return msgspec.structs.replace(
        evidence, harm_shown_at=current.harm_shown_at, harm_bound=current.harm_bound, harm_epoch=len(past)
    )


def _ended(evidence: LateEvidence, current: MetricEvidence) -> LateDay:
    strata = current.phases[evidence.phase].strata
    assert current.threshold is not None, "an epoch has its part of the budget"
    return LateDay(
        phase=evidence.phase,
        day=evidence.day,
        log_e=current.log_e,
        threshold=current.threshold,
        treatment_n=strata.treatment.n,
        control_n=strata.control.n,
    )


def judge_late(
    guardrail: Guardrail, evidence: LateEvidence | None, *, has_treated: bool, has_control: bool
) -> LateAnalysis:
    """What the epochs say. has_treated, has_control: whether by the *plan* anybody had the new version before this
    phase, and anybody still never had it: decided from the plan, never from missing data (RULES F1)."""
    name, current = guardrail.metric.name, evidence.current if evidence is not None else None
    if evidence is None or current is None:
        current = MetricEvidence(metric=name)
    phase = evidence.phase if evidence is not None else 0
    change = measure(guardrail, current, phase=phase)
    standing = _standing(evidence, has_treated=has_treated, has_control=has_control)
    metric = guardrail.metric
    values = f"{format_value(metric, change.treatment_value)} against {format_value(metric, change.control_value)}"
    words = {
        LateStanding.SHOWN: f"late harm: {name} got worse for people who had the new version before: {values}",
        LateStanding.NO_CONTROL: "late harm cannot be told: nobody is left who never had the new version",
        LateStanding.NOBODY_YET: "late harm cannot be told yet: nobody had the new version before this phase",
        LateStanding.NO_DATA: f"late harm on {name}: nobody who had the new version before has come back yet",
        LateStanding.NOT_SHOWN: f"no late harm is shown on {name} today: {values}",
    }[standing]
    bound = evidence.harm_bound if evidence is not None else None
    if standing is LateStanding.SHOWN and bound is not None and bound > 0:
        words += f", worse by at least {format_worse(metric, bound)}"
    return LateAnalysis(
        standing=standing,
        words=words,
        epoch=len(evidence.past) if evidence is not None else 0,
        log_e=current.log_e,
        threshold=current.threshold or 0.0,
        treatment_n=change.treatment_n,
        control_n=change.control_n,
        treatment_value=change.treatment_value,
        control_value=change.control_value,
        estimate=change.estimate,
        interval=change.interval,
        harm_shown_at=evidence.harm_shown_at if evidence is not None else None,
        harm_bound=bound,
        newest_at=current.newest_at,
        trail=evidence.past[-TRAIL_SHOWN:] if evidence is not None else (),
    )


def _standing(evidence: LateEvidence | None, *, has_treated: bool, has_control: bool) -> LateStanding:
    if evidence is not None and evidence.harm_shown_at is not None:
        return LateStanding.SHOWN
    if not has_treated:
        return LateStanding.NOBODY_YET
    if not has_control:
        return LateStanding.NO_CONTROL
    return LateStanding.NO_DATA if evidence is None or evidence.current is None else LateStanding.NOT_SHOWN
