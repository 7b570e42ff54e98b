"""The snapshots that the edge serves: each compiled once when it arrives, then only called."""

from collections.abc import Collection
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from ebbgate.core.clock import ClockMapping
from ebbgate.core.errors import NotFoundError
from ebbgate.core.flags.document import parse_document
from ebbgate.core.flags.evaluate import Evaluator
from ebbgate.core.flags.snapshot import Snapshot, replaces
from ebbgate.edge.http import Answer, NotReadyError
from ebbgate.edge.stale import Evaluates, StaleEvaluator
from ebbgate.ports.clock import Clock
from ebbgate.ports.snapshots import PublishedSnapshot

_NAME_MAX = 128  # what the log takes as a name
_PAST_MAX = 200  # versions remembered: what reports an evaluation is seconds behind it, not days


class StreamEvent:
    """One server-sent event. frame: as it is; chunk: the same, framed as an HTTP chunk."""

    __slots__ = ("chunk", "frame")

    def __init__(self, version: int, name: bytes, data: bytes) -> None:
        """data: on one line."""
        self.frame = b"id: %d\nevent: %b\ndata: %b\n\n" % (version, name, data)
        self.chunk = b"%x\r\n%b\r\n" % (len(self.frame), self.frame)


class Served:
    """One snapshot, ready to answer from.

    event: for streams of snapshots; notice: for streams that only say that something changed. Each is encoded once.
    leases: flags under rollout. attributes: by flag, those that its rule reads and that a report may name.
    document: flagd's, as it came; selected: parts of it by flag set. own: every flag of it. flag_sets: by their own or
    else the document's metadata, or else the snapshot's set; "" where that is empty.
    is_stale: a newer one is there, and cannot be read or is refused.
    answers: successes by flag, variant and reason, encoded once.
    """

    __slots__ = (
        "_fresh", "answers", "attributes", "data", "document", "environment", "etag", "evaluator", "event", "flag_set",
        "flag_sets", "is_stale", "leases", "metadata", "notice", "own", "selected", "snapshot", "version",
    )  # fmt: skip

    def __init__(self, published: PublishedSnapshot, previous: "Served | None" = None) -> None:
        """previous: whose flags, where they are the same, keep their code.

        Raises FlagDocumentError when the document is refused.
        """
        snapshot = published.snapshot
        self.snapshot = snapshot
        self.version = snapshot.version
        self.environment = snapshot.environment
        self.flag_set = snapshot.flag_set
        self.document = bytes(snapshot.document)
        self.is_stale = False
        self.selected: dict[str, bytes] = {}
        document = parse_document(self.document)
        old = None if previous is None else previous._fresh
        self._fresh: Evaluator = Evaluator(document, bucketing=snapshot.bucketing, previous=old)
        self.evaluator: Evaluates = self._fresh
        self.own = frozenset(document.flags)
        self.flag_sets = _flag_sets(self._fresh, snapshot.flag_set)
        self.leases = self.own & snapshot.leases.keys()
        self.attributes = {
            key: tuple(name for name in flag.attributes if len(name) <= _NAME_MAX)
            for key, flag in self._fresh.flags.items()
            if flag.attributes
        }
        self.data = published.data
        self.etag = etag_of(published.data)
        self.event = StreamEvent(snapshot.version, b"snapshot", published.data)
        refetch = {
            "type": "refetchEvaluation",
            "etag": self.etag.decode(),
            "lastModified": int(snapshot.published_at.timestamp()),
        }
        self.notice = StreamEvent(snapshot.version, b"message", msgspec.json.encode(refetch))
        self.metadata = document.metadata
        self.answers: dict[tuple[str, str | None, str], Answer] = {}

    def mark(self, *, is_stale: bool) -> None:
        """From now on answers say that they are stale, or do not."""
        if is_stale != self.is_stale:
            self.is_stale = is_stale
            self.evaluator = StaleEvaluator(self._fresh) if is_stale else self._fresh
            self.answers.clear()


class PastVersion(NamedTuple):
    """What was served from a machine time on. leased: flags under rollout."""

    from_at: datetime
    version: int
    leased: frozenset[str]


