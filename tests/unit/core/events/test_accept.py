"""Intake (RULES C1 to C4, D5): each bad entry is refused by name and place, and the others are kept."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.core.errors import BadRequestError, LimitError
from ebbgate.core.events import EvaluatorReport, Exposure, TrackedEvent
from ebbgate.core.events.accept import (
    Acceptance,
    IntakeLimits,
    Reception,
    ReportRules,
    accept,
    accept_body,
    accept_entries,
    corrected_at,
)
from ebbgate.core.events.frame import encode_record
from ebbgate.core.events.types import Record

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MACHINE_NOON = datetime(2026, 11, 23, 3, tzinfo=UTC)
AT = Reception()


def an_event(**changes: Any) -> dict[str, Any]:
    event = {
        "type": "event",
        "id": "e1",
        "unit": "u1",
        "name": "api_ms",
        "value": 12.5,
        "occurred_at": NOON.isoformat(),
        "sent_at": NOON.isoformat(),
    }
    return {key: value for key, value in {**event, **changes}.items() if value is not ...}


def an_exposure(**changes: Any) -> dict[str, Any]:
    exposure = {
        "type": "exposure",
        "id": "x1",
        "unit": "u1",
        "environment": "production",
        "flag_set": "default",
        "flag": "newWidgets",
        "variant": "off",
        "snapshot_version": 3,
        "occurred_at": NOON.isoformat(),
        "sent_at": NOON.isoformat(),
    }
    return {**exposure, **changes}


def a_report(**changes: Any) -> dict[str, Any]:
    report = {"evaluator": "ev1", "name": "web-1", "kind": "sdk", "state": "confirmed", "snapshot_version": 3}
    return {"type": "evaluator", **report, "reported_at": MACHINE_NOON.isoformat(), **changes}


def take(*entries: dict[str, Any], reception: Reception = AT) -> Acceptance:
    return accept_body(json.dumps(entries).encode(), reception)


def refusals(result: Acceptance) -> list[tuple[int, str]]:
    return [(rejection.index, rejection.code) for rejection in result.rejected]


def test_a_good_batch_is_taken_whole() -> None:
    result = take(an_exposure(), an_event(), a_report())
    exposure, event, report = result.accepted
    assert refusals(result) == []
    assert isinstance(exposure, Exposure)
    assert isinstance(event, TrackedEvent)
    assert isinstance(report, EvaluatorReport)


def test_the_server_alone_says_when_it_received() -> None:
    early = (NOON - timedelta(days=1)).isoformat()
    result = take(an_event(received_at=early), a_report(received_at=early))
    assert [entry.received_at for entry in result.accepted] == [None, None]  # the record in the log has it


def test_malformed_entries_are_refused_one_by_one_and_the_rest_kept() -> None:
    bad: list[Any] = [
        an_event(id=...),
        an_event(id=""),
        an_event(value="fast"),
        an_event(attributes={"nested": {}}),
        an_event(occurred_at="2026-03-01T12:00:00"),
        an_event(occurred_at="yesterday"),
        an_event(schema_version=2),
        an_exposure(source="guess"),
        {"type": "heartbeat", "source": "edge-1", "received_at": NOON.isoformat()},
        {"type": "riddle"},
        7,
        None,
        a_report(kind="oracle"),
        an_event(unit="u\0"),
        an_event(unit="\ud800"),
    ]
    mixed = [
        entry for pair in zip(bad, [an_event(id=f"ok{n}") for n in range(len(bad))], strict=True) for entry in pair
    ]
    result = accept_body(json.dumps(mixed).encode(), AT)
    assert [rejection.index for rejection in result.rejected] == list(range(0, len(mixed), 2))
    assert [rejection.code for rejection in result.rejected] == ["missing_field"] + ["malformed"] * (len(bad) - 1)
    assert len(result.accepted) == len(bad)
    assert "`id`" in result.rejected[0].reason
    assert "$.value" in result.rejected[2].reason


def test_every_taken_entry_can_be_written_to_the_log() -> None:
    result = take(an_event(unit="\ud800"), an_event(unit="gr\u00fc\u00df", attributes={"a": "b", "c": 1, "d": True}))
    assert encode_record(Record(received_at=NOON, machine_at=NOON, entries=list(result.accepted)))
    assert refusals(result) == [(0, "malformed")]


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (an_event(id="x" * 257), "id"),
        (an_event(unit="x" * 257), "unit"),
        (an_event(name="x" * 129), "name"),
        (an_event(of="x" * 257), "of"),
        (an_event(attributes={"a": "x" * 257}), "attributes"),
        (an_event(attributes={"x" * 129: 1}), "attributes"),
        (an_event(attributes={f"a{n}": 1 for n in range(33)}), "attributes"),
        (an_exposure(flag="x" * 129), "flag"),
        (an_exposure(variant="x" * 129), "variant"),
        (a_report(counts={"evaluations": {f"f{n}": 1 for n in range(1_001)}}), "evaluations"),
    ],
)
def test_what_is_too_long_is_refused_with_its_field(entry: dict[str, Any], field: str) -> None:
    result = take(entry, an_event())
    assert refusals(result) == [(0, "too_long")]
    assert field in result.rejected[0].reason
    assert len(result.accepted) == 1


def test_the_sender_clock_is_corrected_by_the_time_of_receipt() -> None:
    wrong_by = timedelta(days=400)
    sent_at = NOON + wrong_by
    result = take(an_event(occurred_at=(sent_at - timedelta(minutes=3)).isoformat(), sent_at=sent_at.isoformat()))
    [event] = result.accepted
    assert isinstance(event, TrackedEvent)
    assert corrected_at(event, NOON) == NOON - timedelta(minutes=3)


def test_a_corrected_time_is_never_after_the_receipt() -> None:
    result = take(an_event(occurred_at=(NOON + timedelta(minutes=4)).isoformat()))
    [event] = result.accepted
    assert isinstance(event, TrackedEvent)
    assert corrected_at(event, NOON) == NOON


@pytest.mark.parametrize(
    ("age", "codes"),
    [
        (timedelta(minutes=-5), []),
        (timedelta(minutes=-5, microseconds=-1), ["in_the_future"]),
        (timedelta(days=7), []),
        (timedelta(days=7, microseconds=1), ["too_old"]),
    ],
)
@pytest.mark.parametrize("make", [an_event, an_exposure])
def test_times_outside_the_bounds_are_refused_by_name(make: Any, age: timedelta, codes: list[str]) -> None:
    sent_at = NOON - timedelta(hours=9)
    result = take(make(occurred_at=(sent_at - age).isoformat(), sent_at=sent_at.isoformat()))
    assert [rejection.code for rejection in result.rejected] == codes


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59.999999-12:00"])
def test_times_at_the_ends_of_the_calendar_never_reach_the_log(at: str) -> None:
    result = take(an_event(sent_at=at), an_event(occurred_at=at, sent_at=at), a_report(reported_at=at), an_event())
    assert refusals(result) == [(0, "malformed"), (1, "malformed"), (2, "malformed")]
    assert "sent_at" in result.rejected[0].reason
    assert refusals(take(an_event(occurred_at=at))) != []


def test_each_sent_at_in_a_batch_has_its_own_bounds() -> None:
    later = (NOON + timedelta(hours=1)).isoformat()
    result = take(an_event(), an_event(occurred_at=later, sent_at=later), an_event(occurred_at=later), an_event())
    assert refusals(result) == [(2, "in_the_future")]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_dropped_and_the_event_kept(value: float) -> None:
    """Python's own encoder writes NaN and Infinity; D5 counts them."""
    result = take(an_event(value=value), an_event(id="e2"))
    dropped, other = result.accepted
    assert isinstance(dropped, TrackedEvent)
    assert isinstance(other, TrackedEvent)
    assert (dropped.value, dropped.invalid) == (None, True)
    assert (other.value, other.invalid) == (12.5, False)


