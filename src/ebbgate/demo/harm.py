"""Whom the harm reached, look by look: counted by the event store, read while the act runs."""

from collections.abc import Callable

from ebbgate.client import ControlClient
from ebbgate.demo.settings import MET


class HarmLog:
    """People who met the broken version since the act began, by the number of looks that there had been.

    count: how many there were ever.
    """

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._before = count()
        self._by_look: dict[int, int] = {}

    def note(self, looks: int) -> None:
        """Read the count as it is now. Raises what `count` raises."""
        self._by_look[looks] = self._count() - self._before

    @property
    def total(self) -> int:
        """At the last note."""
        return max(self._by_look.values(), default=0)

    def at(self, look: int) -> int:
        """At the first note that knew of that look."""
        known = [looks for looks in self._by_look if looks >= look]
        return self._by_look[min(known)] if known else self.total


def met(control: ControlClient) -> int:
    """People who ever met a broken version, as far as control has read."""
    return next((one.count for one in control.observations.arrivals().names if one.name == MET), 0)
