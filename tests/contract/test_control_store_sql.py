"""What only a control store on a disk must stand: other processes, kill -9, damage, migrations (DESIGN section 10)."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from ebbgate.adapters.sql import SqlControlStore
from ebbgate.adapters.sql.schema import metadata, release_flags, releases, rollout_flags
from ebbgate.core.errors import ConflictError, MissingExtraError, StoreUnavailableError
from ebbgate.core.rollouts.plan import Mode, Phase, Plan
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.ports.control_store import AuditRow, FlagRow

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

OPEN = """
import sys
from datetime import UTC, datetime
import msgspec
from ebbgate.adapters.sql import SqlControlStore
from ebbgate.ports.control_store import AuditRow
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
store = SqlControlStore(sys.argv[1])
audit = AuditRow(at=NOON, actor="a", action="b", subject="c", reason="d")
"""

WRITE_MANY = """
for _ in range(50):
    with store.transaction() as tx:
        found = tx.flag("production", "widgets")
        tx.put_flag(msgspec.structs.replace(found, revision=found.revision + 1))
        tx.add_audit(audit)
"""

STOP_HALFWAY = """
with store.transaction() as tx:
    tx.add_audit(audit)
    found = tx.flag("production", "widgets")
    tx.put_flag(msgspec.structs.replace(found, revision=found.revision + 1))
    print("halfway", flush=True)
    sys.stdin.read()
"""

MIGRATE = """
print("ready", flush=True)
sys.stdin.readline()
store.migrate()
"""


def a_process(script: str, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OPEN + script, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def a_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'control.db'}"


def a_store(folder: Path, *, wait: timedelta = timedelta(seconds=5)) -> SqlControlStore:
    store = SqlControlStore(a_url(folder), wait=wait)
    store.migrate()
    flag = FlagRow(environment="production", key="widgets", definition={}, revision=1, updated_at=NOON)
    with store.transaction() as tx:
        tx.put_flag(flag)
    return store


def revision_of(store: SqlControlStore) -> int:
    with store.transaction() as tx:
        found = tx.flag("production", "widgets")
    assert found is not None
    return found.revision


def test_writers_in_two_processes_lose_nothing(tmp_path: Path) -> None:
    store = a_store(tmp_path)

    writers = [a_process(WRITE_MANY, a_url(tmp_path)) for _ in range(2)]
    ends = [writer.communicate(timeout=60) for writer in writers]

    assert [writer.returncode for writer in writers] == [0, 0], ends
    assert revision_of(store) == 101
    with store.transaction() as tx:
        assert len(tx.audit()) == 100
    store.close()


def test_a_process_killed_inside_a_transaction_leaves_nothing_and_no_lock(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    writer = a_process(STOP_HALFWAY, a_url(tmp_path))
    assert writer.stdout is not None
    assert writer.stdout.readline() == "halfway\n"

    writer.kill()
    writer.communicate(timeout=60)

    assert revision_of(store) == 1
    with store.transaction() as tx:
        assert tx.audit() == []
        tx.add_audit(AuditRow(at=NOON, actor="a", action="b", subject="c", reason="d"))
    store.close()


def test_a_writer_that_waits_too_long_is_told_so(tmp_path: Path) -> None:
    store = a_store(tmp_path, wait=timedelta(milliseconds=50))
    writer = a_process(STOP_HALFWAY, a_url(tmp_path))
    assert writer.stdout is not None
    assert writer.stdout.readline() == "halfway\n"

    with pytest.raises(StoreUnavailableError) as caught, store.transaction():
        pass
    store.ping()  # reading waits for no writer

    assert "another process holds the store" in caught.value.hint
    writer.communicate(timeout=60)
    assert revision_of(store) == 2
    store.close()


def test_processes_that_migrate_a_new_store_at_once_all_succeed(tmp_path: Path) -> None:
    processes = [a_process(MIGRATE, a_url(tmp_path)) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=60) for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0, 0], ends


def test_the_migrations_make_the_schema_that_the_queries_use(tmp_path: Path) -> None:
    a_store(tmp_path).close()

    engine = sa.create_engine(a_url(tmp_path))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"target_metadata": metadata, "compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()


def test_a_commit_is_on_disk_and_keys_are_enforced(tmp_path: Path) -> None:
    store = a_store(tmp_path)

    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    store.close()


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    engine = sa.create_engine(a_url(tmp_path))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()

    with pytest.raises(ConflictError, match="does not know") as caught:
        store.migrate()

    assert "newer ebbgate" in caught.value.hint
    store.close()


def test_a_release_may_carry_several_flags_and_a_flag_outlive_several_releases(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    with store.transaction() as tx:
        for id, release, flag in (("r1", "v1", "widgets"), ("r2", "v1", "charts"), ("r3", "v2", "widgets")):
            tx.put_rollout(a_rollout(id, release, flag))
        tx.put_rollout(msgspec.structs.replace(a_rollout("r1", "v1", "widgets"), revision=2, status=Status.RUNNING))

    with store._engine.connect() as connection:
        assert sorted(connection.execute(sa.select(releases.c.name)).scalars()) == ["v1", "v2"]
        assert sorted(tuple(row) for row in connection.execute(sa.select(release_flags))) == [
            ("v1", "production", "charts"),
            ("v1", "production", "widgets"),
            ("v2", "production", "widgets"),
        ]
        assert sorted(tuple(row) for row in connection.execute(sa.select(rollout_flags))) == [
            ("r1", "production", "widgets"),
            ("r2", "production", "charts"),
            ("r3", "production", "widgets"),
        ]
    store.close()


def a_rollout(id: str, release: str, flag: str) -> RolloutState:
    phase = Phase(name="full", exposure=1.0, who=("everyone",), stay_min=timedelta(0))
    return RolloutState(
        id=id,
        lineage=id,
        attempt=1,
        release=release,
        plan=Plan(app="router", flag=flag, phases=(phase,)),
        mode=Mode.ACT,
        status=Status.DRAFT,
        created_at=NOON,
        revision=1,
    )


def test_a_store_without_schema_says_so(tmp_path: Path) -> None:
    store = SqlControlStore(a_url(tmp_path))

    with pytest.raises(StoreUnavailableError) as caught:
        store.ping()
    with pytest.raises(StoreUnavailableError), store.transaction() as tx:
        tx.flags("production")

    assert "schema is missing" in caught.value.hint
    store.close()


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "control.db").write_bytes(b"not a database at all, but long enough to be read as one" * 100)
    store = SqlControlStore(a_url(tmp_path))

    with pytest.raises(StoreUnavailableError) as caught:
        store.migrate()

    assert "damaged" in caught.value.hint
    store.close()


def test_a_place_that_does_not_exist_is_named(tmp_path: Path) -> None:
    store = SqlControlStore(f"sqlite:///{tmp_path / 'missing' / 'control.db'}")

    with pytest.raises(StoreUnavailableError, match="missing"):
        store.migrate()
    store.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/name", "no url"])
def test_a_url_that_cannot_work_is_refused_with_a_hint(url: str) -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        SqlControlStore(url)

    assert "sqlite://" in caught.value.hint


@pytest.mark.external
def test_the_contract_suite_knows_a_postgresql_to_run_on() -> None:
    url = os.environ.get("EBBGATE_TEST_POSTGRES_URL")
    if url is None:
        pytest.skip("EBBGATE_TEST_POSTGRES_URL is not set: the contract of the control store ran without PostgreSQL")
    try:
        store = SqlControlStore(url)
    except MissingExtraError as error:
        pytest.fail(f"{error}: {error.hint}")
    store.close()
