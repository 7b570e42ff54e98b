"""Waiting for a rollout and following it, over a server that may be away for a moment."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.cli.exits import exit_of_view
from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.rollouts.state import FINAL
from ebbgate.core.rollouts.view import RolloutView
from ebbgate.ports.clock import Clock
from ebbgate.terminal import watch

if TYPE_CHECKING:
    from ebbgate.cli.output import Output
    from ebbgate.client import ControlClient

PATIENCE = timedelta(seconds=30)
"""Machine time for which a server may be unreachable: a restart of control takes a few seconds."""

POLL = timedelta(seconds=1)


def on_stderr(line: str) -> None:
    """For people who wait: standard output is for the result."""
    click.echo(line, err=True)


def patient(
    read: Callable[[], RolloutView],
    clock: Clock,
    *,
    patience: timedelta = PATIENCE,
    tell: Callable[[str], None] = on_stderr,
) -> Callable[[], RolloutView]:
    """The same read, tried again while the server cannot be reached; after `patience` its error stands. tell: once when
    the server is away, and once when it is back.

    The first read has no patience: a wrong URL should say so at once.
    """
    has_read = False

    def read_patiently() -> RolloutView:
        nonlocal has_read
        began_at, give_up_at = clock.machine_now(), clock.monotonic() + patience.total_seconds()
        is_away = False
        while True:
            try:
                view = read()
            except StoreUnavailableError:
                if not has_read or clock.monotonic() >= give_up_at:
                    raise
                if not is_away:
                    tell(f"server not reached since {began_at:%H:%M:%S} UTC, still trying")
                is_away = True
                clock.sleep(POLL)
            else:
                has_read = True
                if is_away:
                    tell(f"server reached again at {clock.machine_now():%H:%M:%S} UTC")
                return view

    return read_patiently


def wait_for(
    control: "ControlClient", ref: str, *, until: Callable[[RolloutView], bool], timeout: timedelta
) -> RolloutView:
    """The view for which `until` holds, or the last one when the time (machine time) is over."""
    clock = SystemClock()
    end_at = clock.monotonic() + timeout.total_seconds()
    view = control.rollouts.get(ref)
    ref = view.id  # not the flag, of which another rollout might begin meanwhile
    while not until(view) and (left := end_at - clock.monotonic()) > 0:
        clock.sleep(min(POLL, timedelta(seconds=left)))
        view = patient_once(lambda: control.rollouts.get(ref), view)
    return view


def patient_once(read: Callable[[], RolloutView], before: RolloutView) -> RolloutView:
    """What is read, or what was read before where the server cannot be reached."""
    try:
        return read()
    except StoreUnavailableError:
        return before


def follow(control: "ControlClient", out: "Output", ref: str) -> int:
    """Show a rollout until it is over; returns the exit status that tells how it ended."""
    return exit_of_view(follow_to_end(control, out, ref))


def follow_to_end(control: "ControlClient", out: "Output", ref: str) -> RolloutView:
    """Show a rollout until it is over; returns it as it was shown last."""
    clock = SystemClock()
    first = control.rollouts.get(ref)
    read = patient(lambda: control.rollouts.get(first.id), clock)

    def is_over(view: RolloutView) -> bool:
        return view.status in FINAL

    if out.as_json:
        view = first
        while not is_over(view):
            clock.sleep(POLL)
            view = read()
        out.give(view, lambda _: "")
    else:
        from ebbgate.cli.output import console

        view = watch(read, console=console(), clock=clock, until=is_over)
    return view
