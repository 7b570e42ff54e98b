"""The contract of the control store (RULES I2), over memory, SQLite and, where there is one, PostgreSQL."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from ebbgate.core.clock import ClockMapping
from ebbgate.core.errors import ConflictError, NotFoundError
from ebbgate.core.metrics import MetricEvidence
from ebbgate.core.rollouts.decision import Code, Hold
from ebbgate.core.rollouts.plan import Mode, Phase, Plan
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.ports.control_store import (
    AuditRow,
    ControlStore,
    DecisionRow,
    Evidence,
    FlagRow,
    JournalRow,
    KillRow,
    OutboxRow,
    SnapshotRow,
    TokenRow,
)

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def a_rollout(id: str = "r1", *, revision: int = 1, status: Status = Status.DRAFT) -> RolloutState:
    phase = Phase(name="full", exposure=1.0, who=("everyone",), stay_min=timedelta(0))
    return RolloutState(
        id=id,
        lineage=id,
        attempt=1,
        release="v1.4.0",
        plan=Plan(app="router", flag="widgets", phases=(phase,)),
        mode=Mode.ACT,
        status=status,
        created_at=NOON,
        revision=revision,
    )


def a_decision(sequence: int) -> DecisionRow:
    return DecisionRow(
        rollout_id="r1",
        sequence=sequence,
        decision=Hold(code=Code.TOO_YOUNG, reason="young"),
        status_before=Status.RUNNING,
        status_after=Status.RUNNING,
        looked_at=NOON,
        machine_at=NOON,
        offset=7,
        summarised_from=None,
        summarised_to=NOON,
        inputs=b"{}",
    )


def a_flag(key: str = "widgets", *, revision: int = 1, environment: str = "production") -> FlagRow:
    definition = {"state": "ENABLED", "variants": {"on": True, "off": False}, "targeting": {"if": [1.5, None, "ü"]}}
    return FlagRow(
        environment=environment,
        key=key,
        definition=definition,
        revision=revision,
        updated_at=NOON,
        opt_in=("user-1", "user-2"),
    )


def a_snapshot(version: int, environment: str = "production") -> SnapshotRow:
    return SnapshotRow(version=version, environment=environment, body=b"{}\x00", cause="flag on", created_at=NOON)


def an_outbox_row(key: str) -> OutboxRow:
    return OutboxRow(at=NOON, topic="rollout", subject="r1", payload={"n": [1, "two"]}, key=key)


def a_token(id: str, *, revoked_at: datetime | None = None) -> TokenRow:
    return TokenRow(
        id=id, name="ci", kind="server", sha256=f"hash-{id}", environment=None, created_at=NOON, revoked_at=revoked_at
    )


class BreakOffError(Exception):
    """What goes wrong inside a block."""


def test_a_new_store_is_empty(control_store: ControlStore) -> None:
    control_store.ping()
    with control_store.transaction() as tx:
        assert tx.clock_mapping() is None
        assert tx.flag("production", "widgets") is None
        assert tx.environments() == []
        assert tx.latest_snapshot("production") is None
        assert tx.latest_version() == 0
        assert tx.rollout("r1") is None
        assert tx.evidence("r1") == Evidence()
        assert tx.last_decision("r1") is None
        assert tx.decision_count("r1") == 0
        assert tx.journal("k") is None
        assert tx.token_by_hash("h") is None
        assert [tx.flags("x"), tx.kills("x"), tx.rollouts(), tx.audit(), tx.outbox(), tx.tokens()] == [[]] * 6


def test_an_exception_inside_the_block_leaves_nothing(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_rollout(a_rollout())
        tx.put_flag(a_flag())
        tx.put_kill(a_kill())
        tx.add_outbox(an_outbox_row("first"))
    before = everything(control_store)

    def write_everywhere() -> None:
        with control_store.transaction() as tx:
            tx.put_clock_mapping(ClockMapping(origin_at=NOON, plan_origin_at=NOON, scale=600.0))
            tx.put_flag(a_flag(revision=2))
            tx.delete_flag("production", "widgets")
            tx.put_flag(a_flag("other", environment="staging"))
            tx.delete_kill("production", "widgets")
            tx.add_snapshot(a_snapshot(1))
            tx.put_rollout(a_rollout(revision=2, status=Status.RUNNING))
            tx.put_rollout(a_rollout("r2"))
            tx.put_evidence("r1", Evidence(metrics={"errors": MetricEvidence(metric="errors")}))
            tx.add_decision(a_decision(1))
            tx.add_audit(AuditRow(at=NOON, actor="a", action="b", subject="c", reason="d"))
            tx.add_outbox(an_outbox_row("second"))
            tx.mark_delivered(1, NOON)
            tx.put_journal(JournalRow(key="k", action="a", started_at=NOON))
            tx.put_token(a_token("t"))
            raise BreakOffError

    with pytest.raises(BreakOffError):
        write_everywhere()

    assert everything(control_store) == before
    write_again_after_the_rollback(control_store)


def write_again_after_the_rollback(control_store: ControlStore) -> None:
    """Nothing of what was rolled back stands in the way."""
    with control_store.transaction() as tx:
        tx.add_snapshot(a_snapshot(1))
        tx.add_decision(a_decision(1))
        tx.add_outbox(an_outbox_row("second"))
        tx.put_flag(a_flag(revision=2))


def everything(control_store: ControlStore) -> list[object]:
    with control_store.transaction() as tx:
        return [
            tx.clock_mapping(),
            tx.environments(),
            tx.flags("production"),
            tx.flags("staging"),
            tx.kills("production"),
            tx.snapshots("production"),
            tx.latest_version(),
            tx.rollouts(),
            tx.evidence("r1"),
            tx.decisions("r1"),
            tx.decision_count("r1"),
            tx.last_decision("r1"),
            tx.audit(),
            tx.outbox(),
            tx.journal("k"),
            tx.tokens(),
        ]


def test_a_base_exception_rolls_back_too(control_store: ControlStore) -> None:
    with pytest.raises(KeyboardInterrupt), control_store.transaction() as tx:  # noqa: PT012  (the block is the point)
        tx.put_flag(a_flag())
        raise KeyboardInterrupt

    with control_store.transaction() as tx:
        assert tx.flags("production") == []


def test_a_transaction_is_of_no_use_after_its_block(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_flag(a_flag())

    with pytest.raises(AssertionError, match="over"):
        tx.flags("production")


def test_a_transaction_sees_its_own_writes(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_flag(a_flag())
        tx.put_flag(a_flag(revision=2))
        found = tx.flag("production", "widgets")
        assert found is not None
        assert found.revision == 2


def test_the_clock_mapping_comes_back_exactly(control_store: ControlStore) -> None:
    first = ClockMapping(origin_at=NOON, plan_origin_at=NOON + timedelta(days=1, microseconds=1), scale=1.0)
    second = msgspec.structs.replace(first, scale=599.9999999999)
    with control_store.transaction() as tx:
        tx.put_clock_mapping(first)
        tx.put_clock_mapping(second)

    with control_store.transaction() as tx:
        assert tx.clock_mapping() == second


def test_times_of_another_zone_come_back_as_the_same_moment_in_utc(control_store: ControlStore) -> None:
    local = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    with control_store.transaction() as tx:
        tx.put_token(a_token("t", revoked_at=NOON))
        tx.put_journal(JournalRow(key="k", action="off", started_at=local))

    with control_store.transaction() as tx:
        (token,), journal = tx.tokens(), tx.journal("k")
        assert journal is not None
        assert journal.started_at == NOON
        assert token.created_at.utcoffset() == token.revoked_at.utcoffset() == timedelta(0)  # type: ignore[union-attr]


def test_flags_come_back_in_order_of_key_and_by_environment(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        for row in (a_flag("b"), a_flag("a"), a_flag("a", environment="staging")):
            tx.put_flag(row)

    with control_store.transaction() as tx:
        assert tx.flags("production") == [a_flag("a"), a_flag("b")]
        assert tx.flag("staging", "a") == a_flag("a", environment="staging")
        assert tx.environments() == ["production", "staging"]
        tx.delete_flag("staging", "a")
        tx.delete_flag("staging", "never was")
        assert tx.environments() == ["production"]


def test_an_environment_that_has_a_snapshot_stays_known_without_flags(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_flag(a_flag())
        tx.add_snapshot(a_snapshot(1))
        tx.delete_flag("production", "widgets")
        assert tx.environments() == ["production"]


@pytest.mark.parametrize("revision", [1, 2, 4])
def test_a_flag_with_another_revision_than_the_next_is_a_conflict(control_store: ControlStore, revision: int) -> None:
    with control_store.transaction() as tx:
        tx.put_flag(a_flag())
        tx.put_flag(a_flag(revision=2))

    with control_store.transaction() as tx, pytest.raises(ConflictError, match="revision 2"):
        tx.put_flag(a_flag(revision=revision))


def test_a_flag_that_is_not_there_cannot_be_replaced(control_store: ControlStore) -> None:
    with control_store.transaction() as tx, pytest.raises(ConflictError):
        tx.put_flag(a_flag(revision=2))


def test_a_deleted_flag_begins_anew(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_flag(a_flag())
        tx.delete_flag("production", "widgets")
        tx.put_flag(a_flag())
        assert tx.flags("production") == [a_flag()]


def test_a_change_to_a_row_in_hand_does_not_reach_the_store(control_store: ControlStore) -> None:
    row = a_flag()
    with control_store.transaction() as tx:
        tx.put_flag(row)
        row.definition["state"] = "DISABLED"
        tx.flags("production")[0].definition.clear()

    with control_store.transaction() as tx:
        assert tx.flags("production") == [a_flag()]


def a_kill(flag: str = "widgets", variant: str = "off") -> KillRow:
    return KillRow(environment="production", flag=flag, variant=variant, actor="lead", reason="smoke", killed_at=NOON)


def test_a_kill_is_replaced_and_lifted(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        for row in (a_kill("b"), a_kill("a", "on"), a_kill("a")):
            tx.put_kill(row)

    with control_store.transaction() as tx:
        assert tx.kills("production") == [a_kill("a"), a_kill("b")]
        assert tx.kills("staging") == []
        tx.delete_kill("production", "a")
        tx.delete_kill("production", "a")
        assert tx.kills("production") == [a_kill("b")]


def test_snapshots_come_newest_first_and_versions_grow_over_all_environments(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        for row in (a_snapshot(1), a_snapshot(2, "staging"), a_snapshot(3)):
            tx.add_snapshot(row)

    with control_store.transaction() as tx:
        assert tx.snapshots("production") == [a_snapshot(3), a_snapshot(1)]
        assert tx.snapshots("production", limit=1) == [a_snapshot(3)]
        assert tx.latest_snapshot("staging") == a_snapshot(2, "staging")
        assert tx.latest_version() == 3
        for version in (1, 3):
            with pytest.raises(ConflictError):
                tx.add_snapshot(a_snapshot(version, "staging"))


def test_audit_rows_get_growing_ids_and_keep_values_as_json(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        for subject in ("flag:a", "flag:b", "flag:a"):
            tx.add_audit(
                AuditRow(
                    at=NOON, actor="me", action="set", subject=subject, reason="why", before=None, after=(1, {"x": 2})
                )
            )

    with control_store.transaction() as tx:
        first, second, third = tx.audit()
        assert first.id < second.id < third.id
        assert first == AuditRow(
            id=first.id, at=NOON, actor="me", action="set", subject="flag:a", reason="why", after=[1, {"x": 2}]
        )
        assert tx.audit(subject="flag:a", after=first.id) == [third]
        assert tx.audit(after=first.id, limit=1) == [second]


def test_an_outbox_key_is_taken_once_and_the_transaction_goes_on(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.add_outbox(an_outbox_row("one"))
        with pytest.raises(ConflictError, match="one"):
            tx.add_outbox(an_outbox_row("one"))
        tx.add_outbox(an_outbox_row("two"))

    with control_store.transaction() as tx:
        one, two = tx.outbox()
        assert (one.key, two.key) == ("one", "two")
        tx.mark_delivered(one.id, NOON + timedelta(seconds=1))

    with control_store.transaction() as tx:
        assert tx.outbox(undelivered_only=True) == [two]
        assert tx.outbox(limit=1) == [msgspec.structs.replace(one, delivered_at=NOON + timedelta(seconds=1))]
        with pytest.raises(NotFoundError):
            tx.mark_delivered(two.id + 1000, NOON)


def test_a_journal_entry_is_written_before_and_after(control_store: ControlStore) -> None:
    begun = JournalRow(key="r1/off", action="flag_off", started_at=NOON)
    done = msgspec.structs.replace(begun, done_at=NOON, result="version 4")
    with control_store.transaction() as tx:
        tx.put_journal(begun)
        assert tx.journal("r1/off") == begun
        tx.put_journal(done)

    with control_store.transaction() as tx:
        assert tx.journal("r1/off") == done


def test_a_token_is_found_by_hash_and_replaced_by_id(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_token(a_token("b"))
        tx.put_token(a_token("a"))
        tx.put_token(a_token("a", revoked_at=NOON))

    with control_store.transaction() as tx:
        assert tx.tokens() == [a_token("a", revoked_at=NOON), a_token("b")]
        assert tx.token_by_hash("hash-b") == a_token("b")
        with pytest.raises(ConflictError):
            tx.put_token(msgspec.structs.replace(a_token("c"), sha256="hash-b"))


def test_writers_in_two_threads_lose_nothing(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_flag(a_flag())

    def write() -> None:
        for _ in range(40):
            with control_store.transaction() as tx:
                found = tx.flag("production", "widgets")
                assert found is not None
                tx.put_flag(msgspec.structs.replace(found, revision=found.revision + 1))
                tx.add_audit(AuditRow(at=NOON, actor="a", action="b", subject="c", reason="d"))

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    with control_store.transaction() as tx:
        found = tx.flag("production", "widgets")
        assert found is not None
        assert found.revision == 81
        assert len(tx.audit()) == 80


def test_migrate_may_be_called_again(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_flag(a_flag())

    control_store.migrate()

    with control_store.transaction() as tx:
        assert tx.flags("production") == [a_flag()]
