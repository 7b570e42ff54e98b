"""Every control store keeps incidents, notes, post-mortems and action items in the same way."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from ebbgate.core.errors import ConflictError
from ebbgate.core.incidents import (
    ActionItem,
    ActionKind,
    ActionState,
    Facts,
    Incident,
    IncidentKind,
    IncidentStatus,
    Note,
    PostMortem,
    Severity,
)
from ebbgate.core.rollbacks.reports import Report
from ebbgate.ports.control_store import ControlStore

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def an_incident(number: int = 1, **more: Any) -> Incident:
    return Incident(
        id=f"INC-{number}",
        number=number,
        app="shop",
        kind=IncidentKind.HARM,
        severity=Severity.SEV2,
        title="taken back",
        trigger="errors rose",
        opened_by="ebbgate",
        opened_at=NOON,
        plan_opened_at=NOON,
        **more,
    )


def an_action(text: str = "add a test") -> ActionItem:
    return ActionItem(
        incident="INC-1",
        text=text,
        owner="web team",
        due_on=date(2026, 3, 9),
        kind=ActionKind.PREVENT,
        created_by="ops",
        created_at=NOON,
    )


def test_an_incident_is_found_by_id_and_by_its_rollout(control_store: ControlStore) -> None:
    incident = an_incident(rollout="w-1")
    with control_store.transaction() as tx:
        tx.put_incident(incident)
    with control_store.transaction() as tx:
        assert tx.incident("INC-1") == tx.incident_of_rollout("w-1") == incident
        assert tx.incident_count() == 1


def test_a_rollout_has_one_incident(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_incident(an_incident(1, rollout="w-1"))
        with pytest.raises(ConflictError):
            tx.put_incident(an_incident(2, rollout="w-1"))


def test_an_incident_that_was_changed_meanwhile_is_not_overwritten(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_incident(an_incident())
        tx.put_incident(msgspec.structs.replace(an_incident(), revision=2, title="graver"))
        with pytest.raises(ConflictError):
            tx.put_incident(msgspec.structs.replace(an_incident(), revision=2))


def test_open_incidents_are_listed_newest_first(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        for number in (1, 2, 3):
            tx.put_incident(an_incident(number))
        tx.put_incident(msgspec.structs.replace(an_incident(2), revision=2, status=IncidentStatus.CLOSED))
        assert [one.id for one in tx.incidents(open_only=True)] == ["INC-3", "INC-1"]
        assert [one.id for one in tx.incidents(app="shop", limit=2)] == ["INC-3", "INC-2"]


def test_notes_keep_their_order(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_incident(an_incident())
        for text in ("first", "second"):
            tx.add_note(Note(incident="INC-1", at=NOON, actor="ops", text=text))
    with control_store.transaction() as tx:
        assert [(row.text, row.at) for row in tx.notes("INC-1")] == [("first", NOON), ("second", NOON)]


def test_a_post_mortem_is_replaced_by_its_next_revision_only(control_store: ControlStore) -> None:
    facts = Facts(began_at=NOON, detected_at=NOON, decided_at=NOON, mitigated_at=None, recovered_at=None, exposed=3)
    document = PostMortem(incident="INC-1", created_at=NOON, facts=facts, sections=())
    with control_store.transaction() as tx:
        tx.put_incident(an_incident())
        tx.put_post_mortem(document)
        assert tx.post_mortem("INC-1") == document
        with pytest.raises(ConflictError):
            tx.put_post_mortem(document)


def test_action_items_are_numbered_and_found_by_state(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_incident(an_incident())
        first, second = tx.put_action_item(an_action()), tx.put_action_item(an_action("write it down"))
        tx.put_action_item(msgspec.structs.replace(first, state=ActionState.DONE, revision=2))
        assert [one.id for one in tx.action_items(incident="INC-1", state=ActionState.OPEN)] == [second.id]
        assert tx.action_item(first.id) == msgspec.structs.replace(first, state=ActionState.DONE, revision=2)


def test_reports_are_kept_in_order_and_found_by_their_rollout(control_store: ControlStore) -> None:
    def a_report(rollout: str, text: str) -> Report:
        fields = {"at": NOON, "app": "shop", "environment": "production", "kind": "ticket", "reporter": "support"}
        return Report(rollout=rollout, text=text, **fields)  # type: ignore[arg-type]

    with control_store.transaction() as tx:
        added = [tx.add_report(a_report(rollout, text)) for rollout, text in (("w-1", "a"), ("", "b"), ("w-1", "c"))]
    assert len({one.id for one in added}) == 3
    with control_store.transaction() as tx:
        assert tx.reports() == added
        assert tx.reports(rollout="w-1") == [added[0], added[2]]
        assert tx.reports(limit=2) == added[1:]
        assert tx.reports(rollout="") == [added[1]]
