"""What a block may know of earlier ones."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.core.events import TrackedEvent
from ebbgate.core.metrics.definition import Direction, Guardrail, HarmBy, Margin, Metric, MetricKind
from ebbgate.core.metrics.reference import (
    THRESHOLD_SPAN,
    block_cap,
    nearest_rank,
    needs_reference,
    thresholds,
)
from ebbgate.core.metrics.values import attribute_text, kept_value
from ebbgate.testing.event_script import minute


def a_metric(kind: MetricKind, **changes: Any) -> Metric:
    fields: dict[str, Any] = {
        "name": "m",
        "kind": kind,
        "event": "x",
        "bad": Direction.INCREASE,
        "harm": HarmBy.MEAN,
        "window": timedelta(minutes=1),
        "lateness": timedelta(0),
    }
    return Metric(**{**fields, **changes})


def values(*numbers: float, at: float = 0) -> list[tuple[Any, float]]:
    return [(minute(at), number) for number in numbers]


def test_the_nearest_rank_is_a_value_that_was_seen() -> None:
    assert nearest_rank([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert nearest_rank([1.0, 2.0, 3.0, 4.0], 0.51) == 3.0
    assert nearest_rank([7.0], 0.01) == 7.0
    assert nearest_rank([float(i) for i in range(1, 101)], 0.99) == 99.0


def test_fewer_than_fifty_observations_give_no_thresholds() -> None:
    assert thresholds(values(*range(49)), minute(-1)) == ()
    assert len(thresholds(values(*range(50)), minute(-1))) == 5


def test_thresholds_look_at_the_newest_half_hour_unless_it_is_thin() -> None:
    old, new = values(*[1.0] * 500, at=0), values(*[2.0] * 250, at=60)
    since = minute(61) - THRESHOLD_SPAN
    assert thresholds([*old, *new], since)[0] == 2.0
    thin = [*old, *values(*[2.0] * 60, at=60)]
    assert thresholds(thin, since)[0] == 1.0  # 60 new ones and the newest 140 before them
    assert thresholds(thin, since)[4] == 2.0


def test_a_cap_is_the_metrics_own_or_the_scale_s_or_learned() -> None:
    hundred = values(*range(1, 101))
    assert block_cap(a_metric(MetricKind.MEAN, cap=7.0), hundred) == 7.0
    assert block_cap(a_metric(MetricKind.SURVEY, scale=(1.0, 5.0)), hundred) == 5.0
    assert block_cap(a_metric(MetricKind.SURVEY, scale=(-5.0, 5.0)), hundred) == 10.0
    assert block_cap(a_metric(MetricKind.MEAN), hundred) == 99.0
    assert block_cap(a_metric(MetricKind.MEAN), hundred[:10]) == 10.0
    assert block_cap(a_metric(MetricKind.COUNT), [*values(*[0.0] * 300), *values(3.0)]) == 3.0
    assert block_cap(a_metric(MetricKind.MEAN), []) == 0.0
    assert block_cap(a_metric(MetricKind.MEAN), values(-4.0)) == 0.0


def test_a_learned_cap_is_raised_by_what_is_tolerated_and_no_other_one() -> None:
    hundred, relative, absolute = values(*range(1, 101)), Margin(relative=0.25), Margin(absolute=3.0)
    assert block_cap(a_metric(MetricKind.MEAN, room=relative), hundred) == pytest.approx(99 * 1.25)
    assert block_cap(a_metric(MetricKind.MEAN, room=absolute), hundred) == 102.0
    assert block_cap(a_metric(MetricKind.MEAN, room=absolute), hundred[:10]) == 13.0
    assert block_cap(a_metric(MetricKind.MEAN, room=absolute), []) == 0.0
    assert block_cap(a_metric(MetricKind.MEAN, room=absolute, cap=7.0), hundred) == 7.0


@pytest.mark.parametrize("tolerate", [Margin(relative=0.25), Margin(absolute=3.0)])
def test_a_guardrail_s_metric_knows_what_rise_is_tolerated(tolerate: Margin) -> None:
    """However the guardrail is made: also of a plan that was stored before there was room."""

    def room(metric: Metric, margin: Margin = tolerate) -> Margin | None:
        stored = msgspec.json.encode(Guardrail(metric=metric, tolerate=margin))
        decoded = msgspec.json.decode(stored.replace(b'"room"', b'"other"'), type=Guardrail)
        assert decoded == Guardrail(metric=metric, tolerate=margin)
        return decoded.metric.room

    assert room(a_metric(MetricKind.MEAN)) == room(a_metric(MetricKind.GAUGE)) == tolerate
    assert room(a_metric(MetricKind.MEAN), Margin(relative=0.0)) is None
    assert room(a_metric(MetricKind.MEAN, room=Margin(relative=0.5)), Margin(relative=0.0)) is None
    assert room(a_metric(MetricKind.MEAN, bad=Direction.DECREASE)) is None
    assert room(a_metric(MetricKind.MEAN, cap=7.0)) is None
    assert room(a_metric(MetricKind.RATE)) is None
    assert room(a_metric(MetricKind.SURVEY, scale=(1.0, 5.0))) is None


def test_only_what_is_learned_needs_a_reference() -> None:
    assert needs_reference(a_metric(MetricKind.QUANTILE, cap=1.0))
    assert needs_reference(a_metric(MetricKind.MEAN))
    assert not needs_reference(a_metric(MetricKind.MEAN, cap=1.0))
    assert not needs_reference(a_metric(MetricKind.SURVEY, scale=(1.0, 5.0)))
    assert not needs_reference(a_metric(MetricKind.RATE))


def an_event(name: str, value: float | None, *, invalid: bool = False) -> TrackedEvent:
    now = minute(0)
    return TrackedEvent(id="e", unit="u", name=name, occurred_at=now, sent_at=now, value=value, invalid=invalid)


def test_bad_values_are_dropped_and_the_event_is_kept() -> None:
    assert kept_value(an_event("api_ms", 3)) == (3.0, False)
    assert kept_value(an_event("api_ms", -3)) == (None, True)
    assert kept_value(an_event("balance", -3)) == (-3.0, False)
    assert kept_value(an_event("balance", float("inf"))) == (None, True)
    assert kept_value(an_event("balance", None)) == (None, False)
    assert kept_value(an_event("balance", None, invalid=True)) == (None, True)


def test_attributes_compare_as_text() -> None:
    assert [attribute_text(value) for value in ("a", 1.5, True)] == ["a", "1.5", "true"]
