"""When an observation against an absolute limit is final (RULES D4, G1)."""

from datetime import timedelta

from ebbgate.core.metrics.definition import Metric, MetricKind

WINDOWED = frozenset({MetricKind.COUNT, MetricKind.RATIO})
"""Kinds that count over a window: one event says nothing of them."""


def limit_delay(metric: Metric) -> timedelta:
    """Plan time from what is observed to when it is counted: the lateness, and what the outcome itself may take.

    A share's trial has its whole window to succeed. Windowed kinds: from the window's opening to its count. Without a
    lateness nothing could ever be known in time; then the metric's window stands in.
    """
    if metric.kind is MetricKind.SHARE or metric.kind in WINDOWED:
        return metric.window + metric.lateness
    return metric.lateness or metric.window
