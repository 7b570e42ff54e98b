"""The decision core: one pure function of state, evidence and time (RULES F2)."""

from collections.abc import Mapping
from datetime import datetime
from math import log

from ebbgate.core.metrics.analysis import Analysis, LimitAnalysis, LimitStanding, Verdict
from ebbgate.core.metrics.contrast import TOTAL_PPM
from ebbgate.core.metrics.definition import Metric
from ebbgate.core.metrics.display import format_value
from ebbgate.core.rollouts.decision import Advance, Code, Decision, Hold, Pause, Review, Rollback, Step
from ebbgate.core.rollouts.health import CROSSED_MAX, Health
from ebbgate.core.rollouts.plan import Mode, Response, ReviewTerms
from ebbgate.core.rollouts.state import RolloutState, Status

_NAMED = frozenset(
    {
        Code.HARM,
        Code.LATE_HARM,
        Code.CRITICAL_LIMIT,
        Code.OFF_TARGET,
        Code.STARVATION,
        Code.LATE_EVENTS,
        Code.DROPPED_VALUES,
        Code.OUTAGE,
        Code.ALERT,
        Code.USER_REPORTS,
        Code.DATA_CORRUPTION,
    }
)

EARLY_LOG_E = log(2.0)
"""In an early phase a guardrail passes while its evidence of harm stays below 2 (RULES E6)."""


def decide(state: RolloutState, analyses: Mapping[str, Analysis], health: Health, *, now: datetime) -> Decision:
    """Choose what a rollout does next; the first rule that applies wins. now: plan time.

    Harm outranks doubts about the data; data outrank time; time outranks promise. Says what is right; what the mode
    allows is `in_mode`.
    """
    if health.killed_by is not None:
        return Rollback(code=Code.KILLED, reason=f"the flag was switched off by {health.killed_by}")
    return (
        _passed_critical(state, analyses)
        or _harmful(state, analyses)
        or _expired(state, now=now)
        or _environment(state, analyses)
        or _off_target(state, analyses, health, now=now)
        or _waiting(state)
        or _unfit(state, health, now=now)
        or _by_time(state, analyses, now=now)
    )


def in_mode(decision: Decision, state: RolloutState, *, now: datetime) -> Decision:
    """What the rollout's mode makes of a decision (RULES F6). now: plan time."""
    if state.mode is Mode.ACT or isinstance(decision, Hold) or decision.code is Code.KILLED:
        return decision
    if state.plan.is_external and decision.code is Code.WATCHED:
        return decision  # the end of the observation changes nothing for anybody
    if state.mode is Mode.OBSERVE:
        return Hold(code=Code.OBSERVING, reason=f"would {_verb(decision)}: {decision.reason}", metrics=decision.metrics)
    if not isinstance(decision, Advance | Rollback) or decision.code in (Code.REVIEW_EXPIRED, Code.KILLED):
        return decision  # a person was asked already, or did it
    if (expired := _expired(state, now=now)) is not None:
        return expired
    reason = f"recommends to {_verb(decision)}: {decision.reason}"
    asked = _review(state, decision.code, reason, decision.metrics, proposes=_verb(decision))
    if isinstance(asked, Hold) and state.status is Status.RUNNING and _is_old(state, now):
        return _asked_too_long(state, asked)
    return asked


def _asked_too_long(state: RolloutState, asked: Hold) -> Decision:
    """Who went on over a recommendation is asked again when the phase is older than its longest stay."""
    found = _too_long(state, asked.reason, asked.metrics)
    if not isinstance(found, Rollback):
        return found
    return _review(state, found.code, f"recommends to rollback: {found.reason}", found.metrics, proposes="rollback")


def seen_key(code: Code, metrics: tuple[str, ...]) -> str:
    """What a person has looked at: harm and missed limits by their metrics, so that another one is asked again."""
    named = code in _NAMED
    return f"{code.value}:{','.join(sorted(metrics))}" if named else code.value


