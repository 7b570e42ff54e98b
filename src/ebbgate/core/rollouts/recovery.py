"""Whether a rollback worked: who serves the old version, and whether the harm is gone (RULES H2, H3)."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from ebbgate.core.metrics.analysis import Analysis, LimitStanding
from ebbgate.core.metrics.blocks import RECOVERY, REDEPLOYED, REDEPLOYED_RETURNED, RETURNED
from ebbgate.core.metrics.contrast import TOTAL_PPM, Contrast, Interval
from ebbgate.core.metrics.definition import Direction, Guardrail
from ebbgate.core.rollouts.state import RollbackOutcome, RolloutState

_NAMED = 3
"""Stragglers that a sentence names."""


class Propagation(msgspec.Struct, frozen=True, kw_only=True):
    """Which evaluators serve the off version. unproven: cannot say (polling OFREP, flagd sync), or are not heard now
    and may serve the treatment on their lease (RULES B7); the latter by name in `unheard`. stragglers: by name.
    lag_s_max: machine seconds that the unproven may lag at most; None if unknown, or if there are none.
    """

    confirmed: int
    expected: int
    unproven: int
    stragglers: tuple[str, ...] = ()
    unheard: tuple[str, ...] = ()
    lag_s_max: float | None = None

    @property
    def is_complete(self) -> bool:
        return not self.stragglers

    @property
    def straggler_words(self) -> str:
        """Such as `app-1, app-2, app-3 and 29 more`; all the names are in `stragglers`, which is stored."""
        more = len(self.stragglers) - _NAMED
        return ", ".join(self.stragglers[:_NAMED]) + (f" and {more} more" if more > 0 else "")

    @property
    def unproven_words(self) -> str:
        """Such as `3 unproven (<= 60 s: app-1, app-2, app-3)`."""
        parts = [f"<= {self.lag_s_max:g} s"] if self.lag_s_max is not None else []
        if self.unheard:
            parts.append(", ".join(self.unheard))
        return f"{self.unproven} unproven" + (f" ({': '.join(parts)})" if parts else "")


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What the metrics say after the flag went off. outcome None: not yet known. open: metrics that are not proven
    recovered.
    """

    outcome: RollbackOutcome | None
    reason: str
    open: tuple[str, ...] = ()


def check_phases(state: RolloutState) -> tuple[int, int]:
    """The phase indices of the recovery check that runs: of everybody, and of those who had come by before."""
    assert state.rollback is not None, "only a rollback recovers"
    is_second = state.rollback.redeployed_version is not None
    return (REDEPLOYED, REDEPLOYED_RETURNED) if is_second else (RECOVERY, RETURNED)


def recovery_contrast(state: RolloutState, *, phase: int = RECOVERY) -> Contrast:
    """Units formerly in treatment against those never treated, both on snapshots at or after the off version.

    phase: RECOVERY for everybody whose interval was exposed; RETURNED for those of both arms who had come by in the
    phase that ended, so that those treated really saw the new version. The first is many units, the second undiluted.
    """
    assert state.rollback is not None, "only a rollback recovers"
    opened = state.record.hash_to
    return Contrast(
        rollout_id=state.id,
        environment=state.plan.environment,
        flag=state.plan.flag,
        salt=state.lineage,
        phase=phase,
        version_from=first_version(state),
        version_to=None,
        treatment=Interval(start=0, end=opened),
        control=Interval(start=opened, end=TOTAL_PPM),
        treatment_variant=state.plan.control_variant,
        control_variant=state.plan.control_variant,
        audience_variant=f"{state.plan.treatment_variant}_audience",
        bucketing=state.bucketing,
        returning_from=state.record.snapshot_version if phase in (RETURNED, REDEPLOYED_RETURNED) else None,
    )


def first_version(state: RolloutState) -> int:
    """The first snapshot whose units count in the recovery check that runs."""
    assert state.rollback is not None, "only a rollback recovers"
    return state.rollback.redeployed_version or state.rollback.off_version


