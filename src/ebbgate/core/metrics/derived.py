"""Metrics that follow from those of a plan: who answers a survey, and each endpoint by itself.

They are shown, and they may take trust away; they never take a version back by themselves, so that they cost none of
the error budget.
"""

from collections.abc import Mapping, Sequence
from math import pi

import msgspec

from ebbgate.core.metrics.analysis import Analysis, GoalAnalysis, GoalStanding, Verdict
from ebbgate.core.metrics.blocks import AnyBlock, LimitBlock
from ebbgate.core.metrics.definition import Guardrail, HarmBy, Metric, MetricKind
from ebbgate.core.metrics.evidence import fold, start
from ebbgate.core.metrics.evidence_change import measure
from ebbgate.core.metrics.evidence_types import MetricEvidence
from ebbgate.core.metrics.judge import judge

PARTS_KEPT = 20
"""Values of `by` that are shown and tested by themselves, in the order in which they first came."""


def response_metric(metric: Metric) -> Metric | None:
    """Of a survey: who answered, of those asked, or of everybody exposed."""
    if metric.kind is not MetricKind.SURVEY:
        return None
    return msgspec.structs.replace(
        metric, name=f"{metric.name}.response", kind=MetricKind.SHARE, trial=metric.asked, harm=HarmBy.MEAN, scale=None
    )


def part_metric(metric: Metric, value: str) -> Metric:
    """The metric of one value of `by` alone."""
    return msgspec.structs.replace(metric, name=f"{metric.name}[{value}]", on=(value,))


def is_parted(metric: Metric) -> bool:
    """Whether each value of `by` is looked at by itself."""
    return metric.by is not None and metric.is_of_events


def derived_metrics(metrics: Sequence[Metric], values: Mapping[str, Sequence[str]]) -> list[Metric]:
    """All that follow, in a fixed order. values: of `by`, by the metric's name, in the order in which they came."""
    responses = [found for metric in metrics if (found := response_metric(metric)) is not None]
    parts = [
        part_metric(metric, value)
        for metric in metrics
        if is_parted(metric)
        for value in (metric.on or values.get(metric.name, ()))[:PARTS_KEPT]
    ]
    return [*responses, *parts]


def fold_derived(
    metrics: Sequence[Metric], found: Mapping[str, MetricEvidence], blocks: Sequence[AnyBlock]
) -> dict[str, MetricEvidence]:
    """The evidence on them with some more blocks. metrics: of the plan."""
    evidence = dict(found)
    for block in blocks:
        assert not isinstance(block, LimitBlock)
        guardrail = _guardrail_of(metrics, block.metric)
        if guardrail is not None:
            before = evidence.get(block.metric) or start(guardrail, alpha=None)
            evidence[block.metric] = fold(guardrail, before, block)
    return evidence


def with_derived(
    guardrail: Guardrail, analysis: Analysis, found: Mapping[str, MetricEvidence], *, phase: int, min_n: int
) -> Analysis:
    """The analysis with each value of `by`, and with what a differing response rate takes from it."""
    metric = guardrail.metric
    prefix = f"{metric.name}["
    parts = [
        judge(
            msgspec.structs.replace(guardrail, metric=part_metric(metric, name[len(prefix) : -1])),
            evidence,
            phase=phase,
            has_contrast=analysis.verdict is not Verdict.NOT_APPLICABLE,
            min_n=min_n,
        )
        for name, evidence in found.items()
        if name.startswith(prefix)
    ]
    analysis = msgspec.structs.replace(analysis, parts=tuple(parts))
    response = _differing_response(metric, found, phase=phase)
    if response is None:
        return analysis
    is_safe, doubt = analysis.verdict is Verdict.SAFE, response_words(response)
    return msgspec.structs.replace(
        analysis,
        verdict=Verdict.UNDECIDED if is_safe else analysis.verdict,
        why="response_differs" if is_safe else analysis.why,
        words=f"{metric.name}: {doubt}" if is_safe else f"{analysis.words}; {doubt}",
        response=response,
    )


def goal_with_derived(
    metric: Metric, analysis: GoalAnalysis, found: Mapping[str, MetricEvidence], *, phase: int
) -> GoalAnalysis:
    """A survey's goal is neither met nor missed where other people answered."""
    response = _differing_response(metric, found, phase=phase)
    if response is None:
        return analysis
    words = f"{analysis.words}; {response_words(response)}"
    return msgspec.structs.replace(analysis, standing=GoalStanding.UNKNOWN, words=words)


def response_words(response: tuple[float, float]) -> str:
    """That other people answered. response: shares of users with the new and with the old version who did."""
    new, old = response
    return (
        f"{new:.1%} answered with the new version and {old:.1%} with the old, so that their answers are not those of "
        "the same people and cannot be compared"
    )


def value_weight(place: int) -> float:
    """The part of a limit's alpha that the value in that place gets (1, 2, ...), so that values may go on coming: the
    parts of all places are 1 together. Place 1 is all values together."""
    assert place >= 1
    return 6 / (pi * place) ** 2


def _differing_response(
    metric: Metric, found: Mapping[str, MetricEvidence], *, phase: int
) -> tuple[float, float] | None:
    """The shares that answered, with the new version and with the old, if they are shown to differ."""
    response = response_metric(metric)
    evidence = found.get(response.name) if response is not None else None
    if response is None or evidence is None:
        return None
    change = measure(Guardrail(metric=response), evidence, phase=phase)
    if change.interval is None or change.treatment_value is None or change.control_value is None:
        return None
    low, high = change.interval
    if low <= 0 <= high:
        return None
    return change.treatment_value, change.control_value


def _guardrail_of(metrics: Sequence[Metric], name: str) -> Guardrail | None:
    for metric in metrics:
        response = response_metric(metric)
        if response is not None and response.name == name:
            return Guardrail(metric=response)
        if name.startswith(f"{metric.name}[") and name.endswith("]"):
            return Guardrail(metric=part_metric(metric, name[len(metric.name) + 1 : -1]))
    return None