def _verb(decision: Decision) -> str:
    verbs = {Advance: "advance", Hold: "hold", Review: "review", Pause: "pause", Rollback: "rollback", Step: "step"}
    return verbs[type(decision)]


def _passed_critical(state: RolloutState, analyses: Mapping[str, Analysis]) -> Decision | None:
    mine = [limit for limit in _critical_breaches(analyses) if limit.attributable]
    if not mine:
        return None
    reason = f"critical limit passed: {_limits(state, mine)}"
    when = state.plan.when
    return _answered(state, Code.CRITICAL_LIMIT, reason, mine, when.critical, when.critical_terms)


def _answered(
    state: RolloutState,
    code: Code,
    reason: str,
    found: list[LimitAnalysis] | list[Analysis],
    response: Response,
    terms: ReviewTerms | None,
) -> Decision | None:
    """What the plan says of a proven harm. None: it is being looked at, or was; the other rules go on, the deadline of
    its review among them.
    """
    metrics = tuple(dict.fromkeys(x.metric for x in found))
    match response:
        case Response.REVIEW:
            if _is_known(state, code, metrics):
                return None
            return _review(state, code, reason, metrics, proposes="rollback", terms=terms)
        case Response.PAUSE:
            if state.status is Status.PAUSED or _is_known(state, code, metrics):
                return None
            return Pause(code=code, reason=reason, metrics=metrics)
        case _:
            return _take_back(state, code, reason, found)


def _environment(state: RolloutState, analyses: Mapping[str, Analysis]) -> Decision | None:
    """Both versions fail (RULES F4): soon after an exposure step the step may be to blame, else nothing of ours is."""
    breaches = [limit for limit in _critical_breaches(analyses) if not limit.attributable]
    if not breaches:
        return None
    begun = [limit.window_opened_at for limit in breaches if limit.window_opened_at is not None]
    since_step = min(begun) - state.record.entered_at if begun else None
    # The onset is known to a look's length: what clearly began before the step is not its doing.
    if since_step is not None and -state.plan.tick <= since_step <= state.plan.when.starvation_window:
        reason = f"both versions fail soon after an exposure step, maybe starved by it: {_limits(state, breaches)}"
        return _take_back(state, Code.STARVATION, reason, breaches)
    reason = f"both versions fail, so it is not the new one's doing: {_limits(state, breaches)}"
    return Hold(code=Code.ENVIRONMENT, reason=reason, metrics=_names(breaches), notify=True)


def _critical_breaches(analyses: Mapping[str, Analysis]) -> list[LimitAnalysis]:
    return [x for name in sorted(analyses) for x in analyses[name].limits if _is_breach(x) and x.is_critical]


def _harmful(state: RolloutState, analyses: Mapping[str, Analysis]) -> Decision | None:
    harmed = [analyses[name] for name in sorted(analyses) if analyses[name].verdict is Verdict.HARM]
    if not harmed:
        return None
    reason = "; ".join(analysis.words for analysis in harmed)
    code = Code.LATE_HARM if all(analysis.why == "late" for analysis in harmed) else Code.HARM
    return _answered(state, code, reason, harmed, state.plan.when.harm, state.plan.when.harm_terms)


def _is_known(state: RolloutState, code: Code, metrics: tuple[str, ...]) -> bool:
    """Whether a person has seen this in the phase, or is being asked about it now."""
    key = seen_key(code, metrics)
    return key in state.acknowledged or (state.review is not None and state.review.key == key)


def _expired(state: RolloutState, *, now: datetime) -> Decision | None:
    """What the plan says when nobody answers a review in time (RULES F3)."""
    review = state.review
    if state.status is not Status.REVIEW or review is None or now < review.deadline_at:
        return None
    reason = f"nobody answered the review in time ({review.reason})"
    if review.then is Response.ROLLBACK:
        return _take_back(state, Code.REVIEW_EXPIRED, reason, [])
    return Pause(code=Code.REVIEW_EXPIRED, reason=reason)


