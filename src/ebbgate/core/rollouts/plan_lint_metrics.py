"""Lint of guardrails and goals: what gates, what can be reached, and what can be answered at all (RULES E7, G3)."""

from collections import defaultdict

from ebbgate.core.metrics.definition import Direction, Goal, Guardrail, HarmBy, MetricKind, Reading
from ebbgate.core.metrics.readings import is_only_read
from ebbgate.core.metrics.units import SHARES
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.plan_lint_finding import Finding, Level
from ebbgate.core.rollouts.plan_power import Answer, LimitCell, PowerCell, needs_baseline, power
from ebbgate.core.rollouts.values import change_text
from ebbgate.core.rollouts.values_quantities import quantity_text


def lint_guardrails(plan: Plan) -> list[Finding]:
    """What stops the rollout, and what does not."""
    if not plan.guardrails:
        hint = "write `errors: {rate: api_error / api_request, worse_by: 0.5pp}`"
        message = "there is no guardrail: nothing that is measured can stop this rollout"
        return [Finding(level=Level.WARNING, path="$.guardrails", message=message, hint=hint)]
    findings = [finding for guardrail in plan.guardrails for finding in _guardrail(guardrail)]
    judged = [g for g in plan.guardrails if not is_only_read(g.metric)]
    strict = [g.metric.name for g in judged if not g.tolerate.relative and not g.tolerate.absolute]
    if strict:
        message = f"any worsening counts as harm for {', '.join(strict)}: nothing is tolerated"
        hint = "a change of exactly nothing is taken back with a chance of at most alpha; else write `tolerate: 2%`"
        findings.append(Finding(level=Level.NOTE, path="$.guardrails", message=message, hint=hint))
    return findings


def _guardrail(guardrail: Guardrail) -> list[Finding]:
    name = guardrail.metric.name
    path = f"$.guardrails.{name}"
    findings: list[Finding] = []
    if guardrail.metric.reading is Reading.MAX:
        message = f"the largest `{guardrail.metric.event}` grows with how often it is read"
        hint = "leave `take` out for the last reading, unless both versions read it equally often"
        findings.append(Finding(level=Level.WARNING, path=f"{path}.take", message=message, hint=hint))
    if guardrail.metric.query is not None:
        message = f"`{name}` counts requests, not users: a few busy ones can decide it"
        hint = "measure it with events where you can; a source's counts fit what events cannot tell"
        findings.append(Finding(level=Level.NOTE, path=path, message=message, hint=hint))
    if guardrail.worse_by is None and not is_only_read(guardrail.metric):
        message = f"`{name}` gates no phase: it is never asked to prove that nothing got worse"
        hint = "write `worse_by: 10%`, the margin inside which it must be proven before a phase is left"
        findings.append(Finding(level=Level.WARNING, path=path, message=message, hint=hint))
    is_of_rates = guardrail.metric.kind in (MetricKind.SHARE, MetricKind.RATE)  # tested by the margin itself
    if guardrail.tolerate.absolute and guardrail.baseline is None and not is_of_rates:
        message = f"`{name}` tolerates a difference, but nobody says from where"
        hint = "write `baseline`, the old version's value; this test compares ratios"
        findings.append(Finding(level=Level.ERROR, path=f"{path}.tolerate", message=message, hint=hint))
    if _is_looser(guardrail):
        message = f"`{name}` tolerates more than `worse_by` allows: it may hold for ever, neither safe nor harmful"
        hint = "let `tolerate` be smaller than `worse_by`"
        findings.append(Finding(level=Level.WARNING, path=f"{path}.tolerate", message=message, hint=hint))
    critical = guardrail.critical
    if critical is not None and guardrail.limit is not None and _is_beyond(guardrail, guardrail.limit, critical.value):
        message = f"`{name}` is critical before its limit is reached"
        hint = "let `critical` be the worse of the two: the limit opens a review, the critical one takes it back"
        findings.append(Finding(level=Level.WARNING, path=f"{path}.critical", message=message, hint=hint))
    return findings


def _is_looser(guardrail: Guardrail) -> bool:
    worse_by, tolerate = guardrail.worse_by, guardrail.tolerate
    if worse_by is None:
        return False
    if worse_by.relative is not None and tolerate.relative is not None:
        return tolerate.relative > worse_by.relative
    if worse_by.absolute is not None and tolerate.absolute is not None:
        return tolerate.absolute > worse_by.absolute
    return False


def _is_beyond(guardrail: Guardrail, limit: float, critical: float) -> bool:
    return limit > critical if guardrail.metric.bad is Direction.INCREASE else limit < critical


def lint_goals(plan: Plan) -> list[Finding]:
    """Whether each goal lies within what its metric can be."""
    return [finding for goal in plan.goals for finding in _goal(goal)]


