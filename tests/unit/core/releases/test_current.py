"""What a target points to and what is known to answer there, for every way in which deployments end (RULES H4)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ebbgate.core.releases import Deployment, DeploymentStatus, DeployStep
from ebbgate.core.releases.current import Standing, standing_of
from ebbgate.core.releases.deployment import DeployEvent
from ebbgate.testing.releases import TERMS, digest_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DONE, FAILED, BROKEN, RUNNING = (DeploymentStatus[name] for name in ("DONE", "FAILED", "BROKEN", "RUNNING"))
A, B, C = "dash@v1", "dash@v2", "dash@v3"


def one(release: str, status: DeploymentStatus, at: DeployStep = DeployStep.CHECK, **fields: Any) -> Deployment:
    """at: the step of its last line; of one that runs, the step that is next."""
    return Deployment(
        id=f"to-{release}",
        key="key",
        app="dash",
        release=release,
        version=release.partition("@")[2],
        digest=digest_of(b""),
        terms=TERMS,
        actor="ada",
        reason="-",
        nonce="-",
        created_at=NOON,
        started_at=NOON,
        status=status,
        step=at if status is RUNNING else DeployStep.END,
        events=(DeployEvent(at=NOON, step=at, text="-"),),
        **fields,
    )


FIRST = one(A, DONE, points_to=A)
LEFT = one(B, BROKEN, DeployStep.SWITCH_BACK, previous=A, points_to=B)


@pytest.mark.parametrize(
    ("newest", "points_to", "is_answering"),
    [
        ((one(B, DONE, points_to=B),), B, True),
        ((one(B, RUNNING, DeployStep.PLACE, previous=A, points_to=A),), A, True),
        ((one(B, RUNNING, DeployStep.RESTART, previous=A, points_to=B),), B, False),
        ((one(B, FAILED, DeployStep.FETCH, previous=A, points_to=A),), A, True),
        ((one(B, FAILED, DeployStep.CHECK_BACK, previous=A, points_to=A),), A, True),
        ((one(B, FAILED, DeployStep.CHECK, previous=A, points_to=B),), B, False),
        ((LEFT,), B, False),
        ((one(C, FAILED, DeployStep.PLACE, previous=B, points_to=B), LEFT), B, False),
        ((one(C, FAILED, DeployStep.CHECK_BACK, previous=B, points_to=B), LEFT), B, True),
        ((one(C, BROKEN, DeployStep.CHECK_BACK, previous=B, points_to=B), LEFT), B, False),
        ((one(B, FAILED, DeployStep.SWITCH_BACK),), None, False),
        ((one(C, FAILED, DeployStep.FETCH, points_to=B),), B, False),
    ],
    ids=[
        "done",
        "before the switch",
        "after the switch",
        "failed untouched",
        "brought back",
        "gave way",
        "broken",
        "untouched after broken",
        "the broken one answers now",
        "broken twice",
        "switched off",
        "switched by other hands",
    ],
)
def test_current_is_what_the_target_said_and_answers_only_if_nothing_was_done_since(
    newest: tuple[Deployment, ...], points_to: str | None, is_answering: bool
) -> None:
    found = standing_of([*newest, FIRST])
    assert (found.points_to, found.is_answering) == (points_to, is_answering)


def test_rows_of_before_it_was_written_down_tell_what_answered_at_their_end() -> None:
    old = one(B, FAILED, DeployStep.CHECK_BACK, previous=A)
    assert (standing_of([old]).points_to, standing_of([one(A, DONE)]).points_to) == (A, A)
    assert standing_of([one(B, BROKEN, previous=A)]).points_to is None


def test_where_no_deployment_touched_anything_others_put_there_what_runs() -> None:
    untouched = one(B, FAILED, DeployStep.FETCH)
    assert standing_of([]) == standing_of([untouched]) == Standing(is_untouched=True)
