"""One open transaction: runs statements, and says errors as the port does."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, CursorResult
from sqlalchemy.sql.base import Executable

from ebbgate.adapters.sql.errors import translated

RELOAD = "read it again and repeat the change"


class Session:
    """Statements over one connection. place: the URL without its password."""

    def __init__(self, connection: Connection, *, place: str) -> None:
        self._connection = connection
        self._place = place
        self._insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        self.is_open = True

    def run(self, statement: Executable) -> CursorResult[Any]:
        assert self.is_open, "the transaction is over"
        with translated(self._place):
            return self._connection.execute(statement)

    def first(self, statement: sa.Select[Any]) -> sa.Row[Any] | None:
        return self.run(statement).first()

    def rows(self, statement: sa.Select[Any]) -> list[sa.Row[Any]]:
        return list(self.run(statement).all())

    def insert_new(self, table: sa.Table, **values: Any) -> bool:
        """Insert a row; False where its key exists. Unlike an error, that leaves PostgreSQL's transaction usable."""
        statement = self._insert(table).values(values).on_conflict_do_nothing()
        return self.run(statement.execution_options(preserve_rowcount=True)).rowcount == 1

    def upsert(self, table: sa.Table, **values: Any) -> None:
        """Insert a row, or replace the one with the same primary key."""
        keys = [column.name for column in table.primary_key]
        statement = self._insert(table).values(values)
        rest = {name: statement.excluded[name] for name in values if name not in keys}
        self.run(statement.on_conflict_do_update(index_elements=keys, set_=rest))