def _goal(goal: Goal) -> list[Finding]:
    metric = goal.metric
    bounds = metric.scale or ((0.0, 1.0) if metric.kind in SHARES else None)
    if bounds is None:
        return []
    path = f"$.goals.{metric.name}"
    low, high = (quantity_text(value, event=metric.event, kind=metric.kind) for value in bounds)
    asked = change_text(goal.change)
    if goal.baseline is None:
        message = f"nobody can tell whether {asked} fits between {low} and {high}: `{metric.name}` has no baseline"
        hint = f"write `baseline`, the old version's value{_most_baseline(goal, bounds)}"
        return [Finding(level=Level.WARNING, path=path, message=message, hint=hint)]
    target = goal.baseline * (1 + goal.change)
    if bounds[0] < target < bounds[1]:
        return []
    reached = quantity_text(round(target, 6), event=metric.event, kind=metric.kind)
    began = quantity_text(goal.baseline, event=metric.event, kind=metric.kind)
    message = f"{asked} from {began} is {reached}, and `{metric.name}` ends at {high if target >= bounds[1] else low}"
    largest = (bounds[1] if goal.change > 0 else bounds[0]) / goal.baseline - 1
    hint = f"ask for less than {change_text(round(largest, 3))}, or correct `baseline`"
    return [Finding(level=Level.ERROR, path=f"{path}.goal", message=message, hint=hint)]


def _most_baseline(goal: Goal, bounds: tuple[float, float]) -> str:
    if goal.change <= 0:
        return ""
    most = quantity_text(round(bounds[1] / (1 + goal.change), 3), event=goal.metric.event, kind=goal.metric.kind)
    return f"; it must be below {most}"


def lint_answers(plan: Plan) -> list[Finding]:
    """What cannot be answered with the users there are."""
    if not plan.guardrails:
        return []
    if plan.users is None:
        message = "the plan does not say how many users are active in a day, so nobody can tell what will be answered"
        hint = "write `users: 20000`; then `ebbgate plan power` shows each guardrail in each phase"
        return [Finding(level=Level.WARNING, path="$", message=message, hint=hint)]
    table = power(plan)
    unknown = [guardrail for guardrail in plan.guardrails if guardrail.worse_by and needs_baseline(guardrail)]
    return [
        *(_unknown(guardrail) for guardrail in unknown),
        *(_unanswered(plan, cell) for cell in table.guardrails if cell.answer is Answer.NO),
        *_untestable(plan, table.limits),
        *_before_after(plan, table.guardrails),
        *(_shape(guardrail) for guardrail in plan.guardrails if _may_surprise(guardrail)),
    ]


def _unknown(guardrail: Guardrail) -> Finding:
    message = f"nobody can tell how many users `{guardrail.metric.name}` needs"
    hint = "write `baseline`, the old version's value"
    path = f"$.guardrails.{guardrail.metric.name}"
    return Finding(level=Level.WARNING, path=path, message=message, hint=hint)


def _unanswered(plan: Plan, cell: PowerCell) -> Finding:
    is_early = plan.phases[cell.phase_index].early
    message = f"`{cell.guardrail}` will hold phase `{cell.phase}`: {cell.why}"
    hint = "widen `worse_by`, lengthen `stay`, expose more, or mark the phase `early: true`"
    if is_early:
        message = f"`{cell.guardrail}` cannot be proven in phase `{cell.phase}`: {cell.why}"
        hint = "the phase is marked early: it is left while the estimate is inside the margin and no harm shows"
    level = Level.NOTE if is_early else Level.WARNING
    return Finding(level=level, path=f"$.guardrails.{cell.guardrail}.worse_by", message=message, hint=hint)


def _untestable(plan: Plan, cells: tuple[LimitCell, ...]) -> list[Finding]:
    """One finding for each limit, naming the phases in which a breach would go unseen (RULES G3)."""
    phases: dict[tuple[str, float, str], list[LimitCell]] = defaultdict(list)
    for cell in cells:
        if cell.is_testable is False:
            phases[cell.guardrail, cell.limit, cell.function].append(cell)
    metrics = {guardrail.metric.name: guardrail.metric for guardrail in plan.guardrails}
    findings: list[Finding] = []
    for (name, limit, function), missed in phases.items():
        value = quantity_text(limit, event=metrics[name].event, kind=metrics[name].kind)
        where = ", ".join(f"`{cell.phase}` ({cell.treatment_units:,} users)" for cell in missed)
        what = f"the limit {value} of `{name}`" + (f" on `{function}`" if function else "")
        message = f"{what} cannot be tested in {where}: {missed[0].needed_units:,} are needed"
        hint = "lengthen the phase, expose more, or watch it with a probe"
        findings.append(Finding(level=Level.WARNING, path=f"$.guardrails.{name}", message=message, hint=hint))
    return findings


def _before_after(plan: Plan, cells: tuple[PowerCell, ...]) -> list[Finding]:
    if any(cell.answer is not Answer.NOT_APPLICABLE for cell in cells):
        return []
    message = "no phase compares the new version with the old one: no guardrail is ever applicable"
    hint = "add a phase with `who: random` below 100 %"
    return [Finding(level=Level.WARNING, path="$.phases", message=message, hint=hint)]


def _may_surprise(guardrail: Guardrail) -> bool:
    return guardrail.metric.kind is MetricKind.MEAN and guardrail.metric.harm is HarmBy.DISTRIBUTION


def _shape(guardrail: Guardrail) -> Finding:
    message = f"`{guardrail.metric.name}` calls any worse distribution harm, even with an equal mean"
    hint = "leave `harm` out to ask about the mean alone"
    path = f"$.guardrails.{guardrail.metric.name}.harm"
    return Finding(level=Level.NOTE, path=path, message=message, hint=hint)
