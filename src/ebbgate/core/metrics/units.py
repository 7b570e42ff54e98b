"""The unit of a metric's values, told by the end of its event's name: `api_ms` is in milliseconds, `dashboard_s` in
seconds, `widget_memory_mb` in megabytes (1 MB = 1,000,000 bytes, 1 MiB = 1,048,576).
"""

from ebbgate.core.metrics.definition import MetricKind

TIME = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
"""Seconds in each."""

SIZE = {
    "B": 1.0,
    "KB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "TB": 1e12,
    "KiB": 1024.0,
    "MiB": 1024.0**2,
    "GiB": 1024.0**3,
}
"""Bytes in each."""

SHARES = (MetricKind.SHARE, MetricKind.RATE)

_SUFFIXES = {
    **{f"_{unit}": unit for unit in ("us", "ms", "s", "h")},
    "_seconds": "s",
    "_min": "min",
    "_bytes": "B",
    **{f"_{unit.lower()}": unit for unit in ("KB", "MB", "GB", "KiB", "MiB", "GiB")},
}


def unit_of(event: str, kind: MetricKind) -> str | None:
    """`%` for shares and rates, `ms` for `api_ms`; None where values are bare numbers."""
    if kind in SHARES:
        return "%"
    if kind in (MetricKind.RATIO, MetricKind.COUNT, MetricKind.SURVEY):
        return None
    return _SUFFIXES.get(f"_{event.lower().rpartition('_')[2]}")
