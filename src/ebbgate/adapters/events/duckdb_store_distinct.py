"""Distinct units of a kind of exposure, counted as exposures come."""

import duckdb

Question = tuple[str, str, int, int | None, frozenset[str] | None]
"""environment, flag, versions (start inclusive, end exclusive), variants or None for any."""


class DistinctUnits:
    """A temporary table of units for each question that was asked; each answer reads only what is new."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._tables: dict[Question | None, tuple[str, int, int]] = {}  # name, exposures read, units

    def count(self, question: Question | None, total: int) -> int:
        """How many there are. question: None for all. total: exposures in the store."""
        if question not in self._tables:
            name = f"units_{len(self._tables)}"
            self._connection.execute(f"CREATE TEMP TABLE {name} (unit VARCHAR)")
            self._tables[question] = (name, 0, 0)
        name, read, units = self._tables[question]
        if read < total:
            where, arguments = _condition(question)
            row = self._connection.execute(
                f"""
                INSERT INTO {name} SELECT unit FROM
                  (SELECT DISTINCT unit FROM exposures WHERE seq >= $seq {where}) ANTI JOIN {name} USING (unit)
                """,
                {"seq": read, **arguments},
            ).fetchone()
            units += row[0] if row else 0
            self._tables[question] = (name, total, units)
        return units


def _condition(question: Question | None) -> tuple[str, dict[str, object]]:
    if question is None:
        return "", {}
    environment, flag, start, end, variants = question
    where = "AND environment = $environment AND flag = $flag AND version >= $start"
    arguments: dict[str, object] = {"environment": environment, "flag": flag, "start": start}
    if end is not None:
        where += " AND version < $end"
        arguments["end"] = end
    if variants is not None:
        where += " AND list_contains($variants, variant)"
        arguments["variants"] = sorted(variants)
    return where, arguments
