"""A deployment: one release going to one target, step by step; each step is journaled before and after (RULES H1)."""

from datetime import datetime
from enum import StrEnum

import msgspec

from ebbgate.core.releases.artifact import Digest
from ebbgate.core.releases.terms import DeployTerms


class DeploymentStatus(StrEnum):
    QUEUED = "queued"  # another one holds the target
    RUNNING = "running"
    DONE = "done"  # the new release answers (or nothing was to be asked: see `proof`)
    FAILED = "failed"  # the old release is back, and answers
    BROKEN = "broken"  # neither is known to answer: a person is needed


class DeployStep(StrEnum):
    """What is done next. All but the restarts are check-then-act; restarts are marked repeatable."""

    FETCH = "fetch"  # bytes read from the store and hashed
    PLACE = "place"  # unpacked beside the others, whole or not at all
    SWITCH = "switch"  # `current` points to it
    RESTART = "restart"
    CHECK = "check"  # healthy, and the digest that answers is the expected one
    SWITCH_BACK = "switch_back"
    RESTART_BACK = "restart_back"
    CHECK_BACK = "check_back"
    END = "end"


REPEATABLE = frozenset({DeployStep.RESTART, DeployStep.RESTART_BACK})
"""Steps with an outside effect that cannot be looked up: after a kill they may be done twice."""

BACKWARD = frozenset({DeployStep.SWITCH_BACK, DeployStep.RESTART_BACK, DeployStep.CHECK_BACK})


class Proof(StrEnum):
    """What shows that the release that was meant is the one that answers."""

    SERVED_DIGEST = "served_digest"  # the app told the digest itself
    FRESH_PROCESS = "fresh_process"  # who answers was started by this deployment, from this release's folder
    NONE = "none"  # nothing was asked, as the plan names no address to ask


class DeployEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. Machine time."""

    at: datetime
    step: DeployStep
    text: str


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One release going to one target.

    key: idempotency key of who asked; the same key is the same deployment. number: 1, 2, ... over all. previous: id of
    the release that was current before, None where there was none. points_to: id of the release that the target itself
    called current after the last step that was noted, None where it named none. is_rollback: asked for to take another
    one back. nonce: of this deployment, in the environment of what it starts (EBBGATE_DEPLOYMENT). Machine times.
    """

    id: str
    key: str
    app: str
    release: str
    version: str
    digest: Digest
    terms: DeployTerms
    actor: str
    reason: str
    nonce: str
    created_at: datetime
    number: int = 0
    revision: int = 1
    status: DeploymentStatus = DeploymentStatus.QUEUED
    step: DeployStep = DeployStep.FETCH
    is_rollback: bool = False
    override: bool = False  # even if the release is quarantined
    previous: str | None = None
    points_to: str | None = None
    proof: Proof | None = None
    error: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    events: tuple[DeployEvent, ...] = ()

    @property
    def is_over(self) -> bool:
        return self.status in (DeploymentStatus.DONE, DeploymentStatus.FAILED, DeploymentStatus.BROKEN)

    @property
    def target(self) -> str:
        """What one deployment at a time may have."""
        return self.terms.to.key
