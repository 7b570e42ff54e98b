"""Which values an attribute of events has, found as events come."""

from functools import cache

import duckdb
import ibis
from ibis import _

from ebbgate.adapters.events.queries import EVENTS, of_events

_FROM, _UPTO = 7_000_000_000_000_000_005, 7_000_000_000_000_000_007


class AttributeValues:
    """Each question reads only what is new. A value that came once stays where it is in the order."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str], tuple[int, list[str]]] = {}  # events read, values

    def first(self, name: str, attribute: str, *, total: int, limit: int) -> list[str]:
        """The first `limit` values. total: events in the store."""
        read, values = self._known.get((name, attribute), (0, []))
        if read < total and len(values) < limit:
            query = _values_query(name, attribute).replace(str(_FROM), str(read)).replace(str(_UPTO), str(total))
            rows = self._connection.execute(query).fetchall()
            values = list(dict.fromkeys([*values, *(value for value, _ in rows)]))
            self._known[name, attribute] = (total, values)
        return values[:limit]


@cache
def _values_query(name: str, attribute: str) -> str:
    """value, first: of events in `[_FROM, _UPTO)`, in the order in which they came."""
    new = EVENTS.filter(_.name == name, _.seq >= ibis.literal(_FROM), _.seq < ibis.literal(_UPTO))
    values = new.filter(_.attributes.notnull()).mutate(text=_.attributes.cast("json")[attribute].str)
    found = values.filter(_.text.notnull()).group_by("text").agg(first=_.seq.min()).order_by("first")
    return of_events(str(ibis.to_sql(found, dialect="duckdb")))
