"""How far the newest change of each environment has got, as this edge sees it (RULES H2). Control has the whole story:
it reads the same reports from the log, keeps them over restarts, and names the stragglers.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

import msgspec

from ebbgate.ports.clock import Clock

_FORGET_AFTER_S = 900.0  # a usual lease (RULES B7): what was silent for longer serves control by itself
_QUANTILES = (0.5, 0.99)


class ChangeTally(msgspec.Struct, frozen=True, kw_only=True):
    """The newest change of an environment.

    confirmed, stragglers: evaluators that say which version they serve. unproven: streams of those that cannot, and
    tokens by which somebody asks for answers, one each.
    lags: machine seconds from noticing the change to the confirmation, by quantile; empty before the first.
    """

    confirmed: int
    stragglers: int
    unproven: int
    lags: dict[float, float]


class _Known:
    """An evaluator that was connected once. silent_since: monotonic machine seconds, None while it is connected."""

    __slots__ = ("environment", "silent_since", "version")

    def __init__(self, environment: str) -> None:
        self.environment = environment
        self.version = -1
        self.silent_since: float | None = None


class _Change:
    __slots__ = ("lags", "noticed_at", "version")

    def __init__(self, version: int, noticed_at: float) -> None:
        self.version = version
        self.noticed_at = noticed_at
        self.lags: list[float] = []


class ProofBook:
    """Who has confirmed what. All is by this edge's own clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._changes: dict[str, _Change] = {}
        self._unproven: Counter[str] = Counter()
        self._asked_at: dict[tuple[str, str], float] = {}  # monotonic, by environment and who asks

    def change(self, environment: str, version: int, *, noticed_at: float) -> None:
        """A newer version is served from now on. One of no higher number begins a new count (a restored backup), of
        which nobody has said yet what he serves; intake refuses numbers that the new count has not reached.
        """
        before = self._changes.get(environment)
        if before is not None and version <= before.version:
            for known in self._known.values():
                if known.environment == environment:
                    known.version = -1
        self._changes[environment] = _Change(version, noticed_at)

    def connect(self, evaluator: str, environment: str) -> None:
        """An evaluator that confirms has opened its stream."""
        known = self._known.get(evaluator)
        if known is None or known.environment != environment:
            known = self._known[evaluator] = _Known(environment)
        known.silent_since = None

    def disconnect(self, evaluator: str) -> None:
        """Its stream has ended; it is waited for until its lease must have lapsed."""
        if (known := self._known.get(evaluator)) is not None:
            known.silent_since = self._clock.monotonic()

    def end(self, evaluator: str) -> None:
        """It was closed cleanly, and holds no lease: there is nothing to wait for."""
        self._known.pop(evaluator, None)

    def confirm(self, evaluator: str, version: int) -> None:
        """It says that it serves a version; its newest word counts, not its highest.

        One that never had a stream here is not known, and left to control.
        """
        known = self._known.get(evaluator)
        if known is None:
            return
        now = self._clock.monotonic()
        if known.silent_since is not None:
            known.silent_since = now  # it polls
        change = self._changes.get(known.environment)
        if change is not None and known.version < change.version <= version:
            change.lags.append(now - change.noticed_at)
        known.version = version

    @contextmanager
    def follow(self, environment: str) -> Iterator[None]:
        """Somebody follows changes who confirms nothing: a page, a flagd."""
        self._unproven[environment] += 1
        try:
            yield
        finally:
            self._unproven[environment] -= 1

    def ask(self, environment: str, name: str) -> None:
        """Somebody was answered here lately, who keeps the answers for as long as he likes."""
        self._asked_at[environment, name] = self._clock.monotonic()

    @property
    def known_count(self) -> int:
        """Evaluators and askers that are remembered."""
        return len(self._known) + len(self._asked_at)

    def forget_silent(self) -> None:
        """Drop whoever was silent for so long that no lease of his holds. To be called now and then."""
        forget_before = self._clock.monotonic() - _FORGET_AFTER_S
        for evaluator, known in list(self._known.items()):
            if known.silent_since is not None and known.silent_since < forget_before:
                del self._known[evaluator]
        self._asked_at = {key: at for key, at in self._asked_at.items() if at >= forget_before}

    def tallies(self) -> dict[str, ChangeTally]:
        """The newest change of each environment."""
        self.forget_silent()
        asking = Counter(environment for environment, _ in self._asked_at)
        tallies = {}
        for environment, change in self._changes.items():
            versions = [known.version for known in self._known.values() if known.environment == environment]
            confirmed = sum(version >= change.version for version in versions)
            lags = sorted(change.lags)
            tallies[environment] = ChangeTally(
                confirmed=confirmed,
                stragglers=len(versions) - confirmed,
                unproven=self._unproven[environment] + asking[environment],
                lags={share: lags[ceil(share * len(lags)) - 1] for share in _QUANTILES} if lags else {},
            )
        return tallies