def _take_back(
    state: RolloutState, code: Code, reason: str, found: list[LimitAnalysis] | list[Analysis]
) -> Rollback | Pause | Hold:
    """A rollback, or where the phase cannot be reversed, a freeze that pages (RULES F7)."""
    metrics = tuple(dict.fromkeys(x.metric for x in found))
    if all(state.plan.phases[record.index].reversible for record in state.phases):
        return Rollback(code=code, reason=reason, metrics=metrics)
    reason = f"cannot be reversed automatically; {reason}"
    if state.status is Status.PAUSED:
        return Hold(code=Code.IRREVERSIBLE, reason=reason, metrics=metrics, notify=True)
    return Pause(code=Code.IRREVERSIBLE, reason=reason, metrics=metrics)


def _off_target(
    state: RolloutState, analyses: Mapping[str, Analysis], health: Health, *, now: datetime
) -> Decision | None:
    """A benchmark proven missed, or an assignment gone wrong: a person looks, once for each cause in a phase.

    The exposed share is judged from half of the shortest stay on: before, it is one of few and early units, looked at
    often.
    """
    breaches = [x for name in sorted(analyses) for x in analyses[name].limits if _is_breach(x) and x.attributable]
    causes: list[tuple[Code, str, tuple[str, ...]]] = []
    if breaches:
        causes.append((Code.OFF_TARGET, f"benchmark missed: {_limits(state, breaches)}", _names(breaches)))
    if health.crossed_share > CROSSED_MAX:
        causes.append((Code.CROSSED_UNITS, f"{health.crossed_share:.1%} of units saw both versions", ()))
    if dropping := tuple(found.metric for found in health.arrivals if found.is_dropping):
        worst = max(max(f.treatment_dropped, f.control_dropped) for f in health.arrivals)
        causes.append((Code.DROPPED_VALUES, f"up to {worst:.1%} of values are no use: {', '.join(dropping)}", dropping))
    is_settled = now - state.record.entered_at >= state.phase.stay_min / 2
    allowed = state.phase.exposure + health.exposure_excess
    if is_settled and health.exposed_share is not None and health.exposed_share > allowed:
        text = f"{health.exposed_share:.1%} of active units are exposed, the plan says {state.phase.exposure:.0%}"
        causes.append((Code.OVEREXPOSED, text, ()))
    for code, reason, metrics in causes:
        if state.status in (Status.RUNNING, Status.WATCHING) and not _is_known(state, code, metrics):
            return _review(state, code, reason, metrics)
    return None


def _waiting(state: RolloutState) -> Decision | None:
    if state.status is Status.PAUSED:
        return Hold(code=Code.WAITING, reason=f"paused: {state.reason}" if state.reason else "paused")
    if state.status is Status.REVIEW and state.review is not None:
        return Hold(code=Code.WAITING, reason=f"in review by {state.review.owner}: {state.review.reason}")
    return None


