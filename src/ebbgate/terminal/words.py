"""Short words for durations, counts and standings, and the style that goes with each.

No meaning is carried by colour alone: every style has its sign and its word. Only what is proven good is green, and
missing data never is.
"""

from datetime import timedelta

from ebbgate.core.metrics import GoalStanding, Verdict
from ebbgate.core.rollouts.state import RollbackOutcome, Status
from ebbgate.core.rollouts.view import Rung

GOOD, BUSY, WARN, BAD, FAINT, BOLD = "green", "blue", "yellow", "bold red", "dim", "bold"

RUNGS: dict[Rung, tuple[str, str]] = {
    Rung.DONE: ("✓", GOOD),
    Rung.CURRENT: ("●", BUSY),
    Rung.UPCOMING: ("○", FAINT),
    Rung.STOPPED: ("✗", BAD),
}

VERDICTS: dict[Verdict, tuple[str, str]] = {
    Verdict.SAFE: ("✓ safe", GOOD),
    Verdict.HARM: ("✗ HARM", BAD),
    Verdict.UNDECIDED: ("? undecided", WARN),
    Verdict.NOT_APPLICABLE: ("– n/a", FAINT),
}

GOALS: dict[GoalStanding, tuple[str, str]] = {
    GoalStanding.MET: ("✓ met", GOOD),
    GoalStanding.MISSED: ("✗ missed", WARN),
    GoalStanding.UNKNOWN: ("? unknown", FAINT),
}

STATUSES: dict[Status, str] = {
    Status.DRAFT: FAINT,
    Status.SCHEDULED: FAINT,
    Status.RUNNING: BUSY,
    Status.WATCHING: BUSY,
    Status.PAUSED: WARN,
    Status.REVIEW: WARN,
    Status.ROLLING_BACK: BAD,
    Status.SUCCEEDED: GOOD,
    Status.ROLLED_BACK: BAD,
    Status.ABORTED: WARN,
}


def status_words(status: Status, outcome: RollbackOutcome | None = None) -> tuple[str, str]:
    """`ROLLED BACK, recovered` and its style: only a proven recovery is green."""
    words = status.value.replace("_", " ").upper()
    if status is not Status.ROLLED_BACK or outcome is None:
        return words, STATUSES[status]
    style = GOOD if outcome is RollbackOutcome.RECOVERED else BAD
    return f"{words}, {outcome.value}", style


def age(span: timedelta) -> str:
    """A length of time in at most two units: `20s`, `18m`, `2d06h`. Less than nothing is nothing."""
    seconds = max(0, int(span.total_seconds()))
    days, hours, minutes = seconds // 86_400, seconds % 86_400 // 3600, seconds % 3600 // 60
    if days:
        return f"{days}d{hours:02}h" if hours and days < 100 else f"{days}d"
    if hours:
        return f"{hours}h{minutes:02}m" if minutes else f"{hours}h"
    return f"{minutes}m" if minutes else f"{seconds}s"


def count(n: int) -> str:
    """`8,412`, and from 100,000 on `412k`, `3.1M`."""
    if n < 100_000:
        return f"{n:,}"
    return f"{n / 1000:.0f}k" if n < 1_000_000 else f"{n / 1_000_000:.1f}M"


def first_of(sentences: tuple[str, ...], shown: int = 5) -> list[str]:
    """The first few, the last of them saying how many more there are."""
    head = list(sentences[:shown])
    if (more := len(sentences) - shown) > 0:
        head[-1] += f" (and {more} more: see `ebbgate arrivals`)"
    return head


def share(value: float) -> str:
    """`18.6%`."""
    return f"{value:.1%}"
