"""One phase of one rollout, who its people are, and what a store says of it."""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st

from ebbgate.core.audiences import unit_bucket
from ebbgate.core.events import Entry, Exposure, Record, TrackedEvent
from ebbgate.core.metrics.blocks import LimitBlock, ProportionBlock
from ebbgate.core.metrics.contrast import TOTAL_PPM, Contrast, Interval, LimitQuery
from ebbgate.core.metrics.definition import Direction, HarmBy, Metric, MetricKind
from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import minute

SALT = "lineage-1"
BEFORE, NOW = 100_000, 300_000
"""Buckets below the first were exposed in an earlier phase, from there to the second in this one."""


class Phase:
    """The second phase of a rollout. Names of people come in one order: the first of two are the first of three."""

    def contrast(self, **changes: Any) -> Contrast:
        fields: dict[str, Any] = {
            "rollout_id": "r1",
            "environment": "production",
            "flag": "newWidgets",
            "salt": SALT,
            "phase": 1,
            "version_from": 1,
            "version_to": None,
            "treatment": Interval(start=BEFORE, end=NOW),
            "control": Interval(start=NOW, end=TOTAL_PPM),
            "treatment_variant": "on",
            "control_variant": "off",
            "audience_variant": "on_audience",
        }
        return Contrast(**{**fields, **changes})

    def metric(self, kind: MetricKind = MetricKind.RATE, **changes: Any) -> Metric:
        """Window 10 minutes, lateness 2: a unit first exposed in minute m closes in minute m + 12."""
        has_trial = kind in (MetricKind.RATE, MetricKind.SHARE, MetricKind.RATIO)
        fields: dict[str, Any] = {
            "name": "errors",
            "kind": kind,
            "event": "api_error" if has_trial else "api_ms",
            "trial": "api_request" if has_trial else None,
            "bad": Direction.INCREASE,
            "harm": HarmBy.MEAN,
            "window": timedelta(minutes=10),
            "lateness": timedelta(minutes=2),
        }
        return Metric(**{**fields, **changes})

    def veterans(self, n: int = 1) -> list[str]:
        """People who were exposed in an earlier phase."""
        return _named(0, BEFORE, n)

    def treated(self, n: int = 1, *, prefix: str = "u") -> list[str]:
        """People who are newly exposed."""
        return _named(BEFORE, NOW, n, prefix=prefix)

    def controls(self, n: int = 1, *, prefix: str = "u") -> list[str]:
        """People who have never been exposed."""
        return _named(NOW, TOTAL_PPM, n, prefix=prefix)

    def block(self, store: EventStore, metric: Metric, opened: float = 0, closed: float = 30, **changes: Any) -> Any:
        """changes: of the contrast."""
        return store.block(self.contrast(**changes), metric, opened_at=minute(opened), closed_at=minute(closed))

    def rate_of(self, store: EventStore, opened: float = 0, closed: float = 30) -> tuple[int, int, int, int]:
        """(treatment n, y, control n, y) of the error rate."""
        got = self.block(store, self.metric(), opened, closed)
        assert isinstance(got, ProportionBlock)
        return got.treatment_n, got.treatment_y, got.control_n, got.control_y

    def limits(
        self, store: EventStore, opened: float, closed: float, metric: Metric | None = None, limit: float = 0.05
    ) -> tuple[int, int, int, int] | None:
        """(treatment n, y, control n, y) against a limit, or None without observations."""
        query = LimitQuery(metric=metric or self.metric(), limit=limit)
        blocks = store.limit_blocks(self.contrast(), query, opened_at=minute(opened), closed_at=minute(closed))
        counts = [(b.treatment_n, b.treatment_y, b.control_n, b.control_y) for b in blocks if isinstance(b, LimitBlock)]
        return counts[0] if counts else None


def _named(start: int, end: int, n: int, *, prefix: str = "u") -> list[str]:
    """The first n names whose bucket lies in that interval."""
    found: list[str] = []
    number = 0
    while len(found) < n:
        name = f"{prefix}{number}"
        if start <= unit_bucket(SALT, name) < end:
            found.append(name)
        number += 1
    return found


@pytest.fixture
def phase() -> Phase:
    return Phase()


Told = tuple[float, float, float]
"""How long ago it happened (negative: in the sender's future), how long ago it was sent, how far the sender's clock is
ahead; minutes."""

