"""Whom the harm reached, look by look: counted by the event store, read while the act runs."""

from ebbgate.client import ControlClient
from ebbgate.demo.settings import MET


class HarmLog:
    """People who met the broken version since the act began, by the number of looks that there had been."""

    def __init__(self, control: ControlClient) -> None:
        self._control = control
        self._before = self._count()
        self._by_look: dict[int, int] = {}

    def note(self, looks: int) -> None:
        """Read the count as it is now. Raises what the client raises."""
        self._by_look[looks] = self._count() - self._before

    @property
    def total(self) -> int:
        """At the last note."""
        return max(self._by_look.values(), default=0)

    def at(self, look: int) -> int:
        """At the first note that knew of that look."""
        known = [looks for looks in self._by_look if looks >= look]
        return self._by_look[min(known)] if known else self.total

    def _count(self) -> int:
        return next((one.count for one in self._control.observations.arrivals().names if one.name == MET), 0)
