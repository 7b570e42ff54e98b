"""Who has entered a contrast, and when: the memory store's view of one phase, kept up to date exposure by exposure."""

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import NamedTuple

from ebbgate.core.audiences import unit_bucket
from ebbgate.core.metrics.blocks import AFTERWARDS
from ebbgate.core.metrics.contrast import Contrast
from ebbgate.core.metrics.definition import Metric
from ebbgate.core.rollouts.kept_out import excluded_of


class SeenExposure(NamedTuple):
    """An exposure as kept. at: corrected (RULES C3). occurred_at: by the sender's clock. known_at: the log's watermark
    when it came, which never goes back."""

    unit: str
    variant: str
    version: int
    at: datetime
    occurred_at: datetime
    known_at: datetime
    offset: int


class SeenEvent(NamedTuple):
    """A tracked event as kept; times as in SeenExposure. attributes: as text."""

    seq: int
    id: str
    unit: str
    name: str
    at: datetime
    occurred_at: datetime
    known_at: datetime
    offset: int
    value: float | None
    is_invalid: bool
    of: str | None
    attributes: dict[str, str]


class Arm(Enum):
    """What a unit is by its first exposure in the phase."""

    TREATMENT = "treatment"
    CONTROL = "control"
    VETERAN = "veteran"
    AUDIENCE = "audience"
    APART = "apart"  # control outside the control interval: in no comparison
    HOLDOUT = "holdout"  # held out by a hash of its own: compared for late harm alone (RULES E3)


class Entrant:
    """A unit of the phase. `at` and `occurred_at` are its first exposure's, in the order of the log: they never change,
    so that a block asked for twice is the same. is_treated: exposed, so far as its first exposure tells."""

    __slots__ = (
        "arm",
        "at",
        "audience_at",
        "bucket",
        "control_at",
        "excluded_at",
        "is_treated",
        "known_at",
        "occurred_at",
        "offset",
        "treated_at",
        "unit",
    )

    def __init__(self, first: SeenExposure, bucket: int, arm: Arm, *, is_treated: bool) -> None:
        self.unit, self.bucket, self.arm, self.is_treated = first.unit, bucket, arm, is_treated
        self.at, self.occurred_at = first.at, first.occurred_at
        self.known_at, self.offset = first.known_at, first.offset
        self.treated_at: datetime | None = None  # when it was first known to have seen the treatment
        self.control_at: datetime | None = None
        self.audience_at: datetime | None = None
        self.excluded_at: datetime | None = None  # when it was first known to be one that the plan excludes

    @property
    def crossed_at(self) -> datetime | None:
        """When it was known to have seen both values."""
        if self.treated_at is None or self.control_at is None:
            return None
        return max(self.treated_at, self.control_at)

    def is_left_out_by(self, close: datetime) -> bool:
        """Crossed or excluded. Known only after its close, it has been counted, and stays (RULES D5)."""
        if self.excluded_at is not None and self.excluded_at < close:
            return True
        crossed_at = self.crossed_at
        return crossed_at is not None and crossed_at < close

    def is_compared_by(self, close: datetime) -> bool:
        """Whether it is in the randomised contrast when its window closes."""
        if self.arm is not Arm.TREATMENT and self.arm is not Arm.CONTROL:
            return False
        if self.audience_at is not None and self.audience_at < close:
            return False
        return not self.is_left_out_by(close)

    def is_treated_by(self, close: datetime) -> bool:
        """Its side for absolute limits. After a rollback the audience is on it as soon as it is known to be one."""
        return self.is_treated or (self.audience_at is not None and self.audience_at < close)

    def in_window(self, at: datetime) -> "Entrant":
        """The same unit in a later window of its own, which nothing from before is moved to."""
        later = copy(self)
        later.at, later.occurred_at = at, datetime.max.replace(tzinfo=UTC)
        return later

    def places(self, event: SeenEvent) -> datetime | None:
        """When the event happened for this unit's window; None if before its first exposure.

        RULES C3: the correction of two messages may differ, and must not reverse an order that the senders' own stamps
        agree on; such an event is moved to the exposure. One that was before it by its own stamp is not evidence.
        """
        if event.at >= self.at:
            return event.at
        return self.at if event.occurred_at >= self.occurred_at and event.known_at >= self.at else None


