"""What every test run does: the longest files begin first, and what is left out is named at the end."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FIRST = (
    "e2e/killing/rollouts/test_kill_at_random.py",
    "e2e/killing/rollouts/test_kill_at_steps.py",
    "e2e/release/test_whole_way.py",
    "statistics",
    "e2e/release",
    "e2e/killing",
    "e2e/outage",
    "e2e/cli",
    "e2e",
    "simulation/test_harmless_releases.py",
    "simulation/test_harmful_releases.py",
)
"""Files and folders, the longest first, what waits beside what computes. A file goes to one process as a whole
(`--dist loadfile`), so that one of two minutes that began last would keep everybody waiting.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.path.relative_to(TESTS).as_posix()))


def _place(path: str) -> int:
    """The first of FIRST that it is or lies in; else the last place."""
    places = (place for place, name in enumerate(FIRST) if path == name or path.startswith(f"{name}/"))
    return next(places, len(FIRST))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Each test that was left out, by name and with its reason: what is not shown must not look as if it were."""
    left_out = terminalreporter.stats.get("skipped", [])
    if not left_out:
        return
    terminalreporter.section(f"{len(left_out)} left out")
    for report in left_out:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.line(f"{report.nodeid}: {reason.removeprefix('Skipped: ')}")
