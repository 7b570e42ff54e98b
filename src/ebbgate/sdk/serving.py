"""What is served: one snapshot, compiled, with local kills and lapsed leases laid over it. Swapped as one object."""

import threading
from collections.abc import Callable
from typing import Any
from zlib import compress, decompress

import msgspec

from ebbgate.core.flags.compiled import CompiledFlag
from ebbgate.core.flags.details import EvaluationDetails
from ebbgate.core.flags.evaluate import Evaluator
from ebbgate.core.flags.snapshot import LeaseTerms, Snapshot
from ebbgate.sdk.kills import Kills
from ebbgate.sdk.tallies import Counter, FlagTally, Tallies
from ebbgate.sdk.timing import Timing

_ATTRIBUTES_MAX = 100  # in one report and flag
_NAME_MAX = 128  # of an attribute that is reported


class SeenUnits:
    """Units whose exposure was recorded under this version; at most twice `units_max`, the longest unseen go first.

    Two generations stand for a list by recency. `recent` may be looked at without a lock: a unit in it is not new.
    """

    __slots__ = ("_lock", "_old", "_units_max", "recent")

    def __init__(self, units_max: int) -> None:
        self.recent: set[str] = set()
        self._old: set[str] = set()
        self._units_max = units_max
        self._lock = threading.Lock()

    def is_new(self, unit: str) -> bool:
        """Whether this is the unit's first look; it is remembered."""
        if unit in self.recent:
            return False
        with self._lock:
            if unit in self.recent:
                return False
            is_new = unit not in self._old
            if len(self.recent) >= self._units_max:
                self._old, self.recent = self.recent, set()
            self.recent.add(unit)
            return is_new


class Lease:
    """A flag under rollout (RULES B7). grace_s: how long after the last contact it is exposed while the stream is lost;
    live_grace_s: while it stands, when a keepalive may be late by the read timeout.
    """

    __slots__ = ("attributes", "grace_s", "is_killed", "live_grace_s", "seen", "terms")

    def __init__(
        self, terms: LeaseTerms, *, attributes: tuple[tuple[str, Counter], ...], is_killed: bool, timing: Timing
    ) -> None:
        self.terms = terms
        self.grace_s = terms.server_lost_s
        self.live_grace_s = max(terms.server_lost_s, timing.read_timeout_s)
        self.attributes = attributes
        self.is_killed = is_killed
        self.seen = SeenUnits(timing.units_max)


class FlagPlan:
    """What a call needs to know of a flag beside its evaluation. attributes: what the rule of one that is under no
    rollout reads; a lease has its own.
    """

    __slots__ = ("attributes", "count_code_default", "count_evaluation", "count_keyless", "count_missing", "lease")

    def __init__(self, tally: FlagTally, lease: Lease | None, attributes: tuple[str, ...]) -> None:
        self.attributes = attributes
        self.count_missing = tally.count_missing
        self.count_evaluation = tally.evaluations.add
        self.count_code_default = tally.code_defaults.add
        self.count_keyless = tally.keyless.add
        self.lease = lease


