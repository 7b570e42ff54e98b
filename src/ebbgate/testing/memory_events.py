"""The analysis store in plain Python: the reference, and what simulations run on. Each call costs what is new."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from ebbgate.core.events import EvaluatorReport, Exposure, Record, TrackedEvent
from ebbgate.core.events.accept import DEDUP_HORIZON
from ebbgate.core.events.roster import Roster
from ebbgate.core.metrics.arrivals import ArrivalBlock, VolumeBlock
from ebbgate.core.metrics.blocks import AnyBlock, Assignment, LimitBlock
from ebbgate.core.metrics.contrast import Contrast, LimitQuery
from ebbgate.core.metrics.definition import Metric, MetricKind
from ebbgate.core.metrics.history import History, history_until
from ebbgate.core.metrics.reference import REFERENCE_KEPT, THRESHOLD_SPAN, block_cap, needs_reference, thresholds
from ebbgate.core.metrics.values import attribute_text, kept_value
from ebbgate.ports.event_store import (
    Confirmation,
    EvaluationCounts,
    EvaluatorStatus,
    NameCount,
    StoreTotals,
    statuses_of,
)
from ebbgate.testing.memory_arrivals import arrival_block, volume_block
from ebbgate.testing.memory_blocks import Head, mean_block, proportion_block, quantile_block, ratio_block
from ebbgate.testing.memory_history import history
from ebbgate.testing.memory_late import MemoryLate
from ebbgate.testing.memory_limits import limit_values
from ebbgate.testing.memory_observe import Events, observe, observe_ratio
from ebbgate.testing.memory_phase import Arm, Entrant, MemoryPhase, SeenEvent, SeenExposure


class MemoryEventStore:
    """An EventStore that forgets everything when it goes."""

    def __init__(self) -> None:
        self._offset = 0
        self._watermark: datetime | None = None
        self._ids: dict[tuple[str, str], datetime] = {}  # in the order of arrival
        self._duplicates = 0
        self._exposures: dict[tuple[str, str], list[SeenExposure]] = defaultdict(list)
        self._exposure_count = 0
        self._units: set[str] = set()
        self._events: list[SeenEvent] = []
        self._events_of: dict[str, dict[str, list[SeenEvent]]] = {}
        self._names: dict[str, tuple[int, datetime]] = {}
        self._roster = Roster()
        self._phases: dict[Contrast, MemoryPhase] = {}
        self._references: dict[tuple[Contrast, Metric], _Reference] = {}
        self._late = MemoryLate()
        self._distinct: dict[tuple[str, str, int, int | None, frozenset[str] | None], _Distinct] = {}

    def offset(self) -> int:
        return self._offset

    def watermark(self) -> datetime | None:
        return self._watermark

    def ingest(self, records: Sequence[tuple[int, Record]]) -> None:
        for offset, record in records:
            if offset <= self._offset:
                continue
            # What comes later is never taken as known earlier, even if two appends overtook each other: so a block is
            # the same whenever it is asked for.
            known_at = record.received_at if self._watermark is None else max(self._watermark, record.received_at)
            self._forget_ids(known_at)
            for entry in record.entries:
                if isinstance(entry, Exposure):
                    self._take_exposure(entry, record, known_at, offset)
                elif isinstance(entry, TrackedEvent):
                    self._take_event(entry, record, known_at, offset)
                elif isinstance(entry, EvaluatorReport):
                    self._roster.take(entry, record.machine_at)
            self._offset, self._watermark = offset, known_at

    def block(self, contrast: Contrast, metric: Metric, *, opened_at: datetime, closed_at: datetime) -> AnyBlock | None:
        phase = self._phase(contrast)
        phase.watch(metric)
        reference = self._reference(phase, metric, opened_at) if needs_reference(metric) else []
        closing = [(close, e) for close, e in phase.closing(metric, opened_at, closed_at) if e.is_compared_by(close)]
        if not closing:
            return None
        closing.sort(key=lambda entry: (entry[1].bucket, entry[1].unit))
        treated = [e for _, e in closing if e.arm is Arm.TREATMENT]
        control = [e for _, e in closing if e.arm is Arm.CONTROL]
        head: Head = (metric.name, contrast.phase, opened_at, closed_at)
        if metric.kind is MetricKind.RATIO:
            return ratio_block(head, self._ratios(metric, treated), self._ratios(metric, control))
        old, new = self._values(metric, control), self._values(metric, treated)
        if metric.kind in (MetricKind.SHARE, MetricKind.RATE):
            return proportion_block(head, new, old)
        if metric.kind is MetricKind.QUANTILE:
            return quantile_block(head, thresholds(reference, opened_at - THRESHOLD_SPAN), new, old)
        return mean_block(head, metric, block_cap(metric, reference), new, old)

    def limit_blocks(
        self, contrast: Contrast, query: LimitQuery, *, opened_at: datetime, closed_at: datetime
    ) -> list[AnyBlock]:
        phase = self._phase(contrast)
        out: list[AnyBlock] = []
        for function in query.functions or ("",):
            on = (function,) if function else query.metric.on
            n, y = {True: 0, False: 0}, {True: 0, False: 0}
            for is_treated, value in limit_values(
                query.metric, on, phase, self._events, self._events_of, opened_at=opened_at, closed_at=closed_at
            ):
                n[is_treated] += 1
                y[is_treated] += _is_above(query, value)
            if n[True] or n[False]:
                out.append(
                    LimitBlock(
                        metric=query.metric.name,
                        phase=contrast.phase,
                        opened_at=opened_at,
                        closed_at=closed_at,
                        limit=query.limit,
                        function=function,
                        treatment_n=n[True],
                        treatment_y=y[True],
                        control_n=n[False],
                        control_y=y[False],
                    )
                )
        return out

    def late_block(
        self,
        contrast: Contrast,
        metric: Metric,
        *,
        epoch_at: datetime,
        opened_at: datetime,
        closed_at: datetime,
        with_new: bool = False,
    ) -> AnyBlock | None:
        phase = self._phase(contrast)
        return self._late.block(
            phase,
            metric,
            self._events,
            self._events_of,
            self._reference(phase, metric, opened_at) if needs_reference(metric) else [],
            epoch_at=epoch_at,
            opened_at=opened_at,
            closed_at=closed_at,
            with_new=with_new,
        )

    def arrival_block(
        self, contrast: Contrast, metric: Metric, *, opened_at: datetime, closed_at: datetime
    ) -> ArrivalBlock | None:
        return arrival_block(self._phase(contrast), metric, self._events_of, opened_at, closed_at)

    def volume_block(
        self, contrast: Contrast, names: Sequence[str], *, opened_at: datetime, closed_at: datetime
    ) -> VolumeBlock:
        return volume_block(self._phase(contrast), names, self._events, opened_at, closed_at)

    def assignment(self, contrast: Contrast) -> Assignment:
        phase = self._phase(contrast)
        phase.count_events(self._events)
        tally = self._roster.tallies().get(contrast.flag)
        return Assignment(
            phase=contrast.phase,
            treatment=phase.counts["treatment"],
            control=phase.counts["control"],
            expected_share=contrast.expected_share,
            crossed=phase.counts["crossed"],
            veterans=phase.counts["veteran"],
            audience=phase.counts["audience"],
            keyless=tally.keyless if tally else 0,
            treatment_dropped=phase.dropped[Arm.TREATMENT],
            control_dropped=phase.dropped[Arm.CONTROL],
            treatment_late=phase.late[Arm.TREATMENT],
            control_late=phase.late[Arm.CONTROL],
            excluded=phase.excluded_units,
        )

    def first_treated_at(self, contrast: Contrast) -> datetime | None:
        return self._phase(contrast).first_treated_at

    def exposed_units(
        self, *, environment: str, flag: str, versions: tuple[int, int | None], variants: Sequence[str]
    ) -> int:
        return self._count_distinct(environment, flag, versions, frozenset(variants))

    def last_variant(self, *, environment: str, flag: str, unit: str) -> str | None:
        found = [seen for seen in self._exposures[environment, flag] if seen.unit == unit]
        return max(found, key=lambda seen: seen.at).variant if found else None

    def active_units(self, *, environment: str, flag: str, versions: tuple[int, int | None]) -> int:
        return self._count_distinct(environment, flag, versions, None)

    def evaluators(self) -> list[EvaluatorStatus]:
        return statuses_of(self._roster)

    def confirmations(self, snapshot_version: int) -> list[Confirmation]:
        return [
            Confirmation(
                evaluator=evaluator,
                snapshot_version=confirmed.version,
                received_at=confirmed.at,
                connected_at=confirmed.connected_at,
                environment=environment,
            )
            for evaluator, environment, confirmed in self._roster.confirmations(snapshot_version)
        ]

    def names(self) -> list[NameCount]:
        return [NameCount(name=n, count=count, newest_at=at) for n, (count, at) in sorted(self._names.items())]

    def attribute_values(self, name: str, attribute: str, *, limit: int) -> list[str]:
        found = (event.attributes.get(attribute) for event in self._events if event.name == name)
        return list(dict.fromkeys(value for value in found if value is not None))[:limit]

    def evaluation_counts(self, environment: str | None = None) -> list[EvaluationCounts]:
        return [
            EvaluationCounts(
                flag=flag,
                evaluations=tally.evaluations,
                keyless=tally.keyless,
                code_defaults=tally.code_defaults,
                missing_attributes=tally.missing_attributes,
            )
            for flag, tally in self._roster.tallies(environment).items()
        ]

    def totals(self) -> StoreTotals:
        return StoreTotals(
            units=len(self._units),
            events=len(self._events),
            exposures=self._exposure_count,
            duplicates=self._duplicates,
        )

    def history(self, metrics: Sequence[Metric], *, days: int, units: int) -> History:
        if self._watermark is None:
            return History(metrics=tuple(metric.name for metric in metrics), days=days)
        until = history_until(metrics, self._watermark)
        return history(metrics, self._events, self._events_of, until=until, days=days, units=units)

    def close(self) -> None:
        """Nothing to give back."""

    def _take_exposure(self, entry: Exposure, record: Record, known_at: datetime, offset: int) -> None:
        if self._is_duplicate(entry, known_at):
            return
        self._exposures[entry.environment, entry.flag].append(
            SeenExposure(
                unit=entry.unit,
                variant=entry.variant,
                version=entry.snapshot_version,
                at=_corrected(entry, record),
                occurred_at=entry.occurred_at,
                known_at=known_at,
                offset=offset,
            )
        )
        self._exposure_count += 1
        self._units.add(entry.unit)

    def _take_event(self, entry: TrackedEvent, record: Record, known_at: datetime, offset: int) -> None:
        if self._is_duplicate(entry, known_at):
            return
        value, is_invalid = kept_value(entry)
        event = SeenEvent(
            seq=len(self._events),
            id=entry.id,
            unit=entry.unit,
            name=entry.name,
            at=_corrected(entry, record),
            occurred_at=entry.occurred_at,
            known_at=known_at,
            offset=offset,
            value=value,
            is_invalid=is_invalid,
            of=entry.of,
            attributes={key: attribute_text(text) for key, text in entry.attributes.items()},
        )
        self._events.append(event)
        self._events_of.setdefault(entry.unit, {}).setdefault(entry.name, []).append(event)
        count, newest_at = self._names.get(entry.name, (0, event.at))
        self._names[entry.name] = (count + 1, max(newest_at, event.at))

    def _is_duplicate(self, entry: Exposure | TrackedEvent, known_at: datetime) -> bool:
        id_ = (type(entry).__name__, entry.id)
        if id_ in self._ids:
            self._duplicates += 1
            return True
        self._ids[id_] = known_at
        return False

    def _forget_ids(self, now: datetime) -> None:
        """Ids outside the horizon may come again (RULES C4)."""
        past = 0
        for at in self._ids.values():
            if at > now - DEDUP_HORIZON:
                break
            past += 1
        for id_ in list(islice(self._ids, past)):
            del self._ids[id_]

    def _phase(self, contrast: Contrast) -> MemoryPhase:
        phase = self._phases.get(contrast)
        if phase is None:
            phase = self._phases[contrast] = MemoryPhase(contrast)
        phase.read_exposures(self._exposures[contrast.environment, contrast.flag])
        return phase

    def _reference(self, phase: MemoryPhase, metric: Metric, until: datetime) -> list[tuple[datetime, float]]:
        """The newest control observations with close <= until, oldest first."""
        key = (phase.contrast, metric)
        known = self._references.get(key)
        if known is None or (known.until is not None and known.until > until):
            known = self._references[key] = _Reference()
        start = known.until if known.until is not None else _start(phase, metric)
        if start is None:
            return []
        for close, entrant in phase.closing(metric, start, until):
            if entrant.arm is Arm.CONTROL and entrant.is_compared_by(close):
                value = observe(metric, entrant, self._of(entrant), metric.on)
                if value is not None:
                    known.values.append((close, value))
        del known.values[:-REFERENCE_KEPT]
        known.until = until
        if self._watermark is None or until > self._watermark:
            del self._references[key]  # asked ahead of the log: it may still change
        return known.values

    def _values(self, metric: Metric, entrants: Sequence[Entrant]) -> list[float]:
        values = (observe(metric, entrant, self._of(entrant), metric.on) for entrant in entrants)
        return [value for value in values if value is not None]

    def _ratios(self, metric: Metric, entrants: Sequence[Entrant]) -> list[tuple[float, float]]:
        pairs = (observe_ratio(metric, entrant, self._of(entrant), metric.on) for entrant in entrants)
        return [pair for pair in pairs if pair is not None]

    def _of(self, entrant: Entrant) -> Events:
        return self._events_of.get(entrant.unit, {})

    def _count_distinct(
        self, environment: str, flag: str, versions: tuple[int, int | None], variants: frozenset[str] | None
    ) -> int:
        key = (environment, flag, *versions, variants)
        distinct = self._distinct.setdefault(key, _Distinct())
        exposures = self._exposures[environment, flag]
        start, end = versions
        while distinct.read < len(exposures):
            exposure = exposures[distinct.read]
            distinct.read += 1
            is_inside = exposure.version >= start and (end is None or exposure.version < end)
            if is_inside and (variants is None or exposure.variant in variants):
                distinct.units.add(exposure.unit)
        return len(distinct.units)


class _Reference:
    def __init__(self) -> None:
        self.until: datetime | None = None
        self.values: list[tuple[datetime, float]] = []


class _Distinct:
    def __init__(self) -> None:
        self.read = 0
        self.units: set[str] = set()


def _corrected(entry: Exposure | TrackedEvent, record: Record) -> datetime:
    """RULES C3. The record's time stands in where the entry has none of its own."""
    received_at = entry.received_at or record.received_at
    return min(entry.occurred_at + (received_at - entry.sent_at), received_at)


def _start(phase: MemoryPhase, metric: Metric) -> datetime | None:
    """A time before the first close."""
    return phase.by_time[0][0] if phase.by_time else None


def _is_above(query: LimitQuery, value: float) -> bool:
    """Shares and rates count units with the event; everything else, units above the limit."""
    return value > (0 if query.metric.kind in (MetricKind.SHARE, MetricKind.RATE) else query.limit)
