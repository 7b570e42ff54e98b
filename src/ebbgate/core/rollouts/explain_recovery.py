"""After a rollback, two things apart: what it was decided on, and whether the harm is gone since."""

from collections.abc import Iterator

from ebbgate.core.metrics.analysis import Analysis
from ebbgate.core.metrics.contrast import TOTAL_PPM
from ebbgate.core.metrics.definition import Guardrail, MetricKind
from ebbgate.core.metrics.display import format_value, format_worse
from ebbgate.core.rollouts.explain_metric import is_told, limit_sentence, metric_sentences
from ebbgate.core.rollouts.look import LookInputs
from ebbgate.core.rollouts.recovery import tolerated


def decided_sentences(look: int, *, is_cause: bool, words: str, inputs: LookInputs, step: LookInputs) -> Iterator[str]:
    """What the last look before a rollback said. is_cause: whether it took the version back; else somebody else did.
    words: its decision. inputs: of the look; step: of the rollback's step that is explained."""
    rollback = step.state.rollback
    assert rollback is not None, "a step of a rollback"
    if is_cause:
        yield f"It was taken back by look {look}: {words}"
    else:
        yield f"It was taken back by {rollback.actor}: {rollback.reason}"
        yield f"The last look before that, {look}, had said: {words}"
    for guardrail in inputs.state.plan.guardrails:
        if (analysis := inputs.analyses.get(guardrail.metric.name)) is not None:
            yield from (f"Look {look}: {sentence}" for sentence in metric_sentences(guardrail, analysis, inputs))
            yield from (f"Look {look}: {limit_sentence(guardrail, x)}" for x in analysis.limits if is_told(x))


def recovery_sentences(inputs: LookInputs) -> Iterator[str]:
    """What the metrics say since the flag went off. Steps that wait for nothing but evaluators have no metrics."""
    for guardrail in inputs.state.plan.guardrails:
        if (analysis := inputs.analyses.get(guardrail.metric.name)) is not None:
            yield from (f"Recovery: {sentence}" for sentence in _recovery(guardrail, analysis, inputs))


def _recovery(guardrail: Guardrail, analysis: Analysis, inputs: LookInputs) -> Iterator[str]:
    metric, name = guardrail.metric, guardrail.metric.name
    if metric.kind is MetricKind.BUILD:
        yield f"{name} is a number of the release, which the flag does not change: nothing is asked of it."
        return
    if metric.query is not None:
        source = metric.query.source
        yield f"{name} comes from {source}, which cannot tell who had the new version: nothing is asked of it."
        return
    if not 0 < inputs.state.record.hash_to < TOTAL_PPM:
        yield f"{name}: there are no two groups to compare by lot, so that only its absolute limits can tell."
    else:
        who = "who could have had the new version"
        yield f"{name}, of those {who} against those who never could: {_compared(guardrail, analysis, inputs)}."
        yield from _returned(guardrail, inputs)
    yield from (limit_sentence(guardrail, limit) for limit in analysis.limits if is_told(limit))


def _returned(guardrail: Guardrail, inputs: LookInputs) -> Iterator[str]:
    """Of a metric that had shown harm: those who really saw the new version must agree (RULES H3)."""
    name = guardrail.metric.name
    facts = inputs.rollback
    bound = facts.harm_bounds.get(name) if facts is not None else None
    if facts is not None and bound is not None:
        shown = f", by {format_worse(guardrail.metric, bound)} or more" if bound > 0 else ""
        yield f"Harm on {name} had been shown{shown}; so those who had really come by before must agree."
        if (returned := facts.returned.get(name)) is not None:
            yield f"{name}, of those who had come by before alone: {_compared(guardrail, returned, inputs)}."


def _compared(guardrail: Guardrail, analysis: Analysis, inputs: LookInputs) -> str:
    metric = guardrail.metric
    if not analysis.treatment_n and not analysis.control_n:
        return "nobody was observed yet"
    values = f"{format_value(metric, analysis.treatment_value)} against {format_value(metric, analysis.control_value)}"
    said = f"{values} [{analysis.treatment_n:,} and {analysis.control_n:,} units]"
    if min(analysis.treatment_n, analysis.control_n) < (needed := inputs.state.plan.verify.min_units):
        return f"{said}, too few to tell: {needed:,} of each are needed"
    allowed = tolerated(guardrail, analysis)
    if analysis.safe_bound is None or allowed is None:
        return said
    bound = format_worse(metric, analysis.safe_bound)
    return f"{said}, at the very most {bound} worse, and {format_worse(metric, allowed)} is allowed"
