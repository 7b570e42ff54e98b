"""Builders of metrics, guardrails and blocks that say only what a test is about."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ebbgate.core.metrics import (
    AnyBlock,
    CriticalLimit,
    Direction,
    Guardrail,
    HarmBy,
    LimitBlock,
    Margin,
    MeanBlock,
    Metric,
    MetricKind,
    ProportionBlock,
    QuantileBlock,
    RatioBlock,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture
def a_guardrail() -> Callable[..., Guardrail]:
    def build(kind: MetricKind = MetricKind.RATE, **fields: Any) -> Guardrail:
        metric = Metric(
            name="errors",
            kind=kind,
            event="api_error",
            trial="api_request",
            quantile=fields.pop("quantile", 0.95 if kind is MetricKind.QUANTILE else None),
            bad=fields.pop("bad", Direction.INCREASE),
            harm=fields.pop("harm", HarmBy.MEAN),
            window=timedelta(hours=1),
            lateness=timedelta(minutes=5),
            scale=fields.pop("scale", None),
        )
        tolerate = fields.pop("tolerate", Margin(relative=0.0))
        return Guardrail(metric=metric, tolerate=tolerate, **fields)

    return build


@pytest.fixture
def a_critical() -> Callable[..., CriticalLimit]:
    def build(value: float = 0.05, *, minutes: float = 5, on: tuple[str, ...] = ()) -> CriticalLimit:
        return CriticalLimit(value=value, sustained=timedelta(minutes=minutes), on=on)

    return build


@pytest.fixture
def a_block() -> Callable[..., AnyBlock]:
    kinds = {
        "proportion": ProportionBlock,
        "mean": MeanBlock,
        "ratio": RatioBlock,
        "quantile": QuantileBlock,
        "limit": LimitBlock,
    }

    def build(kind: str = "proportion", *, minute: int = 0, phase: int = 0, **fields: Any) -> AnyBlock:
        opened = NOON + timedelta(minutes=minute)
        closed = opened + timedelta(minutes=1)
        return kinds[kind](metric="errors", phase=phase, opened_at=opened, closed_at=closed, **fields)

    return build
