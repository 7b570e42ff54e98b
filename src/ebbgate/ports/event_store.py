"""The analysis store: what control ingests from the log, and the summaries it gives (RULES I1, D)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from ebbgate.core.events import Record
from ebbgate.core.events.roster import Roster
from ebbgate.core.metrics.arrivals import ArrivalBlock, VolumeBlock
from ebbgate.core.metrics.blocks import AnyBlock, Assignment
from ebbgate.core.metrics.contrast import Contrast, LimitQuery
from ebbgate.core.metrics.definition import Metric
from ebbgate.core.metrics.history import History


class EvaluatorStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one evaluator (RULES H2). Machine times.

    kind: `sdk` and `stream` confirm; `ofrep`, `flagd` cannot. confirmed_at: when the edge received its confirmation
    of `snapshot_version`. environment: None where it does not say. is_closed: it ended by itself, without a lease.
    """

    evaluator: str
    name: str
    kind: str
    is_connected: bool
    snapshot_version: int | None
    confirmed_at: datetime | None
    last_seen_at: datetime
    environment: str | None = None
    is_closed: bool = False


def statuses_of(roster: Roster) -> list[EvaluatorStatus]:
    """Every evaluator of a roster, in order of ids: what any store answers from what it keeps."""
    return [
        EvaluatorStatus(
            evaluator=evaluator,
            name=known.name,
            kind=known.kind,
            is_connected=known.is_connected,
            snapshot_version=known.snapshot_version,
            confirmed_at=known.confirmed_at,
            last_seen_at=known.last_seen_at,
            environment=known.environment,
            is_closed=known.is_closed,
        )
        for evaluator, known in sorted(roster.evaluators.items())
    ]


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """An evaluator said that it serves a version. Machine times of the edge. connected_at: since when the evaluator had
    been connected without a gap. environment: None where it does not say.
    """

    evaluator: str
    snapshot_version: int
    received_at: datetime
    connected_at: datetime | None = None
    environment: str | None = None


class NameCount(msgspec.Struct, frozen=True, kw_only=True):
    """An event name with how many arrived and when the newest did (plan time)."""

    name: str
    count: int
    newest_at: datetime


class EvaluationCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Totals that evaluators reported for one flag: silence is named from these (DESIGN section 5)."""

    flag: str
    evaluations: int
    keyless: int
    code_defaults: int
    missing_attributes: dict[str, int]


class StoreTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over the whole store: distinct units and events, duplicates refused, late ones, exposures."""

    units: int
    events: int
    exposures: int
    duplicates: int


class EventStore(Protocol):
    """Everything is a function of the records ingested so far; the log offset is the only cursor.

    `ingest` keeps rows and offset in one transaction. Ids seen within the horizon are ignored (RULES C4) and counted.
    Blocks
    for `(opened_at, closed_at]` hold the units whose window plus lateness ended in that span of plan time; asking again
    for the same span gives the same block as long as nothing later than `closed_at` is needed (late events are not
    counted, RULES D4).
    Errors: StoreUnavailableError.
    """

    def offset(self) -> int: ...

    def watermark(self) -> datetime | None:
        """Plan time up to which the log has been read: received_at of the newest ingested record."""
        ...

    def ingest(self, records: Sequence[tuple[int, Record]]) -> None:
        """Take records in order; each comes with the log offset after it. Records at or before `offset()` are
        skipped.
        """
        ...

    def block(self, contrast: Contrast, metric: Metric, *, opened_at: datetime, closed_at: datetime) -> AnyBlock | None:
        """The metric's block; None if no unit of the contrast closed in the span."""
        ...

    def limit_blocks(
        self, contrast: Contrast, query: LimitQuery, *, opened_at: datetime, closed_at: datetime
    ) -> list[AnyBlock]:
        """One LimitBlock for each function of the query that had observations in the span.

        Counted by when things happened, not by when a unit was first seen (RULES G1): every unit of the phase that was
        not crossed by then, with its first eligible event in `(opened_at - delay, closed_at - delay]` after its first
        exposure in the phase, known less than `limit_delay` after it happened. For rates and shares that event is a
        trial; it is bad (or good) by an event that belongs to it, by `of` or by time until the unit's next trial.
        Counts and ratios: the newest of the unit's consecutive windows that closed in the span. Treatment are units
        exposed by hash or attribute, newly or earlier; in the checks after a rollback, those formerly treated.
        """
        ...

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
        """Late harm (RULES E3): units that had the treatment before this phase against units that never had it, the
        holdout among them, each once in the epoch that counts from `epoch_at`; None if nobody was observed.

        The observation is made as for limits: the unit's first eligible event of the epoch (windowed kinds: its
        newest window), if it was not crossed nor exposed by attribute by then. with_new: those newly exposed in this
        phase belong to the treatment, too. The spans of an epoch follow one another from `epoch_at` on. Thresholds and
        caps come from the control of the day before the epoch; on a phase's first day from the phase's own reference.
        """
        ...

    def arrival_block(
        self, contrast: Contrast, metric: Metric, *, opened_at: datetime, closed_at: datetime
    ) -> ArrivalBlock | None:
        """How the first eligible event of each randomised unit arrived, of the units whose close and `patience` ended
        in the span (RULES D4, D5); None if nobody's did."""
        ...

    def volume_block(
        self, contrast: Contrast, names: Sequence[str], *, opened_at: datetime, closed_at: datetime
    ) -> VolumeBlock:
        """Units of the phase that sent an event of one of these names, known in `[opened_at, closed_at)`: those treated
        by hash, newly or before, and those never treated (RULES G2)."""
        ...

    def assignment(self, contrast: Contrast) -> Assignment:
        """Cumulative counts of the phase's units."""
        ...

    def first_treated_at(self, contrast: Contrast) -> datetime | None:
        """Plan time of the first exposure to the treatment (by hash or attribute) in the contrast."""
        ...

    def exposed_units(
        self, *, environment: str, flag: str, versions: tuple[int, int | None], variants: Sequence[str]
    ) -> int:
        """Distinct units that saw one of the variants under those snapshot versions (start inclusive, end
        exclusive).
        """
        ...

    def last_variant(self, *, environment: str, flag: str, unit: str) -> str | None:
        """What the unit's newest exposure to the flag served; None where there is none."""
        ...

    def active_units(self, *, environment: str, flag: str, versions: tuple[int, int | None]) -> int:
        """Distinct units with any exposure under those snapshot versions."""
        ...

    def evaluators(self) -> list[EvaluatorStatus]: ...

    def confirmations(self, snapshot_version: int) -> list[Confirmation]:
        """First confirmation by each evaluator of that version or a later one."""
        ...

    def names(self) -> list[NameCount]:
        """Names of tracked events seen so far."""
        ...

    def attribute_values(self, name: str, attribute: str, *, limit: int) -> list[str]:
        """Values of an attribute of events of that name, in the order in which they first came, at most `limit`."""
        ...

    def evaluation_counts(self, environment: str | None = None) -> list[EvaluationCounts]:
        """By flag. environment: as evaluators of it counted, and those that do not say theirs; None for all."""
        ...

    def totals(self) -> StoreTotals: ...

    def history(self, metrics: Sequence[Metric], *, days: int, units: int) -> History:
        """What units did on the whole days before the newest one whose windows have closed, at most so many units,
        drawn by a hash of their keys: each unit, day and metric with one observation, from the unit's first event of
        the day. Nothing was read yet: no rows.
        """
        ...

    def close(self) -> None: ...
