"""What a person, or the schedule, breaks during an act; and what the keys' line says of it."""

import threading
from collections.abc import Callable
from datetime import datetime

from rich.text import Text

from ebbgate.bootstrap.settings import Role
from ebbgate.core.rollouts.state import Status
from ebbgate.core.rollouts.view import RolloutView
from ebbgate.demo.drivers import Drivers
from ebbgate.demo.server import LocalServer
from ebbgate.demo.settings import BREAK_FLAG, BREAK_VERSION, KILL_CONTROL
from ebbgate.ports.clock import Clock

_KEYS = {
    BREAK_VERSION: ("break the version", "version is broken"),
    BREAK_FLAG: ("break the flag path", "flag path is broken"),
    KILL_CONTROL: ("kill control", "control killed"),
}
"""What each key would do, and what it has done."""


class Breaking:
    """One act's faults: all of them happen in the real system. Safe to use from the keys' thread.

    is_bad: whether the version was broken before anybody touched it. is_control_down: as seen by who reads.
    """

    def __init__(self, drivers: Drivers, server: LocalServer, clock: Clock, *, is_bad: bool) -> None:
        self._drivers = drivers
        self._server = server
        self._clock = clock
        self._lock = threading.Lock()
        self.broken_at: datetime | None = clock.machine_now() if is_bad else None
        self.is_flag_broken = False
        self.kills = 0
        self.is_control_down = False
        self._orders: dict[str, Callable[[], None]] = {
            BREAK_VERSION: self.break_version,
            BREAK_FLAG: self.break_flag,
            KILL_CONTROL: self.kill_control,
        }

    @property
    def is_bad(self) -> bool:
        return self.broken_at is not None

    def press(self, key: str) -> None:
        """What a key does; others do nothing."""
        if (order := self._orders.get(key.lower())) is not None:
            with self._lock:
                order()

    def break_version(self) -> None:
        """API errors of the new version rise from 1 % to 7 %."""
        if self.broken_at is None:
            self._drivers.tell(BREAK_VERSION)
            self.broken_at = self._clock.machine_now()

    def break_flag(self) -> None:
        """No SDK follows a flag-off any more."""
        if not self.is_flag_broken:
            self._drivers.tell(BREAK_FLAG)
            self.is_flag_broken = True

    def kill_control(self) -> None:
        """`kill -9` of the control process; its supervisor starts it again."""
        if not self.is_control_down:
            self._server.kill(Role.CONTROL)
            self.kills += 1
            self.is_control_down = True

    def footer(self) -> Text:
        """One line of at most 80 columns: what can be pressed, and what has been."""
        done = {BREAK_VERSION: self.is_bad, BREAK_FLAG: self.is_flag_broken, KILL_CONTROL: self.kills > 0}
        text = Text("Break it:", style="bold")
        for key, (would, has) in _KEYS.items():
            times = "" if key != KILL_CONTROL else ", down" if self.is_control_down else f" {self.kills}x"
            text.append(f"  {key} ", style="bold red" if done[key] else "bold cyan")
            text.append(has + times if done[key] else would, style="red" if done[key] else "")
        return text


class ScheduledKill:
    """Kills control once, when the first phase is left or the version is being taken back."""

    def __init__(self, breaking: Breaking) -> None:
        self._breaking = breaking

    def follow(self, view: RolloutView) -> None:
        is_due = view.phase != view.phases[0].name or view.status is Status.ROLLING_BACK
        if is_due and not self._breaking.kills:
            self._breaking.kill_control()