class MemoryPhase:
    """Everything the store needs to know of one contrast. Costs follow new exposures and events."""

    def __init__(self, contrast: Contrast) -> None:
        self.contrast = contrast
        self.watched: set[Metric] = set()  # whose late events are counted
        self.entrants: dict[str, Entrant] = {}
        self.by_time: list[tuple[datetime, int, str]] = []
        self.counts: Counter[str] = Counter()
        self.first_treated_at: datetime | None = None
        self.late: Counter[Arm] = Counter()
        self.dropped: Counter[Arm] = Counter()
        self._audience: dict[str, datetime] = {}
        self._excluded: dict[str, datetime] = {}
        self._excluding = excluded_of(contrast)
        self._returning: set[str] = set()
        self._exposures_read = 0
        self._events_read = 0

    @property
    def excluded_units(self) -> int:
        """Units that were seen as excluded."""
        return len(self._excluded)

    def read_exposures(self, exposures: Sequence[SeenExposure]) -> None:
        """Take what came since the last call."""
        while self._exposures_read < len(exposures):
            exposure = exposures[self._exposures_read]
            self._exposures_read += 1
            contrast = self.contrast
            if contrast.since is not None and exposure.known_at < contrast.since:
                continue
            is_inside = contrast.version_from <= exposure.version and (
                contrast.version_to is None or exposure.version < contrast.version_to
            )
            if (
                contrast.returning_from is not None
                and contrast.returning_from <= exposure.version < contrast.version_from
            ):
                self._returning.add(exposure.unit)
            # The recovery check leaves out everybody who was ever excluded or exposed by attribute: they were never
            # randomised.
            if is_inside or contrast.phase in AFTERWARDS:
                if exposure.variant in self._excluding:
                    self._note_excluded(exposure)
                elif exposure.variant == contrast.audience_variant:
                    self._note_audience(exposure)
            if is_inside:
                self._take(exposure)

    def closing(self, metric: Metric, opened_at: datetime, closed_at: datetime) -> list[tuple[datetime, Entrant]]:
        """(close, unit) of windows that closed in the span, in order of (close, bucket, unit); all arms."""
        length = metric.window + metric.lateness
        start = bisect_right(self.by_time, opened_at - length, key=lambda entry: entry[0])
        stop = bisect_right(self.by_time, closed_at - length, key=lambda entry: entry[0])
        out = []
        for at, _, unit in self.by_time[start:stop]:
            entrant = self.entrants[unit]
            if entrant.known_at < at + length:
                out.append((at + length, entrant))
        return out

    def count_events(self, events: Sequence[SeenEvent]) -> None:
        """Count late and dropped events that came since the last call (RULES D4, D5), by the arm at first exposure."""
        while self._events_read < len(events):
            event = events[self._events_read]
            self._events_read += 1
            entrant = self.entrants.get(event.unit)
            if entrant is None or event.offset < entrant.offset or entrant.arm not in (Arm.TREATMENT, Arm.CONTROL):
                continue
            at = entrant.places(event)
            if at is None or (entrant.excluded_at is not None and entrant.excluded_at <= event.known_at):
                continue
            if event.is_invalid:
                self.dropped[entrant.arm] += 1
            if any(self._is_late(metric, entrant, event, at - entrant.at) for metric in self.watched):
                self.late[entrant.arm] += 1

    def watch(self, metric: Metric) -> None:
        """Count this metric's late events from now on, those that came before included."""
        if metric not in self.watched:
            self.watched.add(metric)
            self.late.clear()
            self.dropped.clear()
            self._events_read = 0

    @staticmethod
    def _is_late(metric: Metric, entrant: Entrant, event: SeenEvent, age: timedelta) -> bool:
        if event.name not in (metric.event, metric.trial) or age >= metric.window:
            return False
        return event.known_at >= entrant.at + metric.window + metric.lateness

    def _take(self, exposure: SeenExposure) -> None:
        contrast, variant = self.contrast, exposure.variant
        is_control = variant in (contrast.control_variant, f"{contrast.control_variant}_holdout")
        is_treated = not is_control and variant in (contrast.treatment_variant, contrast.audience_variant)
        if variant in (contrast.treatment_variant, contrast.audience_variant) and (
            self.first_treated_at is None or exposure.at < self.first_treated_at
        ):
            self.first_treated_at = exposure.at
        if not is_control and not is_treated:
            return
        entrant = self.entrants.get(exposure.unit)
        if entrant is None:
            entrant = self._enter(exposure, is_treated=is_treated)
        else:
            self.counts[_standing(entrant)] -= 1
        if is_treated and entrant.treated_at is None:
            entrant.treated_at = exposure.known_at
        if is_control and entrant.control_at is None:
            entrant.control_at = exposure.known_at
        self.counts[_standing(entrant)] += 1

    def _enter(self, exposure: SeenExposure, *, is_treated: bool) -> Entrant:
        bucket = unit_bucket(self.contrast.salt, exposure.unit, bucketing=self.contrast.bucketing)
        arm = _arm(self.contrast, exposure.variant, bucket)
        if self.contrast.phase in AFTERWARDS:
            # Everybody sees the control now: who was treated before is told by bucket, and by audience_at (RULES H3).
            is_treated = arm is Arm.TREATMENT
        if self.contrast.returning_from is not None and exposure.unit not in self._returning:
            arm = Arm.APART
        entrant = Entrant(exposure, bucket, arm, is_treated=is_treated)
        entrant.audience_at = self._audience.get(exposure.unit)
        entrant.excluded_at = self._excluded.get(exposure.unit)
        self.entrants[exposure.unit] = entrant
        insort(self.by_time, (exposure.at, bucket, exposure.unit))
        return entrant

    def _note_audience(self, exposure: SeenExposure) -> None:
        if exposure.unit in self._audience:
            return
        self._audience[exposure.unit] = exposure.known_at
        entrant = self.entrants.get(exposure.unit)
        if entrant is not None:
            self.counts[_standing(entrant)] -= 1
            entrant.audience_at = exposure.known_at
            self.counts[_standing(entrant)] += 1

    def _note_excluded(self, exposure: SeenExposure) -> None:
        if exposure.unit in self._excluded:
            return
        self._excluded[exposure.unit] = exposure.known_at
        entrant = self.entrants.get(exposure.unit)
        if entrant is not None:
            self.counts[_standing(entrant)] -= 1
            entrant.excluded_at = exposure.known_at
            self.counts[_standing(entrant)] += 1


def _arm(contrast: Contrast, variant: str, bucket: int) -> Arm:
    if contrast.is_external:  # another system drew: by whatever it went, the variant tells
        arms = {contrast.treatment_variant: Arm.TREATMENT, contrast.control_variant: Arm.CONTROL}
        return arms.get(variant, Arm.APART)
    is_new = contrast.treatment.start <= bucket < contrast.treatment.end
    is_never = contrast.control.start <= bucket < contrast.control.end
    if variant == f"{contrast.control_variant}_holdout":
        return Arm.HOLDOUT
    if variant == contrast.treatment_variant and is_new:
        return Arm.TREATMENT
    if variant == contrast.control_variant:
        return Arm.CONTROL if is_never else Arm.APART
    if variant == contrast.audience_variant or (variant == contrast.treatment_variant and is_never):
        return Arm.AUDIENCE  # treated though its bucket says control: drawn inside a split audience
    return Arm.VETERAN if variant == contrast.treatment_variant else Arm.APART


def _standing(entrant: Entrant) -> str:
    if entrant.excluded_at is not None:
        return "excluded"
    if entrant.crossed_at is not None:
        return "crossed"
    return Arm.AUDIENCE.value if entrant.audience_at is not None else entrant.arm.value
