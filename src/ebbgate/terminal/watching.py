"""Following a rollout: a live picture on a terminal, lines of news elsewhere."""

from collections.abc import Callable
from datetime import timedelta

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from ebbgate.core.rollouts.view import RolloutView
from ebbgate.ports.clock import Clock
from ebbgate.terminal.lines import plain_line
from ebbgate.terminal.view import render_view

EVERY = timedelta(milliseconds=500)
"""Machine time between two reads: fast enough to seem live, slow enough to be no load."""


def watch(
    read: Callable[[], RolloutView],
    *,
    console: Console,
    clock: Clock,
    until: Callable[[RolloutView], bool],
    every: timedelta = EVERY,
    footer: Callable[[], Text] | None = None,
) -> RolloutView:
    """Show the rollout until `until` says so, and return the last view. What `read` raises ends the watch.

    A console that is a terminal gets the picture, redrawn in place; any other gets one line for each change. footer:
    lines below the picture, while it is redrawn.
    """
    if console.is_terminal:
        return _live(read, console, clock, until, every, footer)
    return _lines(read, console, clock, until, every)


def _live(
    read: Callable[[], RolloutView],
    console: Console,
    clock: Clock,
    until: Callable[[RolloutView], bool],
    every: timedelta,
    footer: Callable[[], Text] | None,
) -> RolloutView:
    view = read()
    with Live(_picture(view, console, footer), console=console, auto_refresh=False) as live:
        while not until(view):
            clock.sleep(every)
            view = read()
            live.update(_picture(view, console, footer), refresh=True)
        live.update(render_view(view, width=console.width))  # the last one stays, whole, and may scroll
    return view


def _picture(view: RolloutView, console: Console, footer: Callable[[], Text] | None) -> RenderableType:
    """As much as the terminal has lines for: what does not fit cannot be redrawn in place."""
    below = [] if footer is None else [footer()]
    whole = Group(render_view(view, width=console.width), *below)
    if len(console.render_lines(whole, pad=False)) < console.height:
        return whole
    return Group(render_view(view, width=console.width, is_brief=True), *below)


def _lines(
    read: Callable[[], RolloutView],
    console: Console,
    clock: Clock,
    until: Callable[[RolloutView], bool],
    every: timedelta,
) -> RolloutView:
    previous: RolloutView | None = None
    while True:
        view = read()
        if (line := plain_line(view, previous)) is not None:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        if until(view):
            return view
        previous = view
        clock.sleep(every)
