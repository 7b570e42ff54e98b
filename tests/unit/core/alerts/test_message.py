"""Which stored rows become words for people, and who gets them."""

from typing import Any

import pytest

from ebbgate.core.alerts import ChannelRule, Message, Severity, Topic, message_of, retry_after, wants


def a_change(action: str, **more: Any) -> dict[str, Any]:
    return {"action": action, "actor": "ebbgate", "reason": "errors rose", "phase": "early", **more}


def test_a_rollback_is_critical_and_says_why_where_and_by_whom() -> None:
    found = message_of(topic="rollout", subject="newWidgets-1", payload=a_change("rollout.rollback"))
    assert found is not None
    assert (found.topic, found.severity) == (Topic.ROLLBACK, Severity.CRITICAL)
    assert found.title == "newWidgets-1 is being taken back"
    assert found.words == "errors rose (phase early; by ebbgate)"


@pytest.mark.parametrize("outcome", ["unverified", "failed"])
def test_a_rollback_that_did_not_help_is_critical_again(outcome: str) -> None:
    found = message_of(topic="rollout", subject="newWidgets-1", payload=a_change(f"rollback.{outcome}"))
    assert found is not None
    assert found.severity is Severity.CRITICAL


def test_a_review_that_recommends_something_asks_for_approval() -> None:
    payload = a_change("rollout.review", reason="recommends to rollback: errors rose")
    found = message_of(topic="rollout", subject="newWidgets-1", payload=payload)
    assert found is not None
    assert found.topic is Topic.APPROVAL


def test_success_is_news_not_an_advance() -> None:
    found = message_of(topic="rollout", subject="w-1", payload=a_change("rollout.advance", status="succeeded"))
    assert found is not None
    assert found.title == "w-1 has succeeded"


def test_a_hold_is_told_only_where_somebody_should_hear_of_it_and_once_in_a_while() -> None:
    quiet = {"decision": "hold", "code": "too_young", "reason": "young"}
    loud = {"decision": "hold", "code": "environment", "reason": "both fail", "notify": True}
    assert message_of(topic="decision", subject="w-1", payload=quiet) is None
    found = message_of(topic="decision", subject="w-1", payload=loud)
    assert found is not None
    assert (found.topic, found.group) == (Topic.ENVIRONMENT, "w-1:environment")


def test_any_other_row_is_told_by_its_words() -> None:
    payload = {"words": "the last stable release cannot be deployed", "severity": "critical"}
    found = message_of(topic="page", subject="w-1", payload=payload)
    assert found is not None
    assert (found.words, found.severity) == (payload["words"], Severity.CRITICAL)


@pytest.mark.parametrize("payload", [{}, None, "text", {"words": 3}, {"words": "x"}])
def test_rows_for_programs_give_no_message(payload: Any) -> None:
    assert message_of(topic="snapshot", subject="x", payload=payload) is None


def a_message(topic: Topic, severity: Severity) -> Message:
    return Message(topic=topic, severity=severity, title="t", words="w")


def test_a_channel_gets_the_topics_and_severities_that_it_wants() -> None:
    rule = ChannelRule(name="a", url="json://x", topics=(Topic.ROLLBACK, Topic.PAGE), at_least=Severity.WARNING)
    assert wants(rule, a_message(Topic.ROLLBACK, Severity.CRITICAL))
    assert not wants(rule, a_message(Topic.ROLLBACK, Severity.INFO))
    assert not wants(rule, a_message(Topic.REVIEW, Severity.CRITICAL))
    assert wants(rule, a_message(Topic.PAGE, Severity.INFO)), "a page comes through whatever its severity"
    assert wants(rule, a_message(Topic.TEST, Severity.INFO))


def test_waiting_doubles_up_to_a_quarter_of_an_hour() -> None:
    waits = [retry_after(attempts).total_seconds() for attempts in (1, 2, 3, 8, 9, 1000)]
    assert waits == [5, 10, 20, 640, 900, 900]