def _unfit(state: RolloutState, health: Health, *, now: datetime) -> Decision | None:
    """Data that cannot be trusted hold the rollout, and past the phase's longest stay a person looks."""
    doubts: list[tuple[Code, str, tuple[str, ...]]] = []
    if health.sample_ratio is not None and health.sample_ratio.fired:
        sizes = f"{health.sample_ratio.treatment:,} new and {health.sample_ratio.control:,} old"
        text = f"the arms have the wrong sizes: {sizes}"
        doubts.append((Code.SAMPLE_RATIO, text, ()))
    if health.stale_for is None or health.stale_for > state.plan.stale_after:
        since = "ever" if health.stale_for is None else f"for {health.stale_for}"
        doubts.append((Code.STALE_SOURCES, f"no heartbeat from any source {since}", ()))
    doubts += [*_doubtful_arrivals(health), *_broken(state, health)]
    if health.missing and now - state.record.entered_at >= state.phase.stay_min:
        doubts.append((Code.MISSING_METRIC, f"no data for {', '.join(health.missing)}", health.missing))
    for code, reason, metrics in doubts:
        if _is_old(state, now) and state.status is Status.RUNNING:
            return _too_long(state, reason, metrics)
        if code is Code.BROKEN_METRIC and _is_watched(state, now):
            return _review(state, code, f"the watch is over, and {reason}", metrics)
        if state.plan.when.no_data in (Response.HOLD, Response.ROLLBACK):  # missing data never take a version back
            return Hold(code=code, reason=reason, metrics=metrics, notify=True)
        if state.plan.when.no_data is Response.PAUSE:
            return Pause(code=code, reason=reason, metrics=metrics)
        return _review(state, code, reason, metrics)
    return None


def _broken(state: RolloutState, health: Health) -> list[tuple[Code, str, tuple[str, ...]]]:
    """A guardrail that decides and cannot be computed: as little is known of it as of one without data."""
    needed = {g.metric.name for g in state.plan.guardrails if g.worse_by is not None or g.critical is not None}
    found = [one for one in health.broken if one.metric in needed]
    if not found:
        return []
    return [(Code.BROKEN_METRIC, "; ".join(one.words for one in found), tuple(one.metric for one in found))]


def _is_watched(state: RolloutState, now: datetime) -> bool:
    return state.status is Status.WATCHING and now - state.record.entered_at >= state.plan.watch


def _doubtful_arrivals(health: Health) -> list[tuple[Code, str, tuple[str, ...]]]:
    """What arrives differently from the two versions cannot be compared (RULES D4, D5), and what does not arrive at
    all, while the old version's does, tells nothing (RULES G2)."""
    doubts: list[tuple[Code, str, tuple[str, ...]]] = []
    if late := [found for found in health.arrivals if found.late_differs]:
        shares = "; ".join(f"{f.metric} {f.treatment_late:.1%} new, {f.control_late:.1%} old" for f in late)
        text = f"events come late in other shares from the two versions: {shares}"
        doubts.append((Code.LATE_EVENTS, text, tuple(found.metric for found in late)))
    if dropped := [found for found in health.arrivals if found.dropped_differs]:
        shares = "; ".join(f"{f.metric} {f.treatment_dropped:.1%} new, {f.control_dropped:.1%} old" for f in dropped)
        text = f"values are no use in other shares from the two versions: {shares}"
        doubts.append((Code.DROPPED_VALUES, text, tuple(found.metric for found in dropped)))
    if health.volume is not None and health.volume.lost:
        seen, expected = health.volume.treatment_n, health.volume.expected
        text = (
            f"the new version's users no longer come by: {seen:,} visits, and the old version's promise {expected:,.0f}"
        )
        doubts.append((Code.VOLUME_LOST, text, ()))
    return doubts


def _by_time(state: RolloutState, analyses: Mapping[str, Analysis], *, now: datetime) -> Decision:
    age = now - state.record.entered_at
    if state.status is Status.WATCHING:
        if age < state.plan.watch:
            return Hold(
                code=Code.TOO_YOUNG,
                reason=f"watching until {state.record.entered_at + state.plan.watch:%Y-%m-%d %H:%M} UTC",
            )
        if state.record.hash_to < TOTAL_PPM and (waiting := _unproven(state, analyses)):
            return _too_long(state, f"the watch is over, and not proven: {', '.join(waiting)}", waiting)
        return Advance(code=Code.WATCHED, reason="the watch ended without harm")
    if age < state.phase.stay_min:
        until = state.record.entered_at + state.phase.stay_min
        return Hold(
            code=Code.TOO_YOUNG, reason=f"phase {state.phase.name} stays at least until {until:%Y-%m-%d %H:%M} UTC"
        )
    waiting = _unproven(state, analyses)
    reason = f"not yet proven inside its margin: {', '.join(waiting)}"
    if _is_old(state, now):
        return _too_long(
            state, reason if waiting else "every guardrail is safe, but later than the plan allows", waiting
        )
    if waiting:
        return Hold(code=Code.UNDECIDED, reason=reason, metrics=waiting)
    return Advance(code=Code.SAFE, reason="every guardrail that can be judged in this phase is safe")


