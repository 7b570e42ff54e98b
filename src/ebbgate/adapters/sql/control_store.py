"""The control store over SQLAlchemy: SQLite in a file (default), or PostgreSQL."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from ebbgate.adapters.sql.errors import translated
from ebbgate.adapters.sql.migrate import upgrade
from ebbgate.adapters.sql.session import Session
from ebbgate.adapters.sql.transaction import SqlTransaction
from ebbgate.core.errors import MissingExtraError, StoreUnavailableError
from ebbgate.ports.control_store import ControlTransaction

_POSTGRES_LOCK = 0x656262676174  # "ebbgat": the advisory lock of the one writer
_WAL_ATTEMPTS = 100


class SqlControlStore:
    """A ControlStore by URL: `sqlite:////data/control.db`, `postgresql://user@host/name`.

    One writer at a time over all processes: SQLite by BEGIN IMMEDIATE, PostgreSQL by an advisory lock; so what a
    transaction read still holds when it writes, and ids grow in the order of commits. A commit is on disk when the
    block is left.
    wait: machine time to wait for another writer, then StoreUnavailableError. Safe for threads.
    """

    def __init__(self, url: str, *, wait: timedelta = timedelta(seconds=5)) -> None:
        parsed = _checked(url)
        self._place = parsed.render_as_string(hide_password=True)
        self._wait_s = wait.total_seconds()
        self._engine = _engine(parsed, wait_s=self._wait_s)
        self._is_sqlite = parsed.get_backend_name() == "sqlite"
        self._lock = threading.Lock()  # threads queue here, fairly; SQLite would let them poll
        self._owner: int | None = None

    @contextmanager
    def transaction(self) -> Iterator[ControlTransaction]:
        with self._connection() as connection:
            session = Session(connection, place=self._place)
            try:
                yield SqlTransaction(session)
            finally:
                session.is_open = False

    def migrate(self) -> None:
        """Bring the schema to this version, in one transaction: a second process waits, and finds nothing to do."""
        if self._is_sqlite:
            self._switch_to_wal()
        with self._connection() as connection, translated(self._place):
            upgrade(connection)

    def ping(self) -> None:
        """Raises StoreUnavailableError when the store does not answer, or has no schema. Waits for no writer."""
        with translated(self._place), self._engine.connect() as connection:
            connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar_one()

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        """The one writer's connection; commits on leaving the block without an error."""
        with self._turn(), translated_connect(self._engine, self._place) as connection:
            try:
                with translated(self._place):
                    self._begin(connection)
                yield connection
                with translated(self._place):
                    connection.commit()
            except BaseException:
                with suppress(SQLAlchemyError):  # the first error is the one to tell
                    connection.rollback()
                raise

    @contextmanager
    def _turn(self) -> Iterator[None]:
        me = threading.get_ident()
        assert self._owner != me, "a transaction inside a transaction"
        if not self._lock.acquire(timeout=self._wait_s):
            raise StoreUnavailableError(
                f"another thread held the control store for more than {self._wait_s:g} s", hint="try again"
            )
        self._owner = me
        try:
            yield
        finally:
            self._owner = None
            self._lock.release()

    def _begin(self, connection: Connection) -> None:
        if self._is_sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(self._wait_s * 1000)}")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_POSTGRES_LOCK})")

    def _switch_to_wal(self) -> None:
        """Readers and the writer do not wait for each other in this mode, which the file keeps.

        Two processes that switch a new file at once block each other, and SQLite refuses one instead of letting it
        wait. That one tries again: the other is done after one write.
        """
        for attempt in range(_WAL_ATTEMPTS):
            try:
                with translated(self._place), self._engine.connect() as connection:
                    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
                return
            except StoreUnavailableError as error:
                if "locked" not in error.message or attempt == _WAL_ATTEMPTS - 1:
                    raise


@contextmanager
def translated_connect(engine: Engine, place: str) -> Iterator[Connection]:
    with translated(place):
        connection = engine.connect()
    try:
        yield connection
    finally:
        with suppress(SQLAlchemyError):
            connection.close()


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
    except SQLAlchemyError as error:
        raise StoreUnavailableError(
            f"{url!r} is no store URL", hint="write sqlite:///path/control.db or postgresql://user@host/name"
        ) from error
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreUnavailableError("a control store in memory would forget", hint="name a file: sqlite:///control.db")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreUnavailableError(f"{parsed.drivername} is not supported", hint="use sqlite:// or postgresql://")
    return parsed


def _engine(url: URL, *, wait_s: float) -> Engine:
    if url.get_backend_name() != "sqlite":
        try:
            return sa.create_engine(url, pool_pre_ping=True)
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"{error.name} is not installed", hint="pip install 'ebbgate[server,postgres]'"
            ) from error
    engine = sa.create_engine(url, connect_args={"timeout": wait_s})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself; `_begin` does
        connection.execute("PRAGMA synchronous = FULL")  # a commit is on disk before it returns
        connection.execute("PRAGMA foreign_keys = ON")

    return engine
