"""Following a rollout, with and without a terminal."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.rollouts.state import Status
from ebbgate.core.rollouts.view import RolloutView
from ebbgate.terminal import watch
from ebbgate.testing.clock import VirtualClock

View = Callable[..., RolloutView]


def is_over(view: RolloutView) -> bool:
    return view.status is Status.SUCCEEDED


@pytest.fixture
def history(a_view: View) -> list[RolloutView]:
    now = a_view().now
    return [
        a_view(),
        a_view(now=now + timedelta(minutes=1)),
        a_view(phase="broad", now=now + timedelta(minutes=2)),
        a_view(status=Status.SUCCEEDED, phase="full", sentence="Everybody has it.", now=now + timedelta(minutes=3)),
    ]


def reader(history: list[RolloutView]) -> Callable[[], RolloutView]:
    views: Iterator[RolloutView] = iter(history)
    return lambda: next(views)


def test_without_a_terminal_only_news_is_printed(history: list[RolloutView]) -> None:
    out = StringIO()
    last = watch(reader(history), console=Console(file=out, width=40), clock=VirtualClock(), until=is_over)
    lines = out.getvalue().splitlines()
    assert [line.split(":")[1].split("Z ")[1] for line in lines] == [
        "newWidgets-1 RUNNING early (2/4)",
        "newWidgets-1 RUNNING broad (3/4)",
        "newWidgets-1 SUCCEEDED full (4/4)",
    ]
    assert last is history[-1]


def test_on_a_terminal_the_last_picture_stays(history: list[RolloutView]) -> None:
    out = StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    watch(reader(history), console=console, clock=VirtualClock(), until=is_over)
    assert "Everybody has it." in out.getvalue().rpartition("RUNNING")[2]


def test_what_stands_below_the_picture_is_new_each_time_and_gone_at_the_end(history: list[RolloutView]) -> None:
    out = StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    told = iter(range(100))
    watch(
        reader(history), console=console, clock=VirtualClock(), until=is_over, footer=lambda: Text(f"key {next(told)}")
    )
    assert all(f"key {number}" in out.getvalue() for number in range(4))
    assert "Everybody has it." in out.getvalue().rpartition("key")[2], "the last picture stands alone"


def test_between_two_reads_the_machine_clock_passes(history: list[RolloutView]) -> None:
    clock = VirtualClock()
    began = clock.machine_now()
    watch(reader(history), console=Console(file=StringIO()), clock=clock, until=is_over, every=timedelta(seconds=2))
    assert clock.machine_now() - began == timedelta(seconds=6)


def test_what_reading_raises_ends_the_watch_and_frees_the_terminal() -> None:
    def fail() -> RolloutView:
        raise StoreUnavailableError("control does not answer", hint="start it")

    out = StringIO()
    with pytest.raises(StoreUnavailableError):
        watch(fail, console=Console(file=out, force_terminal=True), clock=VirtualClock(), until=is_over)
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h")


@pytest.mark.parametrize(("height", "is_whole"), [(18, True), (14, False)])
def test_a_low_terminal_gets_the_goals_in_one_line_until_the_end(
    history: list[RolloutView], height: int, is_whole: bool
) -> None:
    out = StringIO()
    console = Console(file=out, width=100, height=height, force_terminal=True, color_system=None)
    watch(reader(history), console=console, clock=VirtualClock(), until=is_over)
    first, _, rest = out.getvalue().partition("Stop: ")
    assert ("goals: clicks ? unknown" not in first) is is_whole
    assert "target" in rest.rpartition("SUCCEEDED")[2], "the last picture is whole"
