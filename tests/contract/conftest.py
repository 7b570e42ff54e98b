"""Stores that a contract suite runs over."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from ebbgate.adapters.events.duckdb_store import DuckDbEventStore
from ebbgate.adapters.sql import SqlControlStore
from ebbgate.ports.control_store import ControlStore
from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import EventScript
from ebbgate.testing.memory_control import MemoryControlStore
from ebbgate.testing.memory_events import MemoryEventStore

POSTGRES_URL = os.environ.get("EBBGATE_TEST_POSTGRES_URL")
CONTROL_STORES = ["memory", "sqlite", *([pytest.param("postgres", marks=pytest.mark.external)] if POSTGRES_URL else [])]


@pytest.fixture(params=CONTROL_STORES)
def control_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ControlStore]:
    """An empty control store. PostgreSQL is among them where EBBGATE_TEST_POSTGRES_URL names one."""
    if request.param == "memory":
        yield MemoryControlStore()
    elif request.param == "sqlite":
        yield from a_migrated_store(f"sqlite:///{tmp_path / 'control.db'}")
    else:
        assert POSTGRES_URL is not None
        yield from a_postgres_store(POSTGRES_URL)


def a_migrated_store(url: str) -> Iterator[ControlStore]:
    store = SqlControlStore(url)
    store.migrate()
    yield store
    store.close()


def a_postgres_store(url: str) -> Iterator[ControlStore]:
    """In a schema of its own, which is dropped afterwards."""
    schema = f"ebbgate_{uuid.uuid4().hex}"
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    own = sa.make_url(url).update_query_dict({"options": f"-csearch_path={schema}"})
    yield from a_migrated_store(own.render_as_string(hide_password=False))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    engine.dispose()


Reopen = Callable[[], EventStore]


@pytest.fixture(params=["memory", "duckdb"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reopen]:
    """Gives the store; again, as after a restart. The memory store lives on."""
    stores: list[EventStore] = [MemoryEventStore()] if request.param == "memory" else []

    def open_again() -> EventStore:
        if request.param == "duckdb":
            if stores:
                stores.pop().close()
            stores.append(DuckDbEventStore(tmp_path / "analysis.duckdb"))
        return stores[-1]

    yield open_again
    for store in stores:
        store.close()


@pytest.fixture
def store(reopen: Reopen) -> EventStore:
    return reopen()


@pytest.fixture
def script() -> EventScript:
    return EventScript()
