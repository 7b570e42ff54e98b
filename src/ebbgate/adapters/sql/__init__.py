"""The control store over SQL: SQLite by default, PostgreSQL by URL."""

from ebbgate.adapters.sql.control_store import SqlControlStore

__all__ = ["SqlControlStore"]