def _unproven(state: RolloutState, analyses: Mapping[str, Analysis]) -> tuple[str, ...]:
    """Guardrails with a margin that do not pass yet. NOT_APPLICABLE neither passes nor holds; a missing analysis
    holds.
    """
    gating = sorted(g.metric.name for g in state.plan.guardrails if g.worse_by is not None)
    return tuple(name for name in gating if not _passes(state, analyses.get(name)))


def _passes(state: RolloutState, analysis: Analysis | None) -> bool:
    if analysis is None:
        return False
    if analysis.verdict in (Verdict.SAFE, Verdict.NOT_APPLICABLE):
        return True
    if not state.phase.early or analysis.verdict is not Verdict.UNDECIDED or analysis.worsening is None:
        return False
    enough = min(analysis.treatment_n, analysis.control_n) >= state.plan.min_units
    inside = analysis.margin is not None and analysis.worsening <= analysis.margin
    return enough and inside and analysis.log_e < EARLY_LOG_E


def _is_old(state: RolloutState, now: datetime) -> bool:
    return state.phase.stay_max is not None and now - state.record.entered_at > state.phase.stay_max


def _too_long(state: RolloutState, reason: str, metrics: tuple[str, ...]) -> Decision:
    reason = f"phase {state.phase.name} is older than its longest stay; {reason}"
    match state.plan.when.too_long:
        case Response.ROLLBACK:
            return _take_back(state, Code.TOO_LONG, reason, [])
        case Response.PAUSE:
            return Pause(code=Code.TOO_LONG, reason=reason, metrics=metrics)
        case _:
            return _review(state, Code.TOO_LONG, reason, metrics)


def _review(
    state: RolloutState,
    code: Code,
    reason: str,
    metrics: tuple[str, ...],
    *,
    proposes: str | None = None,
    terms: ReviewTerms | None = None,
) -> Review | Hold:
    """Ask a person; a review about something else is replaced. What a person has seen in the phase is not asked
    again.
    """
    if seen_key(code, metrics) in state.acknowledged:
        return Hold(code=Code.WAITING, reason=f"was asked before in this phase: {reason}", metrics=metrics)
    if _is_known(state, code, metrics):
        return Hold(code=Code.WAITING, reason=f"in review: {reason}", metrics=metrics)
    terms = terms or state.plan.when.off_target
    return Review(
        code=code, reason=reason, metrics=metrics, deadline=terms.deadline, then=terms.then, proposes=proposes
    )


def _is_breach(limit: LimitAnalysis) -> bool:
    return limit.standing is LimitStanding.BREACHED


def _names(limits: list[LimitAnalysis]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(limit.metric for limit in limits))


def _limits(state: RolloutState, limits: list[LimitAnalysis]) -> str:
    metrics = {guardrail.metric.name: guardrail.metric for guardrail in state.plan.guardrails}
    return "; ".join(_limit(metrics[limit.metric], limit) for limit in limits)


def _limit(metric: Metric, limit: LimitAnalysis) -> str:
    where = f" on {limit.function}" if limit.function else ""
    beyond = f"beyond {format_value(metric, limit.limit)}"
    if limit.value is not None:
        return f"{limit.metric} is {format_value(metric, limit.value)}, {beyond}"
    share = f"{limit.treatment_share:.2%} of " if limit.treatment_share is not None else ""
    return f"{limit.metric}{where} {beyond} ({share}{limit.treatment_n:,} observations)"
