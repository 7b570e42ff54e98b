"""Faults of the memory control store; what it stores and gives back is in the contract suite."""

from datetime import UTC, datetime

import pytest

from ebbgate.core.errors import StoreUnavailableError
from ebbgate.ports.control_store import JournalRow
from ebbgate.testing.memory_control import FaultPoint, MemoryControlStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def write(store: MemoryControlStore, key: str = "k") -> None:
    with store.transaction() as tx:
        tx.put_journal(JournalRow(key=key, action="a", started_at=NOON))


def is_written(store: MemoryControlStore, key: str = "k") -> bool:
    with store.transaction() as tx:
        return tx.journal(key) is not None


@pytest.mark.parametrize("point", [FaultPoint.BEGIN, FaultPoint.COMMIT])
def test_a_fault_before_the_end_of_the_commit_leaves_nothing(point: FaultPoint) -> None:
    store = MemoryControlStore()
    store.fail_next(at=point)

    with pytest.raises(StoreUnavailableError):
        write(store)

    assert not is_written(store)


def test_a_fault_after_the_commit_leaves_everything_though_the_caller_sees_an_error() -> None:
    store = MemoryControlStore()
    store.fail_next(at=FaultPoint.COMMITTED)

    with pytest.raises(StoreUnavailableError):
        write(store)

    assert is_written(store)


def test_as_many_transactions_fail_as_were_told_to() -> None:
    store = MemoryControlStore()
    store.fail_next(2)

    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            write(store)
    write(store)

    assert is_written(store)


def test_a_fault_may_be_any_error_such_as_a_crash() -> None:
    store = MemoryControlStore()
    store.fail_next(at=FaultPoint.COMMIT, error=SystemExit(9))

    with pytest.raises(SystemExit):
        write(store)

    assert not is_written(store)


def test_a_ping_fails_only_when_told_to() -> None:
    store = MemoryControlStore()
    store.fail_next(at=FaultPoint.PING)

    write(store)
    with pytest.raises(StoreUnavailableError):
        store.ping()
    store.ping()


def test_a_transaction_inside_a_transaction_is_a_mistake_of_the_program() -> None:
    store = MemoryControlStore()

    with store.transaction(), pytest.raises(AssertionError, match="inside"):
        write(store)

    write(store)
