"""What evaluators have said so far, folded (RULES H2). Mutable: a store keeps one and feeds it in log order."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from ebbgate.core.events.types import EvaluatorCounts, EvaluatorReport

CONFIRMATIONS_KEPT = 200
"""Versions remembered for each evaluator, newest last: far more than one rollout publishes."""


HEARD_FOR = timedelta(seconds=35)
"""Machine time. Heartbeats come every 10 s: whoever is silent for longer has lost three, and is not connected."""


class ConfirmedVersion(NamedTuple):
    """When an evaluator first confirmed a version, and since when it was connected then. Machine times."""

    version: int
    at: datetime
    connected_at: datetime | None = None


class KnownEvaluator(msgspec.Struct, kw_only=True):
    """The newest that is known of one evaluator. Times are machine time.

    connected_at: since when it has been connected without a gap. confirmations: versions growing. counts: the largest
    ever reported, as reports are cumulative and may come twice or out of order. is_closed: it said goodbye, and gave
    its leases back: nothing is to be proven of it any more.
    """

    name: str
    kind: str
    last_seen_at: datetime
    is_connected: bool = True
    snapshot_version: int | None = None
    confirmed_at: datetime | None = None
    confirmations: list[ConfirmedVersion] = []
    counts: EvaluatorCounts = EvaluatorCounts()
    environment: str | None = None
    connected_at: datetime | None = None
    is_closed: bool = False


class FlagTally(msgspec.Struct, kw_only=True):
    """What all evaluators together have counted for one flag."""

    evaluations: int = 0
    keyless: int = 0
    code_defaults: int = 0
    missing_attributes: dict[str, int] = {}


class Roster(msgspec.Struct, kw_only=True):
    """Every evaluator heard of, by id."""

    evaluators: dict[str, KnownEvaluator] = {}

    def take(self, report: EvaluatorReport, machine_at: datetime) -> None:
        """Fold one report. machine_at: when the edge received it."""
        known = self.evaluators.get(report.evaluator)
        if known is None:
            known = KnownEvaluator(name=report.name, kind=report.kind, last_seen_at=machine_at)
            self.evaluators[report.evaluator] = known
        was_connected = known.connected_at is not None and machine_at - known.last_seen_at <= HEARD_FOR
        was_connected = was_connected and known.is_connected
        known.last_seen_at = max(known.last_seen_at, machine_at)
        known.name = report.name or known.name
        known.environment = report.environment or known.environment
        if known.kind != "sdk":  # the edge reports the same evaluator's stream; what the evaluator says itself stands
            known.kind = report.kind
        if report.kind == "sdk":  # the edge's word on its stream may come late, and takes nothing back
            known.is_closed = report.state == "closed"
        if known.is_closed:
            known.is_connected = False
        elif report.state != "heartbeat":  # a heartbeat may come by another way than the stream that was lost
            known.is_connected = report.state != "disconnected"
        if known.is_connected and not was_connected:
            known.connected_at = machine_at
        if report.snapshot_version is not None and report.state in ("confirmed", "heartbeat"):
            _confirm(known, report.snapshot_version, machine_at)
        known.counts = _largest(known.counts, report.counts)

    def confirmations(self, snapshot_version: int) -> Iterator[tuple[str, str | None, ConfirmedVersion]]:
        """(evaluator, environment, what) of each evaluator's first confirmation of that version or a later one."""
        for evaluator, known in sorted(self.evaluators.items()):
            for confirmed in known.confirmations:
                if confirmed.version >= snapshot_version:
                    yield evaluator, known.environment, confirmed
                    break

    def tallies(self, environment: str | None = None) -> dict[str, FlagTally]:
        """Counts by flag, flags in order. environment: of evaluators of this one, and of those that do not say theirs;
        None for all."""
        out: dict[str, FlagTally] = {}
        for known in self.evaluators.values():
            if environment is not None and known.environment not in (None, environment):
                continue
            counts = known.counts
            for flag, n in counts.evaluations.items():
                out.setdefault(flag, FlagTally()).evaluations += n
            for flag, n in counts.keyless.items():
                out.setdefault(flag, FlagTally()).keyless += n
            for flag, n in counts.code_defaults.items():
                out.setdefault(flag, FlagTally()).code_defaults += n
            for flag, missing in counts.missing_attributes.items():
                tally = out.setdefault(flag, FlagTally())
                for attribute, n in missing.items():
                    tally.missing_attributes[attribute] = tally.missing_attributes.get(attribute, 0) + n
        return dict(sorted(out.items()))


def _confirm(known: KnownEvaluator, version: int, machine_at: datetime) -> None:
    """Serving a version is confirming it. What cannot confirm (RULES H2) leaves no confirmation."""
    if version != known.snapshot_version:
        known.snapshot_version, known.confirmed_at = version, None
    if known.kind not in ("sdk", "stream"):
        return
    if known.confirmed_at is None:
        known.confirmed_at = machine_at
    if not known.confirmations or version > known.confirmations[-1].version:
        known.confirmations.append(ConfirmedVersion(version, machine_at, known.connected_at))
        del known.confirmations[:-CONFIRMATIONS_KEPT]


def _largest(one: EvaluatorCounts, other: EvaluatorCounts) -> EvaluatorCounts:
    flags = one.missing_attributes.keys() | other.missing_attributes.keys()
    return EvaluatorCounts(
        evaluations=_larger(one.evaluations, other.evaluations),
        keyless=_larger(one.keyless, other.keyless),
        code_defaults=_larger(one.code_defaults, other.code_defaults),
        missing_attributes={
            flag: _larger(one.missing_attributes.get(flag, {}), other.missing_attributes.get(flag, {}))
            for flag in sorted(flags)
        },
    )


def _larger(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: max(one.get(key, 0), other.get(key, 0)) for key in sorted(one.keys() | other.keys())}
