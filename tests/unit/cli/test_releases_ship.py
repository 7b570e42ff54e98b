"""What stops a shipment before anything is built, and what does not."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from ebbgate.adapters.plans import read_plan
from ebbgate.cli.releases_ship_checks import Standing, look_before
from ebbgate.core.errors import (
    BadRequestError,
    ConflictError,
    NotFoundError,
    PlanError,
    QuarantineError,
    TransitionError,
)
from ebbgate.core.releases import Artifact, Documents, Release, ReleaseState, condemn
from ebbgate.core.releases.requests import ReleaseLine
from ebbgate.core.rollouts.state import Status
from ebbgate.core.rollouts.view import RolloutLine

DIGEST = "sha256:" + "0" * 64
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PLAN = read_plan(
    """
app: shop
flag: newCheckout
build: {run: npm run build, keep: dist}
deploy: {to: {directory: /srv/shop}}
phases: [{to: 50%, stay: 1d..2d}, {to: 100%, who: everyone, watch: 9d}]
guardrails: {errors: {rate: api_error / api_request, worse_by: 1pp}}
"""
)
RELEASE = Release(
    id="shop@v1.1.0",
    app="shop",
    version="v1.1.0",
    artifact=Artifact(digest=DIGEST, files=1, content_bytes=1, archive_bytes=1, gzip_bytes=1),
    documents=Documents(manifest=DIGEST),
    created_at=NOON,
)
READY = Standing(plan=PLAN, release=None, last_stable="shop@v1.0.0", rollout=None, others=(), killed_by=None)


def standing(**changes: object) -> Standing:
    return msgspec.structs.replace(READY, **changes)


def test_what_can_be_shipped_is_not_refused() -> None:
    READY.refuse(is_first=False)
    standing(release=RELEASE).refuse(is_first=False)
    standing(last_stable=None).refuse(is_first=True)


@pytest.mark.parametrize(
    ("now", "error", "hint"),
    [
        (standing(last_stable=None), TransitionError, "--first"),
        (standing(others=("newCheckout-1",)), ConflictError, "rollout status newCheckout-1"),
        (standing(killed_by="ada: on fire"), ConflictError, "flag restore newCheckout"),
        (standing(plan=msgspec.structs.replace(PLAN, build=None)), PlanError, "build:"),
        (standing(plan=msgspec.structs.replace(PLAN, deploy=None)), PlanError, "deploy:"),
        (
            standing(release=condemn(RELEASE, reason="errors", actor="ada", at=NOON)),
            QuarantineError,
            "release clear shop@v1.1.0",
        ),
    ],
)
def test_what_would_stop_it_later_stops_it_first(now: Standing, error: type[Exception], hint: str) -> None:
    with pytest.raises(error) as refused:
        now.refuse(is_first=False)
    assert hint in refused.value.hint  # type: ignore[attr-defined]


def test_a_release_that_is_built_needs_no_build_in_the_plan() -> None:
    standing(release=RELEASE, plan=msgspec.structs.replace(PLAN, build=None)).refuse(is_first=False)


def test_its_own_rollout_is_no_obstacle_when_it_is_asked_for_again() -> None:
    standing(release=RELEASE, rollout="newCheckout-2", last_stable=None).refuse(is_first=False)


def test_a_first_release_is_first() -> None:
    with pytest.raises(BadRequestError, match=r"shop@v1.0.0 is stable already"):
        READY.refuse(is_first=True)
    standing(last_stable=None, release=RELEASE).refuse(is_first=True)
    adopted = msgspec.structs.replace(RELEASE, state=ReleaseState.STABLE)
    standing(last_stable=None, release=adopted).refuse(is_first=True)


class FakeServer:
    """Answers what `look_before` asks: one release that is built, a stable one, one rollout of the first."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self.releases = self.rollouts = self
        self.flags = SimpleNamespace(get=self._no_flag)

    def list(self, *, app: str | None = None) -> list[Any]:
        return [_line("v1.1.0"), _line("v1.0.0")] if app is not None else [_rollout(self._status)]

    def get(self, reference: str) -> Any:
        return SimpleNamespace(release=RELEASE)

    def _no_flag(self, key: str, *, environment: str) -> Any:
        raise NotFoundError(f"no flag {key!r}", hint="none")


def _line(version: str) -> ReleaseLine:
    return ReleaseLine(
        id=f"shop@{version}",
        app="shop",
        version=version,
        state=ReleaseState.BUILT,
        created_at=NOON,
        commit="c0ffee",
        digest=DIGEST,
        content_bytes=1,
        is_pinned=False,
        is_current=False,
        is_answering=False,
        is_last_stable=version == "v1.0.0",
        are_bytes_there=True,
    )


def _rollout(status: Status) -> RolloutLine:
    return RolloutLine(
        id="newCheckout-1",
        app="shop",
        flag="newCheckout",
        release="v1.1.0",
        environment="production",
        status=status,
        phase="50%",
        created_at=NOON,
        ended_at=None,
        outcome=None,
    )


def test_a_release_that_is_being_taken_back_is_not_shipped_again() -> None:
    """A pipeline that is run again meanwhile must not deploy it, nor end well (RULES H4)."""
    # given a rollout that climbs, then goes down
    climbing, falling = FakeServer(Status.RUNNING), FakeServer(Status.ROLLING_BACK)
    # when its release is to be shipped again
    ask: dict[str, Any] = {"release": "v1.1.0", "version": None, "commit": None}
    goes_on = look_before(climbing, PLAN, **ask)  # type: ignore[arg-type]
    goes_down = look_before(falling, PLAN, **ask)  # type: ignore[arg-type]
    # then the first goes on, and the second is refused
    goes_on.refuse(is_first=False)
    assert goes_on.rollout == "newCheckout-1"
    with pytest.raises(ConflictError, match="newCheckout-1"):
        goes_down.refuse(is_first=False)
