"""What is served: one snapshot, compiled, with local kills and lapsed leases laid over it. Swapped as one object."""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ebbgate.core.flags.details import EvaluationDetails
from ebbgate.core.flags.document import Flag, FlagDocument, parse_document
from ebbgate.core.flags.evaluate import Evaluator
from ebbgate.core.flags.snapshot import LeaseTerms, Snapshot
from ebbgate.sdk.kills import Kills
from ebbgate.sdk.tallies import Counter, FlagTally, Tallies
from ebbgate.sdk.timing import Timing

_ITEM_OPERATORS = {"map", "filter", "all", "none", "some", "reduce"}  # their second argument reads items, not context
_ATTRIBUTES_MAX = 100  # in one report and flag


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
    """What a call needs to know of a flag beside its evaluation."""

    __slots__ = ("count_code_default", "count_evaluation", "count_keyless", "lease")

    def __init__(self, tally: FlagTally, lease: Lease | None) -> None:
        self.count_evaluation = tally.evaluations.add
        self.count_code_default = tally.code_defaults.add
        self.count_keyless = tally.keyless.add
        self.lease = lease


class Serving:
    """One version with its overlays. Immutable but for the units seen; its methods are the evaluators' own."""

    __slots__ = ("document", "evaluate", "evaluate_lapsed", "kills", "plans", "snapshot")

    def __init__(self, snapshot: Snapshot, document: FlagDocument, evaluator: Evaluator, kills: Kills) -> None:
        forced = {key: _killed_variant(flag, snapshot.leases.get(key), kills[key])
                  for key, flag in document.flags.items() if key in kills}  # fmt: skip
        controls = {key: terms.control_variant for key, terms in snapshot.leases.items()}
        served = evaluator.with_forced(forced) if forced else evaluator
        lapsed = evaluator.with_forced(controls, reason="STALE")
        if forced:
            lapsed = lapsed.with_forced(forced)  # a local kill outranks everything
        self.snapshot = snapshot
        self.document = document
        self.kills = kills
        self.evaluate: Callable[..., EvaluationDetails] = served.evaluate
        self.evaluate_lapsed: Callable[..., EvaluationDetails] = lapsed.evaluate
        self.plans: dict[str, FlagPlan] = {}

    def plan(self, tallies: Tallies, timing: Timing, previous: "Serving | None") -> None:
        """Lay out the flags' plans. previous: of the same version, whose recorded exposures still count."""
        for key, flag in self.document.flags.items():
            tally = tallies.of(key)
            lease = None
            if (terms := self.snapshot.leases.get(key)) is not None:
                attributes = _attribute_counters(tally, flag, self.document.evaluators)
                lease = Lease(terms, attributes=attributes, is_killed=key in self.kills, timing=timing)
                before = previous.plans.get(key) if previous is not None else None
                if before is not None and before.lease is not None:
                    lease.seen = before.lease.seen
            self.plans[key] = FlagPlan(tally, lease)


class Compiled:
    """A snapshot that was decoded, checked and compiled. Raises FlagDocumentError where it cannot be."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.document = parse_document(bytes(snapshot.document))
        self.evaluator = Evaluator(self.document, bucketing=snapshot.bucketing)

    def serving(self, kills: Kills, tallies: Tallies, timing: Timing, previous: Serving | None) -> Serving:
        serving = Serving(self.snapshot, self.document, self.evaluator, kills)
        is_same = previous is not None and previous.snapshot is self.snapshot
        serving.plan(tallies, timing, previous if is_same else None)
        return serving


def flags_changed(before: Serving, after: Serving) -> tuple[str, ...]:
    """Keys of flags that may answer otherwise than before, sorted."""
    old, new = before.document, after.document
    keys = old.flags.keys() | new.flags.keys()
    if (old.evaluators, old.metadata) != (new.evaluators, new.metadata):
        return tuple(sorted(keys))
    return tuple(sorted(key for key in keys if _look(before, key) != _look(after, key)))


def _look(serving: Serving, key: str) -> tuple[Any, ...]:
    kill = (serving.kills[key],) if key in serving.kills else ()
    return serving.document.flags.get(key), serving.snapshot.leases.get(key), kill


def _killed_variant(flag: Flag, lease: LeaseTerms | None, variant: str | None) -> str:
    """What a kill serves: the variant it names, if there is such a one, else the rollout's control, else `off`, else
    the flag's default. A misspelt name must not give the code's default, which may be the new version (RULES B6).
    """
    if variant is not None and variant in flag.variants:
        return variant
    if lease is not None:
        return lease.control_variant
    return "off" if "off" in flag.variants else flag.default_variant or ""


def _attribute_counters(tally: FlagTally, flag: Flag, evaluators: Mapping[str, Any]) -> tuple[tuple[str, Counter], ...]:
    names = sorted(set(_attributes(flag.targeting, evaluators)))[:_ATTRIBUTES_MAX]
    return tuple((name, tally.missing.setdefault(name, Counter())) for name in names)


def _attributes(rule: Any, evaluators: Mapping[str, Any]) -> Iterator[str]:
    """Top-level attributes of the context that a rule reads. Rules are bounded, and free of cycles, by their checks."""
    if isinstance(rule, list):
        for item in rule:
            yield from _attributes(item, evaluators)
    elif isinstance(rule, dict):
        for operator, argument in rule.items():
            if operator == "var":
                path = argument[0] if isinstance(argument, list) and argument else argument
                name = path.partition(".")[0] if isinstance(path, str) else ""
                if name and name not in {"targetingKey", "$flagd"} and len(name) <= 128:
                    yield name
            elif operator == "$ref" and isinstance(argument, str):
                yield from _attributes(evaluators.get(argument), evaluators)
            elif operator in _ITEM_OPERATORS and isinstance(argument, list):
                yield from _attributes(argument[:1], evaluators)
            else:
                yield from _attributes(argument, evaluators)