def judge_recovery(
    state: RolloutState,
    analyses: Mapping[str, Analysis],
    harm_bounds: Mapping[str, float],
    propagation: Propagation,
    *,
    returned: Mapping[str, Analysis],
    now: datetime,
    exposed_units: int | None = None,
) -> Recovery:
    """The outcome of a rollback, or that it is not known yet. now: plan time.

    analyses: of the recovery contrast, for all guardrails. returned: the same of the RETURNED contrast, which must
    agree
    for every metric that had shown harm: most units of an interval that was open for hours never came by, and would
    dilute a harm that stays with those who did. harm_bounds: by metric, the lower bound of the harm when
    it was shown.
    `failed` as soon as one lower bound lies outside its tolerance; `recovered` when every metric is proven and no
    evaluator
    lags; `unverified` when the deadline passes first.
    exposed_units: distinct ones that had the new version in this try, once everything that evaluators sent of the time
    before the flag went off must have been read; None before that. Nobody had it: there is nothing to recover from,
    unless an evaluator may still serve it.
    """
    assert state.rollback is not None and state.rollback.recovery_deadline_at is not None
    is_late = now >= state.rollback.recovery_deadline_at
    found = {
        guardrail.metric.name: _recovered(guardrail, analyses.get(guardrail.metric.name), harm_bounds, state)
        for guardrail in state.plan.guardrails
        if guardrail.metric.is_of_events  # a source is not asked who was treated before
    }
    for guardrail in state.plan.guardrails:
        name = guardrail.metric.name
        if name in harm_bounds and found.get(name, False) is not False and _has_contrast(state):
            found[name] = _agreed(found[name], guardrail, returned.get(name), harm_bounds[name], state)
    if failed := [name for name, verdict in found.items() if verdict is False]:
        words = "; ".join(analyses[name].words for name in failed)
        return Recovery(outcome=RollbackOutcome.FAILED, reason=f"the harm persists: {words}", open=tuple(failed))
    if exposed_units == 0 and propagation.is_complete and not propagation.unproven:
        reason = f"nobody had the new version: no user saw it before the flag went off, {_served(propagation)}"
        return Recovery(outcome=RollbackOutcome.RECOVERED, reason=reason)
    waiting = tuple(name for name, verdict in found.items() if verdict is None)
    if not found:
        reason = "the plan has no guardrail that could show recovery"
        return Recovery(outcome=RollbackOutcome.UNVERIFIED if is_late else None, reason=reason)
    if not waiting and propagation.is_complete:
        reason = f"every guardrail is back inside its tolerance, {_served(propagation)}"
        return Recovery(outcome=RollbackOutcome.RECOVERED, reason=reason)
    lagging = f"evaluators that do not follow: {propagation.straggler_words}" if propagation.stragglers else ""
    unproven = f"not enough data to prove {', '.join(waiting)}" if waiting else ""
    reason = "; ".join(part for part in (lagging, unproven) if part)
    return Recovery(outcome=RollbackOutcome.UNVERIFIED if is_late else None, reason=reason, open=waiting)


def _served(propagation: Propagation) -> str:
    if not propagation.expected and not propagation.unproven:
        return "and no evaluator is connected"
    return f"{propagation.confirmed}/{propagation.expected} evaluators confirmed, {propagation.unproven_words}"


def _recovered(
    guardrail: Guardrail, analysis: Analysis | None, harm_bounds: Mapping[str, float], state: RolloutState
) -> bool | None:
    """True: proven back. False: proven still harmful. None: cannot tell yet."""
    if analysis is None:
        return None
    if any(limit.standing is LimitStanding.BREACHED for limit in analysis.limits):
        return False
    if any(limit.is_critical and limit.standing is not LimitStanding.WITHIN for limit in analysis.limits):
        return None
    if not _has_contrast(state):
        # Nobody to compare with: only an absolute limit can tell, and without one nothing can.
        held = [limit.standing is LimitStanding.WITHIN for limit in analysis.limits]
        return True if held and all(held) else None
    if min(analysis.treatment_n, analysis.control_n) < state.plan.verify.min_units:
        return None
    tolerance = tolerated(guardrail, analysis)
    if analysis.worsening is None or analysis.safe_bound is None or tolerance is None:
        return None
    lower = least_worsening(guardrail, analysis)
    if lower is not None and lower > tolerance:
        return False
    half_harm = harm_bounds.get(guardrail.metric.name, 0.0) / 2.0
    return True if analysis.worsening <= tolerance and analysis.safe_bound < max(tolerance, half_harm) else None


def _agreed(
    verdict: bool | None, guardrail: Guardrail, analysis: Analysis | None, harm_bound: float, state: RolloutState
) -> bool | None:
    """The verdict, if those who really saw the harm do not contradict it."""
    tolerance = tolerated(guardrail, analysis) if analysis is not None else None
    if analysis is None or analysis.worsening is None or tolerance is None:
        return None
    lower = least_worsening(guardrail, analysis)
    if lower is not None and lower > tolerance:
        return False
    enough = min(analysis.treatment_n, analysis.control_n) >= state.plan.verify.min_units
    return verdict if enough and analysis.worsening <= max(tolerance, harm_bound / 2.0) else None


def tolerated(guardrail: Guardrail, analysis: Analysis) -> float | None:
    """What change is still recovery, in the metric's unit: the margin, or without one what the plan tolerates (RULES
    H3).
    """
    if analysis.margin is not None:
        return analysis.margin
    tolerate = guardrail.tolerate
    if tolerate.absolute is not None:
        return tolerate.absolute
    return (tolerate.relative or 0.0) * analysis.control_value if analysis.control_value is not None else None


def least_worsening(guardrail: Guardrail, analysis: Analysis) -> float | None:
    """Lower bound of the change toward harm, from the interval of the change."""
    if analysis.interval is None:
        return None
    low, high = analysis.interval
    return low if guardrail.metric.bad is Direction.INCREASE else -high


def _has_contrast(state: RolloutState) -> bool:
    return 0 < state.record.hash_to < TOTAL_PPM
