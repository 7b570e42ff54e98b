"""The contract of flag versions and environments, over memory, SQLite and, where there is one, PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from ebbgate.core.errors import ConflictError
from ebbgate.ports.control_store import ControlStore, EnvironmentRow, FlagVersionRow

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def a_version(version: int, *, flag: str = "menu", environment: str = "production", **changes: Any) -> FlagVersionRow:
    row = FlagVersionRow(
        environment=environment,
        flag=flag,
        version=version,
        at=NOON,
        actor="ada",
        reason="why",
        action="flag.put",
        revision=version,
        snapshot_version=10 + version,
        definition={"state": "ENABLED", "variants": {"ü": 1.5}},
        killed_to="off",
        unit="u1",
        opt_in_count=3,
    )
    return msgspec.structs.replace(row, **changes)


def test_versions_come_back_exactly_and_newest_first(control_store: ControlStore) -> None:
    rows = [a_version(1), a_version(2, definition=None, killed_to=None, unit=None), a_version(3)]
    with control_store.transaction() as tx:
        assert tx.flag_versions("production", "menu") == []
        for row in (*rows, a_version(1, flag="other"), a_version(1, environment="staging")):
            tx.add_flag_version(row)

    with control_store.transaction() as tx:
        assert tx.flag_versions("production", "menu") == rows[::-1]
        assert tx.flag_versions("production", "menu", before=3, limit=1) == [rows[1]]
        assert [tx.flag_version("production", "menu", number) for number in (0, 1, 2, 4)] == [None, *rows[:2], None]
        assert tx.flag_version("production", "never was", 1) is None
        assert tx.newest_flag_versions("production") == {"menu": 3, "other": 1}


@pytest.mark.parametrize("version", [1, 3])
def test_a_version_follows_the_newest_one(control_store: ControlStore, version: int) -> None:
    with control_store.transaction() as tx:
        tx.add_flag_version(a_version(1))
    with control_store.transaction() as tx, pytest.raises(ConflictError, match="version 1"):
        tx.add_flag_version(a_version(version))


def test_a_change_that_is_taken_back_leaves_no_version(control_store: ControlStore) -> None:
    with pytest.raises(KeyError), control_store.transaction() as tx:  # noqa: PT012  (the block is the point)
        tx.add_flag_version(a_version(1))
        tx.put_environment(EnvironmentRow(name="staging", created_at=NOON))
        raise KeyError
    with control_store.transaction() as tx:
        assert tx.environments() == []
        assert tx.environment("staging") is None
        tx.add_flag_version(a_version(1))


def test_the_last_deletion_of_each_flag_is_known(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        for row in (a_version(1), a_version(2, definition=None), a_version(3), a_version(4, definition=None)):
            tx.add_flag_version(row)
        tx.add_flag_version(a_version(1, flag="kept"))
        tx.add_flag_version(a_version(1, environment="staging", definition=None))
    with control_store.transaction() as tx:
        assert tx.flag_deletions("production") == {"menu": 14}


def test_an_environment_is_known_from_its_creation_on(control_store: ControlStore) -> None:
    row = EnvironmentRow(name="staging", created_at=NOON)
    with control_store.transaction() as tx:
        assert tx.environment("staging") is None
        tx.put_environment(row)
    with control_store.transaction() as tx:
        assert tx.environments() == ["staging"]
        assert tx.environment("staging") == row
        tx.put_environment(msgspec.structs.replace(row, bucketing="v3"))
    with control_store.transaction() as tx:
        found = tx.environment("staging")
        assert found is not None
        assert found.bucketing == "v3"
