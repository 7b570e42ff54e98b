"""What this evaluator has done, per flag, cumulative (DESIGN section 5: silence is named from these counts)."""

from collections.abc import Callable
from itertools import count

from ebbgate.core.events.types import EvaluatorCounts

_NAME_MAX = 128  # characters; `Name` in core.events.types


class Counter:
    """A count that many threads raise without a lock and without losing one: `add()` is one call into C.

    A reading takes a number, too; `_readings` makes up for that. Only one thread at a time may read.
    """

    __slots__ = ("_readings", "add")

    def __init__(self) -> None:
        self.add: Callable[[], int] = count().__next__
        self._readings = 0

    def read(self) -> int:
        total = self.add() - self._readings
        self._readings += 1
        return total


class FlagTally:
    """The counts of one flag; see `EvaluatorCounts`."""

    __slots__ = ("code_defaults", "evaluations", "keyless", "missing")

    def __init__(self) -> None:
        self.evaluations = Counter()
        self.keyless = Counter()
        self.code_defaults = Counter()
        self.missing: dict[str, Counter] = {}


class Tallies:
    """Tallies by flag key; keys beyond `flags_max`, and those too long for a report, share one that is not reported."""

    def __init__(self, flags_max: int) -> None:
        self._flags_max = flags_max
        self._by_flag: dict[str, FlagTally] = {}
        self._beyond = FlagTally()

    def of(self, flag: str) -> FlagTally:
        """The flag's tally, made when first asked for."""
        if (tally := self._by_flag.get(flag)) is not None:
            return tally
        if len(self._by_flag) >= self._flags_max or not 0 < len(flag) <= _NAME_MAX:
            return self._beyond
        return self._by_flag.setdefault(flag, FlagTally())  # atomic: two threads get the same one

    def counts(self) -> EvaluatorCounts:
        """Totals since the start; zeroes are left out, but for evaluations."""
        tallies = sorted(self._by_flag.copy().items())
        missing = {
            flag: found
            for flag, tally in tallies
            if (found := {name: total for name, counter in sorted(tally.missing.items()) if (total := counter.read())})
        }
        return EvaluatorCounts(
            evaluations={flag: tally.evaluations.read() for flag, tally in tallies},
            keyless={flag: total for flag, tally in tallies if (total := tally.keyless.read())},
            code_defaults={flag: total for flag, tally in tallies if (total := tally.code_defaults.read())},
            missing_attributes=missing,
        )
