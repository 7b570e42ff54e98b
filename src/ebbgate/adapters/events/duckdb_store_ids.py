"""Which ids came within the horizon (RULES C4): hashes in memory, certainty from the store.

Measured, CPU time against 5 million known ids, batch of 1,000 / 20,000: these hashes 3 / 13 ms, an anti-join over the
horizon 63 / 92 ms, a primary key 80 / 172 ms. The key would also have to hold all of history, and could not forget.
"""

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

DAY = 24 * 3600 * 1_000_000

Hashes = NDArray[np.int64]


class RecentIds:
    """Sorted runs of 64-bit hashes, some for each plan day. A hash that is here may be a repetition; one that is not
    here certainly is none. Hashes are the engine's own, and are computed again from the store at each start: there it
    hashes ten million ids in the time in which Python would take them out of the store one by one."""

    def __init__(self) -> None:
        self._runs: dict[int, list[Hashes]] = {}

    def suspects(self, hashes: Hashes) -> list[int]:
        """Places of ids that may have come before, in the batch or earlier; ascending."""
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        found = np.zeros(len(hashes), dtype=np.bool_)
        same = ordered[1:] == ordered[:-1]
        found[1:] |= same
        found[:-1] |= same
        for runs in self._runs.values():
            for run in runs:
                places = np.searchsorted(run, ordered)
                places[places == len(run)] = 0
                found |= run[places] == ordered
        return sorted(order[found].tolist())

    def add(self, hashes: Hashes, known_at: int) -> None:
        """Remember ids that were stored, and forget days that are wholly outside the horizon."""
        if not len(hashes):
            return
        runs = self._runs.setdefault(known_at // DAY, [])
        runs.append(np.sort(hashes))
        while len(runs) > 1 and len(runs[-2]) < 2 * len(runs[-1]):  # so that few runs are left, each copied rarely
            runs[-2:] = [np.sort(np.concatenate(runs[-2:]), kind="stable")]

    def forget(self, before: int) -> None:
        """Drop the days that ended at or before that time."""
        for day in [day for day in self._runs if (day + 1) * DAY <= before]:
            del self._runs[day]


def hashes_of(connection: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> Hashes:
    """The hashes of some ids, in their order."""
    connection.register("hashing", pa.table({"id": pa.array(ids, pa.string())}))
    try:
        found = connection.execute("SELECT hash(id) AS hash FROM hashing").fetchnumpy()["hash"]
    finally:
        connection.unregister("hashing")
    return _signed(found)


def load_recent(connection: duckdb.DuckDBPyConnection, table: str, since: int, until: int) -> RecentIds:
    """The ids of a table that became known in `(since, until]`, day by day, after a start."""
    recent = RecentIds()
    for day in range(since // DAY, until // DAY + 1):
        found = connection.execute(
            f"SELECT hash(id) AS hash FROM {table} WHERE known_at > ? AND known_at >= ? AND known_at < ?",
            [since, day * DAY, (day + 1) * DAY],
        ).fetchnumpy()["hash"]
        recent.add(_signed(found), day * DAY)
    return recent


def _signed(found: NDArray[np.uint64]) -> Hashes:
    signed: Hashes = np.ascontiguousarray(found, dtype=np.uint64).view(np.int64)
    return signed
