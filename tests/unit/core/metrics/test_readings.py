"""Numbers of a release and from sources: limits alone, and never a comparison (RULES F1)."""

from datetime import UTC, datetime, timedelta

from ebbgate.core.metrics.analysis import LimitStanding, Verdict
from ebbgate.core.metrics.definition import CriticalLimit, Direction, Guardrail, HarmBy, Metric, MetricKind, Query
from ebbgate.core.metrics.readings import ReadingBlock, ReadingEvidence, fold_reading, judge_reading

AT = datetime(2026, 1, 5, tzinfo=UTC)
QUERY = Query(source="mesh", numerator="p95", arm="version")


def a_guardrail(kind: MetricKind, *, query: Query | None = None, critical: float | None = None) -> Guardrail:
    metric = Metric(
        name="size_bytes",
        kind=kind,
        event="size_bytes",
        bad=Direction.INCREASE,
        harm=HarmBy.MEAN,
        window=timedelta(minutes=1),
        lateness=timedelta(0),
        query=query,
    )
    limit = None if critical is None else CriticalLimit(value=critical, sustained=timedelta(minutes=3))
    return Guardrail(metric=metric, limit=100.0, critical=limit)


def folded(guardrail: Guardrail, *values: tuple[float | None, float | None]) -> ReadingEvidence:
    evidence = ReadingEvidence()
    for minute, (treatment, control) in enumerate(values):
        at = AT + timedelta(minutes=minute)
        block = ReadingBlock(metric="size_bytes", phase=0, closed_at=at, treatment=treatment, control=control)
        evidence = fold_reading(guardrail, evidence, block)
    return evidence


def test_a_number_of_the_release_is_not_applicable_and_beyond_its_limit_a_breach() -> None:
    guardrail = a_guardrail(MetricKind.BUILD)
    within, beyond = (judge_reading(guardrail, folded(guardrail, (value, None))) for value in (99.9, 100.0))
    assert within.verdict is beyond.verdict is Verdict.NOT_APPLICABLE
    assert (within.limits[0].standing, beyond.limits[0].standing) == (LimitStanding.WITHIN, LimitStanding.BREACHED)
    assert beyond.limits[0].attributable
    assert not beyond.limits[0].is_critical
    assert "measured on the release" in beyond.words
    assert beyond.words.startswith("size_bytes is 100 B")


def test_what_is_only_read_has_its_value_beside_the_limit_and_no_share() -> None:
    for value in (50.0, 100.0):
        limit = judge_reading(
            a_guardrail(MetricKind.BUILD), folded(a_guardrail(MetricKind.BUILD), (value, None))
        ).limits[0]
        assert (limit.value, limit.treatment_share, limit.control_share) == (value, None, None)


def test_a_release_without_the_number_has_no_limits_to_break() -> None:
    analysis = judge_reading(a_guardrail(MetricKind.BUILD), None)
    assert (analysis.why, analysis.limits) == ("no_reading", ())


def test_g1_a_critical_reading_must_last_and_one_good_reading_begins_anew() -> None:
    guardrail = a_guardrail(MetricKind.GAUGE, query=QUERY, critical=200.0)
    bad, good = (250.0, 50.0), (50.0, 50.0)
    short = judge_reading(guardrail, folded(guardrail, bad, bad, bad)).limits[0]
    assert (short.is_critical, short.standing) == (True, LimitStanding.UNDECIDED)
    lasting = judge_reading(guardrail, folded(guardrail, bad, bad, bad, bad)).limits[0]
    assert (lasting.standing, lasting.attributable) == (LimitStanding.BREACHED, True)
    interrupted = judge_reading(guardrail, folded(guardrail, bad, bad, good, bad, bad)).limits[0]
    assert interrupted.standing is LimitStanding.UNDECIDED


def test_f4_both_versions_beyond_at_the_beginning_is_nobodys_own_doing() -> None:
    guardrail = a_guardrail(MetricKind.GAUGE, query=QUERY, critical=200.0)
    both = (250.0, 260.0)
    limit = judge_reading(guardrail, folded(guardrail, both, both, both, both)).limits[0]
    assert (limit.standing, limit.attributable) == (LimitStanding.BREACHED, False)
