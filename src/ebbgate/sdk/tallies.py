"""What this evaluator has done, per flag, cumulative (DESIGN section 5: silence is named from these counts)."""

from collections.abc import Callable
from itertools import count

from ebbgate.core.events.types import EvaluatorCounts

_NAME_MAX = 128  # characters; `Name` in core.events.types
_MISSING_MAX = 2_000  # attributes of all flags outside a rollout


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
    """The counts of one flag; see `EvaluatorCounts`. missing: by attribute, made when it is first missed."""

    __slots__ = ("_spare", "code_defaults", "evaluations", "keyless", "missing")

    def __init__(self, spare: Counter) -> None:
        """spare: gives the numbers of attributes counted so far, over all flags."""
        self.evaluations = Counter()
        self.keyless = Counter()
        self.code_defaults = Counter()
        self.missing: dict[str, Counter] = {}
        self._spare = spare

    def count_missing(self, attribute: str) -> None:
        """A context lacked what the rule reads. Beyond the bound for all flags together nothing new is counted."""
        counter = self.missing.get(attribute)
        if counter is None:
            if self._spare.add() >= _MISSING_MAX:
                return
            counter = self.missing.setdefault(attribute, Counter())
        counter.add()

    def missed(self) -> dict[str, int]:
        """Totals by attribute, without zeroes."""
        counters = sorted(self.missing.copy().items())  # copied at once: other threads add to it
        return {name: total for name, counter in counters if (total := counter.read())}


class Tallies:
    """Tallies by flag key; keys beyond `flags_max`, and those too long for a report, share one that is not reported."""

    def __init__(self, flags_max: int) -> None:
        self._flags_max = flags_max
        self._by_flag: dict[str, FlagTally] = {}
        self._spare = Counter()
        self._beyond = FlagTally(self._spare)

    def of(self, flag: str) -> FlagTally:
        """The flag's tally, made when first asked for."""
        if (tally := self._by_flag.get(flag)) is not None:
            return tally
        if len(self._by_flag) >= self._flags_max or not 0 < len(flag) <= _NAME_MAX:
            return self._beyond
        return self._by_flag.setdefault(flag, FlagTally(self._spare))  # atomic: two threads get the same one

    def counts(self) -> EvaluatorCounts:
        """Totals since the start; zeroes are left out, but for evaluations."""
        tallies = sorted(self._by_flag.copy().items())
        missing = {flag: found for flag, tally in tallies if (found := tally.missed())}
        return EvaluatorCounts(
            evaluations={flag: tally.evaluations.read() for flag, tally in tallies},
            keyless={flag: total for flag, tally in tallies if (total := tally.keyless.read())},
            code_defaults={flag: total for flag, tally in tallies if (total := tally.code_defaults.read())},
            missing_attributes=missing,
        )
