"""How an act should end, from how its version behaves, and how it did."""

from ebbgate.core.rollouts.state import RollbackOutcome, Status
from ebbgate.core.rollouts.view import RolloutView
from ebbgate.demo.settings import DemoSettings

ACT_ENDS = frozenset({Status.SUCCEEDED, Status.ROLLED_BACK, Status.ABORTED, Status.REVIEW, Status.PAUSED})
"""The demo has no person to answer a review: an act ends there, too."""


def expected_ends(settings: DemoSettings, act: int, *, is_bad: bool) -> tuple[str, ...]:
    """`succeeded`, or `rolled_back` with an outcome in parentheses; several where chance decides between them. is_bad:
    whether the version was broken, from the start or by a key.
    """
    if not is_bad:
        return (Status.SUCCEEDED.value,)
    if act == 2 and settings.ignore_pushes:
        return (_taken_back(RollbackOutcome.UNVERIFIED),)
    if act == 2 and settings.harm_persists:
        return (_taken_back(RollbackOutcome.FAILED), _taken_back(RollbackOutcome.UNVERIFIED))
    return (_taken_back(RollbackOutcome.RECOVERED),)


def actual_end(view: RolloutView) -> str:
    """The same words for what happened."""
    outcome = view.rollback.outcome if view.rollback is not None else None
    return _taken_back(outcome) if outcome is not None else view.status.value


def _taken_back(outcome: RollbackOutcome) -> str:
    return f"{Status.ROLLED_BACK.value} ({outcome.value})"
