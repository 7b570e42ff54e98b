"""What one client, and one batch, may send at most. Cardinality is bounded here, before anything is stored."""

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from ebbgate.core.events.types import EvaluatorReport, Exposure, TrackedEvent, WireEntry

DEDUP_HORIZON = timedelta(days=7)  # plan time; RULES C4
FUTURE_TOLERANCE = timedelta(minutes=5)  # RULES C3


class IntakeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Lengths are in characters. key: ids and units. name: names of events, flags, variants, environments, evaluators.

    names_max: distinct event names that one server takes. counts_max: flags, or attributes of a flag, in one report.
    """

    entries_max: int = 10_000
    key_length_max: int = 256
    name_length_max: int = 128
    attributes_max: int = 32
    attribute_length_max: int = 256
    names_max: int = 2_000
    counts_max: int = 1_000


class Violation(msgspec.Struct, frozen=True):
    """A limit that an entry does not keep: a stable code, and a sentence with the field and both numbers."""

    code: str
    reason: str


def violation(entry: WireEntry, limits: IntakeLimits) -> Violation | None:
    """The first limit that the entry breaks; None if it keeps them all. Names' cardinality is the caller's to check."""
    if isinstance(entry, TrackedEvent):
        if (
            len(entry.id) > limits.key_length_max
            or len(entry.unit) > limits.key_length_max
            or len(entry.name) > limits.name_length_max
            or (entry.of is not None and len(entry.of) > limits.key_length_max)
        ):
            return _too_long(entry, limits)
        return _attributes_violation(entry.attributes, limits) if entry.attributes else None
    if isinstance(entry, Exposure):
        name_max = limits.name_length_max
        if (
            len(entry.id) > limits.key_length_max
            or len(entry.unit) > limits.key_length_max
            or len(entry.flag) > name_max
            or len(entry.variant) > name_max
            or len(entry.environment) > name_max
            or len(entry.flag_set) > name_max
            or (entry.evaluator is not None and len(entry.evaluator) > name_max)
        ):
            return _too_long(entry, limits)
        return None
    return _report_violation(entry, limits)


_KEYS = ("id", "unit", "of")
_NAMES = ("name", "flag", "variant", "environment", "flag_set", "evaluator")


def _too_long(entry: WireEntry, limits: IntakeLimits) -> Violation | None:
    for fields, longest in ((_KEYS, limits.key_length_max), (_NAMES, limits.name_length_max)):
        for field in fields:
            text = getattr(entry, field, None)
            if text is not None and len(text) > longest:
                return Violation("too_long", f"`{field}` has {len(text)} characters, {longest} are allowed")
    return None


def _attributes_violation(attributes: dict[str, str | float | bool], limits: IntakeLimits) -> Violation | None:
    if len(attributes) > limits.attributes_max:
        return Violation(
            "too_many_attributes", f"{len(attributes)} attributes, {limits.attributes_max} are allowed on one event"
        )
    longest = limits.attribute_length_max
    for name, value in attributes.items():
        if len(name) > limits.name_length_max:
            return Violation(
                "too_long",
                f"attribute name `{name[:32]}...` has {len(name)} characters, {limits.name_length_max} are allowed",
            )
        if value.__class__ is str and len(value) > longest:
            return Violation("too_long", f"attribute `{name}` has {len(value)} characters, {longest} are allowed")
    return None


def _report_violation(report: EvaluatorReport, limits: IntakeLimits) -> Violation | None:
    counts = report.counts
    tables: list[Mapping[str, object]] = [counts.evaluations, counts.keyless, counts.code_defaults]
    for table in [*tables, counts.missing_attributes, *counts.missing_attributes.values()]:
        if len(table) > limits.counts_max:
            return Violation("too_many_counts", f"{len(table)} counts, {limits.counts_max} are allowed in one table")
        for name in table:
            if len(name) > limits.name_length_max:
                return Violation(
                    "too_long", f"`{name[:32]}...` has {len(name)} characters, {limits.name_length_max} are allowed"
                )
    return _too_long(report, limits)