def test_a_number_too_large_for_a_float_is_dropped_alike() -> None:
    body = json.dumps([an_event(value=1)]).replace('"value": 1,', '"value": 1e999,').encode()
    [event] = accept_body(body, AT).accepted
    assert isinstance(event, TrackedEvent)
    assert (event.value, event.invalid) == (None, True)


def test_a_sender_may_say_itself_that_it_dropped_a_value() -> None:
    [event] = take(an_event(value=None, invalid=True)).accepted
    assert isinstance(event, TrackedEvent)
    assert event.invalid


def test_distinct_names_are_bounded_and_new_ones_are_told() -> None:
    reception = msgspec.structs.replace(AT, names={"api_ms"}, limits=IntakeLimits(names_max=2))
    result = take(
        an_event(name="click"), an_event(name="scroll"), an_event(), an_event(name="click"), reception=reception
    )
    assert refusals(result) == [(1, "too_many_names")]
    assert result.new_names == {"click"}


def test_a_refused_event_uses_up_no_name() -> None:
    old = (NOON - timedelta(days=8)).isoformat()
    assert take(an_event(name="click", occurred_at=old)).new_names == frozenset()


@pytest.mark.parametrize("body", [b"", b"[", b'{"type": "event"}', b"7", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_list_is_refused_whole(body: bytes) -> None:
    with pytest.raises(BadRequestError) as refusal:
        accept_body(body, AT)
    assert "list" in refusal.value.hint


def test_a_batch_with_too_many_entries_is_refused_whole() -> None:
    reception = msgspec.structs.replace(AT, limits=IntakeLimits(entries_max=2))
    with pytest.raises(LimitError, match="3 entries"):
        take(an_event(), an_event(), an_event(), reception=reception)
    with pytest.raises(LimitError):
        accept([msgspec.Raw(b"{}")] * 3, reception)
    with pytest.raises(LimitError):
        accept_body(json.dumps([{}] * 3).encode(), reception)


def test_unknown_fields_of_a_newer_client_are_ignored() -> None:
    assert refusals(take(an_event(mood="fine"), an_exposure(reason="SPLIT"))) == []


def test_an_empty_batch_is_taken() -> None:
    assert take() == Acceptance(accepted=[], rejected=[], new_names=frozenset())


def test_entries_that_were_built_are_taken_like_decoded_ones() -> None:
    event = TrackedEvent(id="e", unit="u", name="n", value=float("nan"), occurred_at=NOON, sent_at=NOON)
    [taken] = accept_entries([event], AT).accepted
    assert isinstance(taken, TrackedEvent)
    assert taken.invalid


@pytest.mark.parametrize(
    ("rules", "changes", "code"),
    [
        (ReportRules(may_report=False), {}, "not_permitted"),
        (ReportRules(environment="staging"), {"environment": "production"}, "wrong_environment"),
        (ReportRules(newest={"production": 2, "staging": 9}), {"environment": "production"}, "unknown_version"),
        (ReportRules(newest={"production": 2}), {}, "unknown_version"),
        (ReportRules(newest={"production": 3}), {"environment": "elsewhere"}, "unknown_version"),
        (ReportRules(newest={"production": 2}, environment="staging"), {}, "unknown_version"),
    ],
)
def test_nobody_confirms_what_was_never_served_to_him(rules: ReportRules, changes: Any, code: str) -> None:
    """RULES H2: a report is a part of the proof that a flag is off."""
    reception = Reception(reports=rules)
    result = take(a_report(**changes), an_event(), reception=reception)
    assert refusals(result) == [(0, code)]
    assert len(result.accepted) == 1


def test_a_report_without_an_environment_gets_that_of_its_token() -> None:
    rules = ReportRules(environment="staging", newest={"staging": 3})
    reception = Reception(reports=rules)
    (report,) = take(a_report(), reception=reception).accepted
    assert isinstance(report, EvaluatorReport)
    assert report.environment == "staging"
