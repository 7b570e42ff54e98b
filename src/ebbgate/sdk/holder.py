"""Holds what is served, and decides what may replace it."""

import threading
from math import inf
from typing import Literal

from ebbgate.core.errors import EbbgateError
from ebbgate.core.flags.snapshot import decode_snapshot, is_equal, replaces
from ebbgate.sdk.clock import SdkClock
from ebbgate.sdk.disk import DiskCopy
from ebbgate.sdk.kills import KillList
from ebbgate.sdk.notices import Notice, Notices
from ebbgate.sdk.serving import Compiled, Lease, Serving, flags_changed
from ebbgate.sdk.tallies import Tallies
from ebbgate.sdk.timing import Timing


class Contact:
    """When the server was last heard, by the clock's machine seconds, and whether its stream stands."""

    __slots__ = ("is_live", "last_at")

    def __init__(self) -> None:
        self.last_at = -inf
        self.is_live = False

    def has_lapsed(self, lease: Lease, now: float) -> bool:
        """Whether the server has been lost for longer than the flag's lease lasts (RULES B7)."""
        return now - self.last_at > (lease.live_grace_s if self.is_live else lease.grace_s)


class SnapshotHolder:
    """`serving` is the one attribute that calls read; it is replaced whole, and None before the first snapshot.

    `receive` and `refresh_kills` come from different threads and take a lock; a reader never does.
    """

    def __init__(
        self, *, environment: str, clock: SdkClock, timing: Timing, kills: KillList, disk: DiskCopy | None
    ) -> None:
        self.serving: Serving | None = None
        self.contact = Contact()
        self.tallies = Tallies(timing.flags_max)
        self.notices = Notices()
        self.ready = threading.Event()
        self._environment = environment
        self._clock = clock
        self._timing = timing
        self._kills = kills
        self._disk = disk
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._compiled: Compiled | None = None
        self._stored: Compiled | None = None  # what the disk holds
        self._source: Literal["unknown", "found", "lost"] = "unknown"
        self._is_lapse_told = False
        self._kill_problem = ""
        self._tell_kill_problem()

    @property
    def environment(self) -> str:
        return self._environment

    @property
    def snapshot_version(self) -> int | None:
        serving = self.serving
        return None if serving is None else serving.snapshot.version

    def is_killed(self, flag_key: str) -> bool:
        """Whether the local kill list names the flag."""
        return flag_key in self._kills.kills

    def load_disk(self) -> None:
        """Serve the copy on disk, with the lease that it has left."""
        if self._disk is None:
            return
        self._disk.remove_drafts()
        try:
            stored = self._disk.load()
            if stored is None:
                return
            compiled = self._compile(stored.data)
        except (OSError, ValueError, EbbgateError) as error:
            self._tell_error(f"the copy on disk cannot be used: {error}")
            return
        # A wall clock that was set back since must not lengthen a lease by more than this process can know.
        age_s = max(0.0, self._clock.unix() - stored.contact_at)
        self.contact.last_at = self._clock.monotonic() - age_s
        self._stored = compiled
        self._swap(compiled)

    def receive(self, data: bytes) -> bool:
        """A snapshot from the server. True: it is in force, which renews the leases. False: it is refused, or older
        than what is served.
        """
        served = self._compiled
        if served is not None and data == served.data:
            self.heard()
            self.ready.set()
            return True
        try:
            compiled = self._compile(data)
        except EbbgateError as error:
            self._tell_error(f"a snapshot is refused, the last good one goes on: {error}")
            return False
        with self._lock:
            current = self._compiled
            if current is not None and compiled.snapshot.version <= current.snapshot.version:
                new, old = decode_snapshot(data), decode_snapshot(current.data)
                if not replaces(new, old):
                    if not is_equal(new, old):
                        return False
                    self.heard()
                    return True
            self.heard()  # before the swap: the new snapshot begins with a fresh lease
            before = self._swap(compiled)
        self.ready.set()
        self._tell_changed(before, "a new snapshot is in force")
        return True

    def refresh_kills(self) -> None:
        """Look at the kill file."""
        has_changed = self._kills.refresh()
        self._tell_kill_problem()
        if not has_changed or self._compiled is None:
            return
        with self._lock:
            before = self._swap(self._compiled)
        self._tell_changed(before, "the local kill list has changed")

    def found(self) -> None:
        """The server is heard, and its snapshot is in force."""
        self.contact.is_live = True
        if self._source != "found" and self.serving is not None:
            self._source = "found"
            self.notices.post(
                Notice(kind="ready", message="the server is heard", snapshot_version=self.snapshot_version)
            )

    def heard(self) -> None:
        """The server has said that what is served is still in force."""
        self.contact.last_at = self._clock.monotonic()
        self._is_lapse_told = False

    def lost(self, reason: str) -> None:
        """The stream broke, or could not be opened."""
        self.contact.is_live = False
        if self._source != "lost":
            self._source = "lost"
            self.notices.post(Notice(kind="stale", message=reason, snapshot_version=self.snapshot_version))
        if self.serving is not None:
            self.ready.set()  # nothing better than the copy on disk will come soon

    def check_leases(self) -> None:
        """Tell once when leases have lapsed. The calls themselves do not wait for this."""
        serving, now = self.serving, self._clock.monotonic()
        if serving is None or self._is_lapse_told:
            return
        lapsed = [key for key, plan in serving.plans.items() if plan.lease and self.contact.has_lapsed(plan.lease, now)]
        if lapsed:
            self._is_lapse_told = True
            self._tell_error(f"the server is lost for too long: control is served for {', '.join(sorted(lapsed))}")

    def save(self) -> None:
        """Write what is served, and when the server was last heard, to disk."""
        if self._disk is None:
            return
        with self._saving:  # two threads save: the later one must not be overwritten with what the earlier one read
            served = self._compiled
            if served is None or self.contact.last_at == -inf:
                return
            age_s = self._clock.monotonic() - self.contact.last_at
            try:
                is_durable = served is not self._stored
                self._disk.save(served.data, self._clock.unix() - age_s, is_durable=is_durable)
                self._stored = served
            except OSError as error:
                self._tell_error(f"the copy on disk cannot be written: {error}")

    def renew_in_child(self) -> None:
        """After a fork: new locks, and counts from zero. What is served stays."""
        is_ready = self.ready.is_set()
        self.ready = threading.Event()
        if is_ready:
            self.ready.set()
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self.notices.renew_lock()
        self.tallies = Tallies(self._timing.flags_max)
        self.contact.is_live = False
        if self._compiled is not None:
            self.serving = None  # its units were recorded by the parent's evaluator
            self._swap(self._compiled)

    def _compile(self, data: bytes) -> Compiled:
        snapshot = decode_snapshot(data)
        if snapshot.environment != self._environment:
            raise EbbgateError(
                f"it is of environment {snapshot.environment!r}, not {self._environment!r}",
                hint="Check the token's environment and the client's.",
            )
        return Compiled(data, snapshot, self._compiled)

    def _swap(self, compiled: Compiled) -> Serving | None:
        """Put it in force: one assignment. Returns what served before."""
        before = self.serving
        self._clock.mapping = compiled.snapshot.clock
        self._compiled = compiled
        self.serving = compiled.serving(self._kills.kills, self.tallies, self._timing, before)
        self._tell_unknown_kills(self.serving)
        return before

    def _tell_changed(self, before: Serving | None, message: str) -> None:
        serving = self.serving
        if serving is None or before is None:  # the first one is told as ready
            return
        if changed := flags_changed(before, serving):
            version = serving.snapshot.version
            self.notices.post(Notice(kind="changed", message=message, snapshot_version=version, flags_changed=changed))

    def _tell_kill_problem(self) -> None:
        if self._kills.problem != self._kill_problem:
            self._kill_problem = self._kills.problem
            if self._kill_problem:
                self._tell_error(self._kill_problem)

    def _tell_unknown_kills(self, serving: Serving) -> None:
        for key, variant in serving.kills.items():
            flag = serving.evaluator.flags.get(key)
            if flag is not None and variant is not None and variant not in flag.variants:
                self._tell_error(f"the kill list names `{key}={variant}`, which is no variant: control is served")

    def _tell_error(self, message: str) -> None:
        self.notices.post(Notice(kind="error", message=message, snapshot_version=self.snapshot_version))