class Serving:
    """One version with its overlays. Immutable but for the units seen; its methods are the evaluators' own."""

    __slots__ = ("evaluate", "evaluate_lapsed", "evaluator", "kills", "plans", "snapshot")

    def __init__(self, snapshot: Snapshot, evaluator: Evaluator, kills: Kills) -> None:
        forced = {key: _killed_variant(flag, snapshot.leases.get(key), kills[key])
                  for key, flag in evaluator.flags.items() if key in kills}  # fmt: skip
        controls = {key: terms.control_variant for key, terms in snapshot.leases.items()}
        served = evaluator.with_forced(forced) if forced else evaluator
        lapsed = evaluator.with_forced(controls, reason="STALE")
        if forced:
            lapsed = lapsed.with_forced(forced)  # a local kill outranks everything
        self.snapshot = snapshot
        self.evaluator = evaluator
        self.kills = kills
        self.evaluate: Callable[..., EvaluationDetails] = served.evaluate
        self.evaluate_lapsed: Callable[..., EvaluationDetails] = lapsed.evaluate
        self.plans: dict[str, FlagPlan] = {}

    def plan(self, tallies: Tallies, timing: Timing, previous: "Serving | None") -> None:
        """Lay out the flags' plans. previous: of the same version, whose recorded exposures still count."""
        for key, flag in self.evaluator.flags.items():
            tally = tallies.of(key)
            lease = None
            if (terms := self.snapshot.leases.get(key)) is not None:
                attributes = _attribute_counters(tally, flag)
                lease = Lease(terms, attributes=attributes, is_killed=key in self.kills, timing=timing)
                before = previous.plans.get(key) if previous is not None else None
                if before is not None and before.lease is not None:
                    lease.seen = before.lease.seen
            asks_rule = lease is None and key not in self.kills
            self.plans[key] = FlagPlan(tally, lease, _attributes_named(flag) if asks_rule else ())


class Compiled:
    """A snapshot that was decoded, checked and compiled. Raises FlagDocumentError where it cannot be.

    snapshot: without its document, which is not needed beside what was compiled of it. packed: all of it, for the disk.
    previous: whose flags, where they are the same, keep their code.
    """

    def __init__(self, data: bytes, snapshot: Snapshot, previous: "Compiled | None") -> None:
        self.evaluator: Evaluator = Evaluator(snapshot, previous=None if previous is None else previous.evaluator)
        self.snapshot = msgspec.structs.replace(snapshot, document=msgspec.Raw())
        self.packed = compress(data, level=1)

    @property
    def data(self) -> bytes:
        """The snapshot as it came."""
        return decompress(self.packed)

    def serving(self, kills: Kills, tallies: Tallies, timing: Timing, previous: Serving | None) -> Serving:
        serving = Serving(self.snapshot, self.evaluator, kills)
        is_same = previous is not None and previous.snapshot is self.snapshot
        serving.plan(tallies, timing, previous if is_same else None)
        return serving


def flags_changed(before: Serving, after: Serving) -> tuple[str, ...]:
    """Keys of flags that may answer otherwise than before, sorted."""
    changed = set() if after.evaluator is before.evaluator else after.evaluator.changed_since(before.evaluator)
    keys = before.evaluator.flags.keys() | after.evaluator.flags.keys()
    changed.update(key for key in keys if _overlay(before, key) != _overlay(after, key))
    return tuple(sorted(changed))


def _overlay(serving: Serving, key: str) -> tuple[Any, ...]:
    kill = (serving.kills[key],) if key in serving.kills else ()
    return serving.snapshot.leases.get(key), kill


def _killed_variant(flag: CompiledFlag, lease: LeaseTerms | None, variant: str | None) -> str:
    """What a kill serves: the variant it names, if there is such a one, else the rollout's control, else `off`, else
    the flag's default. A misspelt name must not give the code's default, which may be the new version (RULES B6).
    """
    if variant is not None and variant in flag.variants:
        return variant
    if lease is not None:
        return lease.control_variant
    return "off" if "off" in flag.variants else flag.default_variant or ""


def _attribute_counters(tally: FlagTally, flag: CompiledFlag) -> tuple[tuple[str, Counter], ...]:
    return tuple((name, tally.missing.setdefault(name, Counter())) for name in _attributes_named(flag))


def _attributes_named(flag: CompiledFlag) -> tuple[str, ...]:
    """Those that a report can hold; the flag's own tuple where that is all."""
    read = flag.attributes
    if len(read) <= _ATTRIBUTES_MAX and all(len(name) <= _NAME_MAX for name in read):
        return read
    return tuple(name for name in read if len(name) <= _NAME_MAX)[:_ATTRIBUTES_MAX]
