"""What evaluators and applications tell the server: wire types, intake rules, and the log's framing (RULES C)."""

from ebbgate.core.events.types import (
    Entry,
    EvaluatorCounts,
    EvaluatorReport,
    Exposure,
    Heartbeat,
    Record,
    TrackedEvent,
    WireEntry,
)

__all__ = [
    "Entry",
    "EvaluatorCounts",
    "EvaluatorReport",
    "Exposure",
    "Heartbeat",
    "Record",
    "TrackedEvent",
    "WireEntry",
]