TOLD: st.SearchStrategy[Told] = st.tuples(
    st.sampled_from((0.0, 0.0, 0.0, 0.05, 0.3, 1.0, 6.0, -3.0)),
    st.sampled_from((0.0, 0.0, 0.4)),
    st.sampled_from((0.0, 0.0, 7.0, -300.0)),
)
VALUES = st.sampled_from((None, math.nan, math.inf, -math.inf, -4.0, 0.0, 1.0, 2.0, 5.0, 5.0, 80.0)) | st.floats(0, 1e4)
NAMES = ("api_request", "api_request", "api_error", "api_ms", "api_ms", "balance", "stars")
FUNCTIONS: tuple[str | float | bool | None, ...] = (None, "a", "b", 1.5, True)
UNITS = [f"unit-{number}" for number in range(40)]
VARIANTS = ("on", "off", "on_audience", "off_holdout", "off_excluded", "on_excluded", "something_else")


class Happening(NamedTuple):
    """of: how many requests ago the one was that this belongs to; None for any."""

    name: str
    told: Told
    value: float | None
    function: str | float | bool | None
    of: int | None


class Visit(NamedTuple):
    """A unit comes after a while; all it sends is one record. exposed: None if it was not. another: a variant that its
    unit would not have. again: that entry, so many before the newest, is sent once more."""

    after: float
    unit: str
    exposed: Told | None
    another: str | None
    happenings: list[Happening]
    again: int | None


RARELY_ANOTHER = st.sampled_from((None,) * 20 + VARIANTS)
VISITS = st.builds(
    Visit,
    after=st.sampled_from((0.5, 0.0, 0.1, 2.0)),
    unit=st.sampled_from(UNITS),
    exposed=TOLD | st.none(),
    another=RARELY_ANOTHER,
    happenings=st.lists(
        st.builds(
            Happening,
            name=st.sampled_from(NAMES),
            told=TOLD,
            value=VALUES,
            function=st.sampled_from(FUNCTIONS),
            of=st.sampled_from((None, None, 1, 2)),
        ),
        max_size=6,
    ),
    again=st.sampled_from((None, None, None, 1, 5)),
)


def records_of(visits: Sequence[Visit], *, salt: str) -> list[tuple[int, Record]]:
    """The log of these visits, and then of a quiet quarter of an hour, so that windows close."""
    found: list[tuple[int, Record]] = []
    sent: list[Exposure | TrackedEvent] = []
    now = 0.0
    for place, visit in enumerate(visits):
        now += visit.after
        version = 1 + 3 * place // len(visits)
        entries: list[Exposure | TrackedEvent] = []
        if visit.exposed is not None:
            entries.append(
                Exposure(
                    id=f"x{len(sent)}",
                    unit=visit.unit,
                    environment="production",
                    flag_set="default",
                    flag="newWidgets",
                    variant=visit.another or usual_variant(visit.unit, version, salt),
                    snapshot_version=version,
                    **times_of(visit.exposed, now),
                )
            )
        for number, one in enumerate(visit.happenings):
            requests = [entry.id for entry in (*sent, *entries) if entry.id.startswith("r")]
            is_request = one.name == "api_request"
            entries.append(
                TrackedEvent(
                    id=f"{'r' if is_request else 'e'}{len(sent)}-{number}",
                    unit=visit.unit,
                    name=one.name,
                    value=None if one.name in ("api_request", "api_error") else one.value,
                    of=requests[-min(one.of, len(requests))] if one.of and requests else None,
                    attributes={} if one.function is None else {"function": one.function, "end point": "x"},
                    **times_of(one.told, now),
                )
            )
        sent.extend(entries)
        if visit.again is not None and sent:
            entries = [*entries, sent[-min(visit.again, len(sent))]]
        found.append((10 * len(found) + 10, a_record(now, entries)))
    return [*found, (10 * len(found) + 10, a_record(now + 15, []))]


def a_record(now: float, entries: Sequence[Entry]) -> Record:
    return Record(received_at=minute(now), machine_at=minute(now), entries=[*entries])


def times_of(told: Told, now: float) -> dict[str, Any]:
    happened, sent, skew = told
    return {"occurred_at": minute(now - happened + skew), "sent_at": minute(now - sent + skew)}


def usual_variant(unit: str, version: int, salt: str) -> str:
    if unit.endswith("3"):
        return "off_holdout"
    if version == 3:
        return "off"
    if unit.endswith("7"):
        return "on_audience"
    return "on" if unit_bucket(salt, unit) < {1: 100_000, 2: 400_000}[version] else "off"


class Drawn:
    """Logs that Hypothesis draws."""

    visits = VISITS
    records = staticmethod(records_of)


@pytest.fixture(scope="session")
def drawn() -> Drawn:
    return Drawn()