class ServedSnapshots:
    """The current snapshot of each environment, and the plan clock that comes with them (RULES A2)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_environment: dict[str, Served] = {}
        self._mapping: ClockMapping | None = None
        self._newest: Snapshot | None = None
        self._past: dict[str, list[PastVersion]] = {}

    def put(self, published: PublishedSnapshot) -> Served | None:
        """Serve it from now on; None if it does not replace what is served.

        Raises FlagDocumentError when the document is refused, and the old one stays.
        """
        snapshot = published.snapshot
        current = self._by_environment.get(snapshot.environment)
        if current is not None and not replaces(snapshot, current.snapshot):
            return None
        served = Served(published, current)
        self._by_environment[snapshot.environment] = served
        past = self._past.setdefault(snapshot.environment, [])
        past.append(PastVersion(self._clock.machine_now(), served.version, served.leases))
        del past[:-_PAST_MAX]
        if replaces(snapshot, self._newest):
            self._newest, self._mapping = snapshot, snapshot.clock
        return served

    def get(self, environment: str) -> Served:
        """Raises NotReadyError before the first snapshot, NotFoundError for an environment without one."""
        served = self._by_environment.get(environment)
        if served is not None:
            return served
        if not self._by_environment:
            raise NotReadyError("no snapshot has been read yet", hint="Start control, or wait for it.")
        raise NotFoundError(
            f"there is no environment `{environment}`", hint=f"There are: {', '.join(sorted(self._by_environment))}."
        )

    def versions(self) -> dict[str, int]:
        """The version served in each environment."""
        return {environment: served.version for environment, served in self._by_environment.items()}

    def mark_stale(self, environments: Collection[str]) -> None:
        """Say of which environments a newer snapshot is there that cannot be served."""
        for environment, served in self._by_environment.items():
            served.mark(is_stale=environment in environments)

    def stale(self) -> dict[str, int]:
        """1 for each environment that is served from an older snapshot than there is, else 0."""
        return {environment: int(served.is_stale) for environment, served in self._by_environment.items()}

    def past(self, environment: str, *, version: int | None, at: datetime) -> PastVersion:
        """What was served under a version; if it is None or not known any more, at a machine time.

        The first that is known stands for all before. Needs a snapshot of the environment.
        """
        past = self._past[environment]
        if version is not None:
            for entry in past:
                if entry.version == version:
                    return entry
        return next((entry for entry in reversed(past) if entry.from_at <= at), past[0])

    def environment_of(self, version: int) -> str | None:
        """Where a version was served, as versions are counted over all environments; None if it is not known."""
        for environment, past in self._past.items():
            if any(entry.version == version for entry in past):
                return environment
        return None

    def plan_time(self, machine_at: datetime) -> datetime:
        """Plan time at a machine time. Raises OverflowError at the calendar's ends. Needs a snapshot."""
        assert self._mapping is not None
        return self._mapping.plan_time(machine_at)

    def moment(self) -> tuple[datetime, datetime]:
        """(plan time, machine time) now. Raises NotReadyError before the first snapshot: plan time comes with it."""
        if self._mapping is None:
            raise NotReadyError("the plan clock is not known yet", hint="Start control, or wait for it.")
        machine_at = self._clock.machine_now()
        return self._mapping.plan_time(machine_at), machine_at

    def timestamp(self) -> int:
        """Plan time in unix seconds, for rules that ask for it. Needs a snapshot."""
        return int(self.moment()[0].timestamp())


def _flag_sets(evaluator: Evaluator, of_none: str) -> dict[str, frozenset[str]]:
    found: dict[str, list[str]] = {}
    for key, flag in evaluator.flags.items():
        found.setdefault(str(flag.metadata.get("flagSetId", of_none)), []).append(key)
    return {name: frozenset(keys) for name, keys in found.items()}


def etag_of(data: bytes) -> bytes:
    """A strong entity tag for those bytes."""
    return b'"%b"' % blake2b(data, digest_size=16).hexdigest().encode()
