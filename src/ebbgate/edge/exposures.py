"""Exposures of OFREP callers: recorded by the server, once for each unit, flag and version (RULES C2)."""

from hashlib import blake2b

from ebbgate.core.events.types import Exposure
from ebbgate.edge.journal import Journal
from ebbgate.edge.metrics import EdgeMetrics
from ebbgate.edge.served import Served, ServedSnapshots

_KEY_MAX = 256  # what the types state for a unit; the constructor checks nothing
_NAME_MAX = 128

_Known = dict[tuple[str, str, str], None]


class ExposureRecorder:
    """Remembers who was recorded, newest last, and forgets the oldest beyond a bound.

    The variant is part of what is remembered: a unit that sees both arms under one version is two facts (RULES D5).
    What is forgotten, by the bound or a restart, is recorded again under the same id; the store counts it once (C4).
    """

    def __init__(self, journal: Journal, snapshots: ServedSnapshots, metrics: EdgeMetrics, *, known_max: int) -> None:
        self._journal = journal
        self._snapshots = snapshots
        self._metrics = metrics
        self._known_max = known_max
        self._known: dict[str, tuple[int, _Known]] = {}

    def record(self, served: Served, flag: str, variant: str, unit: str) -> None:
        """Record that the unit saw the variant, unless it is recorded already."""
        known = self._of(served)
        key = (unit, flag, variant)
        if key in known:
            del known[key]  # to the end: used last
            known[key] = None
            return
        if len(unit) > _KEY_MAX or len(flag) > _NAME_MAX or len(variant) > _NAME_MAX or "\0" in unit:
            return  # the log would not take it; such a unit is in no comparison
        occurred_at, _ = self._snapshots.moment()
        exposure = Exposure(
            id=exposure_id(served.environment, served.version, flag, variant, unit),
            unit=unit,
            environment=served.environment,
            flag_set=served.flag_set,
            flag=flag,
            variant=variant,
            snapshot_version=served.version,
            occurred_at=occurred_at,
            sent_at=occurred_at,
            source="ofrep",
        )
        if not self._journal.add(exposure):
            return  # not remembered, so that the next evaluation tries again
        self._metrics.exposures.inc()
        known[key] = None
        if len(known) > self._known_max:
            del known[next(iter(known))]

    def _of(self, served: Served) -> _Known:
        """What is known under the version; an older version's is forgotten."""
        version, known = self._known.get(served.environment, (-1, {}))
        if version != served.version:
            known = {}
            self._known[served.environment] = (served.version, known)
        return known


def exposure_id(environment: str, version: int, flag: str, variant: str, unit: str) -> str:
    """The same for the same fact, on every edge, after every restart, and when OFREP and OpenTelemetry both tell it."""
    fact = "\0".join((environment, str(version), flag, variant, unit))
    return "seen-" + blake2b(fact.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
