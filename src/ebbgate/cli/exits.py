"""What the exit status of a command means. Stable: scripts and pipelines branch on it."""

from enum import IntEnum

from ebbgate.core.errors import (
    AuthenticationError,
    BadRequestError,
    EbbgateError,
    FlagDocumentError,
    PermissionDeniedError,
    PlanError,
)
from ebbgate.core.rollouts.state import RollbackOutcome, Status
from ebbgate.core.rollouts.view import RolloutView


class Exit(IntEnum):
    OK = 0  # done, or: the rollout succeeded
    ERROR = 1  # it failed, or: the rollout was aborted
    USAGE = 2  # the command, a plan or a document is wrong; nothing was done
    ROLLED_BACK = 3
    WAITING = 4  # paused, or in review: a person must choose
    TIMEOUT = 5
    INCONCLUSIVE = 6  # rolled back without proof of recovery, or not decided yet
    FORBIDDEN = 7  # no token, or one that may not do this
    INTERRUPTED = 130  # Ctrl-C, as shells have it


_USAGE = (PlanError, FlagDocumentError, BadRequestError)
_FORBIDDEN = (AuthenticationError, PermissionDeniedError)


def exit_of_error(error: EbbgateError) -> Exit:
    if isinstance(error, _USAGE):
        return Exit.USAGE
    return Exit.FORBIDDEN if isinstance(error, _FORBIDDEN) else Exit.ERROR


def exit_of_view(view: RolloutView) -> Exit:
    """How a rollout stands, as a status: what a pipeline that waits for it wants to know."""
    match view.status:
        case Status.SUCCEEDED:
            return Exit.OK
        case Status.ABORTED:
            return Exit.ERROR
        case Status.ROLLED_BACK:
            unverified = view.rollback is not None and view.rollback.outcome is RollbackOutcome.UNVERIFIED
            return Exit.INCONCLUSIVE if unverified else Exit.ROLLED_BACK
        case Status.PAUSED | Status.REVIEW:
            return Exit.WAITING
        case _:
            return Exit.INCONCLUSIVE
