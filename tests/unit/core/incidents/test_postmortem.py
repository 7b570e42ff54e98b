"""A post-mortem goes from draft over review to its end, and keeps apart who says what."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.core.errors import PermissionDeniedError, TransitionError
from ebbgate.core.incidents import (
    ActionItem,
    ActionKind,
    ActionState,
    Facts,
    Incident,
    IncidentKind,
    IncidentStatus,
    IncidentTrigger,
    PostMortem,
    PostMortemStatus,
    Severity,
    Source,
    is_overdue,
    move,
    severity_of,
)
from ebbgate.core.incidents.document import markdown
from ebbgate.core.incidents.draft import JUDGEMENTS, draft, span
from ebbgate.core.incidents.postmortem import close, review, submit, write

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def an_incident(**more: Any) -> Incident:
    given: dict[str, Any] = {
        "id": "INC-1",
        "number": 1,
        "app": "shop",
        "kind": IncidentKind.HARM,
        "severity": Severity.SEV2,
        "title": "v2 was taken back",
        "trigger": "errors rose",
        "opened_by": "ebbgate",
        "opened_at": NOON,
        "plan_opened_at": NOON,
    }
    return Incident(**{**given, **more})


def a_draft(**more: Any) -> PostMortem:
    given: dict[str, Any] = {
        "began_at": NOON - timedelta(minutes=30),
        "detected_at": NOON,
        "decided_at": NOON + timedelta(seconds=1),
        "mitigated_at": NOON + timedelta(seconds=1, milliseconds=40),
        "recovered_at": NOON + timedelta(minutes=9),
        "exposed": 41,
    }
    return draft(an_incident(), Facts(**{**given, **more}), at=NOON)


def written(document: PostMortem) -> PostMortem:
    for key in JUDGEMENTS:
        document = write(document, key, "Nothing to say.", author="web team")
    return document


def test_the_draft_tells_the_times_between_the_steps() -> None:
    detection = next(section for section in a_draft().sections if section.key == "detection")
    told = " ".join(sentence.text for sentence in detection.sentences)
    assert "Time to detect: 30 min" in told
    assert "Time to decide: 1.0 s" in told
    assert "Time to mitigate: 1.0 s" in told
    assert "Time to recover: 9.0 min" in told


def test_the_harm_is_counted_from_the_first_phase_and_the_detection_from_its_own() -> None:
    """Users had the new version in the phases before the one that showed the harm, too."""
    document = a_draft(exposed_from=NOON - timedelta(minutes=90))
    impact, detection = (
        " ".join(sentence.text for section in document.sections if section.key == key for sentence in section.sentences)
        for key in ("impact", "detection")
    )
    assert (
        "could harm for 90 min (machine time): exposed since 2026-03-02 10:30:00 UTC, harm shown after 90 min" in impact
    )
    assert "Time to detect: 30 min, from the start of the phase (2026-03-02 11:30:00 UTC)" in detection
    assert "When that phase began, users had had the new version for 60 min, in the phases before it." in detection
    assert "in the phases before it" not in str(a_draft(exposed_from=NOON - timedelta(minutes=30)).sections)
    assert "could harm for 30 min" in str(a_draft().sections), "as it is in a draft of earlier versions"


def test_what_is_not_known_is_said_so_and_never_zero() -> None:
    document = a_draft(mitigated_at=None, recovered_at=None, exposed=None)
    told = " ".join(sentence.text for section in document.sections for sentence in section.sentences)
    assert "How many users saw the new version is not known." in told
    assert "Time to mitigate" not in told


def test_a_person_writes_judgements_and_cannot_change_what_the_machine_found() -> None:
    document = write(a_draft(), "lucky", "It was at noon.\n\nNobody shopped.", author="ops")
    lucky = next(section for section in document.sections if section.key == "lucky")
    assert [(s.text, s.source, s.author) for s in lucky.sentences] == [
        ("It was at noon.", Source.PERSON, "ops"),
        ("Nobody shopped.", Source.PERSON, "ops"),
    ]
    with pytest.raises(TransitionError) as raised:
        write(document, "detection", "It was quick.", author="ops")
    assert "contributing_factors" in raised.value.hint


def test_it_is_not_submitted_while_a_judgement_is_blank() -> None:
    with pytest.raises(TransitionError) as raised:
        submit(a_draft(), author="ops", at=NOON)
    assert raised.value.message.startswith("still blank: effect_on_people")


def test_an_author_does_not_review_and_who_submits_is_an_author() -> None:
    document = submit(written(a_draft()), author="ops", at=NOON)
    for author in ("web team", "ops"):
        with pytest.raises(PermissionDeniedError):
            review(document, reviewer=author, note="fine", at=NOON)
    reviewed = review(document, reviewer="platform", note="fine", at=NOON)
    assert (reviewed.status, reviewed.reviewer) == (PostMortemStatus.REVIEWED, "platform")
    assert close(reviewed, at=NOON).status is PostMortemStatus.CLOSED


def test_writing_in_review_takes_it_back_to_a_draft() -> None:
    document = write(submit(written(a_draft()), author="ops", at=NOON), "lucky", "After all.", author="ops")
    assert document.status is PostMortemStatus.DRAFT
    with pytest.raises(TransitionError):
        review(document, reviewer="platform", note="fine", at=NOON)


def test_a_reviewed_one_cannot_be_changed() -> None:
    document = review(submit(written(a_draft()), author="ops", at=NOON), reviewer="platform", note="", at=NOON)
    with pytest.raises(TransitionError):
        write(document, "lucky", "After all.", author="ops")


def test_words_of_people_cannot_become_markup() -> None:
    document = write(a_draft(), "lucky", "<script>alert(1)</script>", author="a|b\n# c")
    text = markdown(document, an_incident(title="x\n# heading"), [], [])
    assert "<script>" not in text
    assert "\n# heading" not in text
    assert "\n# c" not in text


def test_an_incident_closes_only_when_it_is_stable_and_can_be_opened_again() -> None:
    with pytest.raises(TransitionError):
        move(an_incident(), IncidentTrigger.CLOSE, at=NOON)
    stable = move(an_incident(), IncidentTrigger.STABILISE, at=NOON)
    closed = move(stable, IncidentTrigger.CLOSE, at=NOON + timedelta(hours=1))
    again = move(closed, IncidentTrigger.REOPEN, at=NOON + timedelta(hours=2))
    assert (stable.stable_at, closed.closed_at) == (NOON, NOON + timedelta(hours=1))
    assert (again.status, again.stable_at, again.closed_at) == (IncidentStatus.ACTIVE, None, None)


@pytest.mark.parametrize(
    ("kind", "is_exposed", "severity"),
    [
        (IncidentKind.OUTAGE, False, Severity.SEV1),
        (IncidentKind.DATA_CORRUPTION, True, Severity.SEV1),
        (IncidentKind.HARM, True, Severity.SEV2),
        (IncidentKind.HARM, False, Severity.SEV3),
    ],
)
def test_how_grave_it_is_at_first_sight(kind: IncidentKind, is_exposed: bool, severity: Severity) -> None:
    assert severity_of(kind, is_exposed=is_exposed) is severity


def test_an_action_is_overdue_after_its_day_and_only_while_it_is_open() -> None:
    item = ActionItem(
        incident="INC-1",
        text="alert earlier",
        owner="web team",
        due_on=date(2026, 3, 2),
        kind=ActionKind.PREVENT,
        created_by="ops",
        created_at=NOON,
    )
    assert not is_overdue(item, now=NOON)
    assert is_overdue(item, now=NOON + timedelta(days=1))
    done = msgspec.structs.replace(item, state=ActionState.DONE)
    assert not is_overdue(done, now=NOON + timedelta(days=1))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.042, "42 ms"), (3.14, "3.1 s"), (90, "90 s"), (180, "3.0 min"), (7300, "2.0 h"), (200_000, "2.3 d")],
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert span(timedelta(seconds=seconds)) == words
