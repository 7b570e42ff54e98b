"""What one look reads, copied once for all its metrics: the units concerned, and what they did.

A look asks dozens of questions of the same few events. Each would find its units among all that ever entered, by their
keys' text; so they are found once, numbered in the order of their keys, and all questions join on the numbers. The
copies hold more than any single question needs and nothing that another look needs: the questions filter for
themselves, so that answers are the same with and without (RULES D4).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import duckdb

from ebbgate.adapters.events.duckdb_store_phases import DuckDbPhase
from ebbgate.adapters.events.queries import CONTROL, TREATMENT, microseconds
from ebbgate.core.metrics.arrivals import patience
from ebbgate.core.metrics.definition import Metric
from ebbgate.core.metrics.limits_delay import limit_delay

_UNIT = "bucket, arm, is_treated, happened_at, occurred_at, known_at, treated_at, control_at, audience_at, excluded_at"
_EVENT = (
    "v.seq, v.log_offset, u.unit, v.name, v.happened_at, v.occurred_at, v.known_at, v.id, v.value, v.is_invalid,"
    " v.trial_id, v.attributes"
)


class Gathered(NamedTuple):
    """Names of tables, with the columns that the queries expect of entrants and events."""

    entrants: str
    events: str


class _Copy(NamedTuple):
    """What a copy was made for. state: exposures and events in the store. names: of events, by how far back."""

    opened_at: int
    closed_at: int
    state: tuple[int, int]
    names: Mapping[int, frozenset[str]]

    def holds(
        self, opened_at: int, closed_at: int, state: tuple[int, int], names: Mapping[int, frozenset[str]]
    ) -> bool:
        is_inside = self.opened_at <= opened_at and closed_at <= self.closed_at and self.state == state
        return is_inside and all(found <= self.names.get(back, frozenset()) for back, found in names.items())


class Gatherer:
    """Temporary tables for each phase: of units that close in the span, one pair for each length of window; and of
    units that did something in it. Times in microseconds."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._copies: dict[str, _Copy] = {}
        self._asked: dict[str, dict[int, frozenset[str]]] = {}  # names of events that a copy was asked for before

    def closing(
        self, phase: DuckDbPhase, metric: Metric, opened_at: int, closed_at: int, state: tuple[int, int]
    ) -> Gathered:
        """The randomised units whose windows of this length, or the wait for late events after them, ended in the
        span."""
        length, waited = _lengths(metric)
        slot = f"closing_{phase.number}_{length}_{waited}"
        if slot not in self._asked:
            alike = [other for other in phase.watched if _lengths(other) == (length, waited)]
            self._asked[slot] = {length: frozenset(name for other in alike for name in _names(other))}
        names = self._ask(slot, length, _names(metric))
        tables = Gathered(f"{slot}_units", f"{slot}_events")
        if self._is_copied(slot, opened_at, closed_at, state, names):
            return tables
        since, wanted, arguments = opened_at - waited - length, sorted(names[length]), dict[str, str]()
        self._connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {tables.entrants} AS
            SELECT e.unit AS key, row_number() OVER (ORDER BY e.unit) AS unit, unit_hash, {_UNIT}
            FROM {phase.entrants} e
            WHERE happened_at > {since} AND happened_at <= {closed_at - length} AND arm IN ({TREATMENT}, {CONTROL})
            """
        )
        self._connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {tables.events} AS
            SELECT {_EVENT} FROM events v JOIN {tables.entrants} u ON v.unit = u.key
            WHERE v.name IN {_listed("name", wanted, arguments)} AND v.known_at > {since} AND v.known_at < {closed_at}
              AND v.known_at < u.happened_at + {length + waited}
            """,
            arguments,
        )
        self._copies[slot] = _Copy(opened_at, closed_at, state, dict(names))
        return tables

    def active(
        self,
        phase: DuckDbPhase,
        metric: Metric,
        opened_at: int,
        closed_at: int,
        state: tuple[int, int],
        *,
        of: str = "look",
    ) -> Gathered:
        """The units with an event of the metric that an observation of the span can be made of (`limit_delay`). of:
        which copies to use: spans far in the past must not put out those of the look."""
        return self.came(phase, _names(metric), microseconds(limit_delay(metric)), opened_at, closed_at, state, of=of)

    def came(
        self,
        phase: DuckDbPhase,
        names: Iterable[str],
        back: int,
        opened_at: int,
        closed_at: int,
        state: tuple[int, int],
        *,
        of: str = "look",
    ) -> Gathered:
        """The units with an event of these names that became known in `(opened_at - back, closed_at)`."""
        slot = f"active_{phase.number}_{of}"
        asked = self._ask(slot, back, names)
        tables = Gathered(f"{slot}_units", f"{slot}_events")
        if self._is_copied(slot, opened_at, closed_at, state, {back: asked[back]}):
            return tables
        arguments: dict[str, str] = {}
        wanted = " OR ".join(
            f"(known_at > {opened_at - back} AND name IN {_listed(f'name_{back}', sorted(found), arguments)})"
            for back, found in sorted(asked.items())
        )
        where = f"known_at > {opened_at - max(asked)} AND known_at < {closed_at} AND ({wanted})"
        self._connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {tables.entrants} AS
            SELECT c.key, row_number() OVER (ORDER BY c.key) AS unit, e.unit_hash, {_UNIT} FROM {phase.entrants} e
            JOIN (SELECT hash(unit) AS unit_hash, any_value(unit) AS key FROM events WHERE {where} GROUP BY 1) c
              USING (unit_hash)
            """,
            arguments,
        )
        self._connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {tables.events} AS
            SELECT {_EVENT} FROM (SELECT * FROM events WHERE {where}) v JOIN {tables.entrants} u ON v.unit = u.key
            """,
            arguments,
        )
        self._copies[slot] = _Copy(opened_at, closed_at, state, dict(asked))
        return tables

    def forget(self, number: int) -> None:
        """A phase was dropped, and its number may go to another."""
        for slot in [slot for slot in self._asked if slot.split("_")[1] == str(number)]:
            del self._asked[slot]
            self._copies.pop(slot, None)

    def _ask(self, slot: str, back: int, names: Iterable[str]) -> dict[int, frozenset[str]]:
        asked = self._asked.setdefault(slot, {})
        asked[back] = asked.get(back, frozenset()) | frozenset(names)
        return asked

    def _is_copied(
        self, slot: str, opened_at: int, closed_at: int, state: tuple[int, int], names: Mapping[int, frozenset[str]]
    ) -> bool:
        copy = self._copies.get(slot)
        return copy is not None and copy.holds(opened_at, closed_at, state, names)


def _listed(prefix: str, names: Sequence[str], arguments: dict[str, str]) -> str:
    """The names as a list of parameters, which the engine filters by before it reads the rest of a row."""
    arguments |= {f"{prefix}_{place}": name for place, name in enumerate(names)}
    return f"({', '.join(f'${prefix}_{place}' for place in range(len(names)))})"


def _lengths(metric: Metric) -> tuple[int, int]:
    """From a unit's first exposure to its close, and from there to the end of the wait for late events."""
    return microseconds(metric.window) + microseconds(metric.lateness), microseconds(patience(metric))


def _names(metric: Metric) -> tuple[str, ...]:
    return (metric.event,) if metric.trial is None else (metric.trial, metric.event)
