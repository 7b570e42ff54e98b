"""What the edge does by itself: look for changes, write what waits, beat, report, sweep streams."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from ebbgate.core.errors import EbbgateError, StoreUnavailableError
from ebbgate.edge.changes import Changes
from ebbgate.edge.guard import Guard
from ebbgate.edge.http import NotReadyError
from ebbgate.edge.journal import Journal
from ebbgate.edge.log_gate import LogGate
from ebbgate.edge.metrics import EdgeMetrics
from ebbgate.edge.proof import ProofBook
from ebbgate.edge.served import ServedSnapshots
from ebbgate.edge.settings import EdgeSettings
from ebbgate.edge.streams import StreamHub
from ebbgate.edge.usage import UsageBook
from ebbgate.ports.access import AccessSource
from ebbgate.ports.clock import Clock
from ebbgate.ports.snapshots import ChangeNotices, SnapshotSource

_log = structlog.get_logger("ebbgate.edge")


class ControlWatch:
    """Takes over what control has written: tokens and snapshots."""

    def __init__(
        self,
        *,
        access: AccessSource,
        source: SnapshotSource,
        guard: Guard,
        snapshots: ServedSnapshots,
        hub: StreamHub,
        changes: Changes,
        metrics: EdgeMetrics,
        clock: Clock,
    ) -> None:
        self._access = access
        self._source = source
        self._guard = guard
        self._snapshots = snapshots
        self._hub = hub
        self._changes = changes
        self._metrics = metrics
        self._clock = clock
        self._failures: dict[str, str] = {}
        self._refused: dict[str, str] = {}  # read, and not to be served; until there is a good one

    def look(self) -> None:
        """Read what changed. What cannot be read leaves the last good one in force, and is said once."""
        noticed_at = self._clock.monotonic()
        if (access := self._access.read_changed()) is not None:
            self._guard.use(access)
            self._hub.close_ungranted()
            self._changes.notify()
            _log.info("access_loaded", tokens=len(access.tokens))
        changed = self._source.read_changed()
        for published in changed:
            try:
                served = self._snapshots.put(published)
            except EbbgateError as error:
                self._refused[published.snapshot.environment] = str(error)
                continue
            self._refused.pop(published.snapshot.environment, None)
            if served is not None:
                self._hub.push(served, noticed_at=noticed_at)
                self._changes.notify()
                _log.info("snapshot_served", environment=served.environment, version=served.version)
        failures = self._source.failures() | self._refused
        for environment, reason in failures.items():
            if self._failures.get(environment) != reason:
                self._metrics.snapshot_failures.inc()
                _log.error("snapshot_refused", environment=environment, reason=reason)
        self._failures = failures
        self._snapshots.mark_stale(failures.keys())


class Background:
    """The edge's tasks. A task outlives every failure of one of its rounds."""

    def __init__(
        self,
        settings: EdgeSettings,
        *,
        watch: ControlWatch,
        notices: ChangeNotices,
        journal: Journal,
        gate: LogGate,
        usage: UsageBook,
        snapshots: ServedSnapshots,
        proofs: ProofBook,
        hub: StreamHub,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self.watch = watch
        self._notices = notices
        self.journal = journal
        self._gate = gate
        self._usage = usage
        self._snapshots = snapshots
        self._proofs = proofs
        self._hub = hub
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Read what is there, see whether the log can be written, then keep up."""
        self.watch.look()
        await self._round(self.beat)
        settings = self._settings
        self._tasks = [
            asyncio.create_task(self._repeat(self._notices.wait, self._look)),
            asyncio.create_task(self._repeat(self._every(settings.flush_every_s), self.journal.flush)),
            asyncio.create_task(self._repeat(self._every(settings.heartbeat_every_s), self.beat)),
            asyncio.create_task(self._repeat(self._every(settings.report_every_s), self.report)),
        ]

    async def stop(self) -> None:
        """Stop the tasks, write what still waits, and give the log free. A log that fails now loses only what waits."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self.report()
            await self.journal.flush()
        except (StoreUnavailableError, NotReadyError) as error:
            _log.error("journal_lost", reason=str(error))
        await self._gate.close()
        self._notices.close()

    def _every(self, seconds: float) -> Callable[[], Awaitable[None]]:
        duration = timedelta(seconds=seconds)
        return lambda: self._clock.sleep_async(duration)

    async def _repeat(self, wait: Callable[[], Awaitable[None]], act: Callable[[], Awaitable[None]]) -> None:
        while True:
            await wait()
            await self._round(act)

    async def _round(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except (StoreUnavailableError, NotReadyError):
            return  # said by the log gate, once; the next round tries again
        except Exception:
            _log.exception("background_round_failed")

    async def _look(self) -> None:
        self.watch.look()

    async def beat(self) -> None:
        self._hub.sweep()
        self._proofs.forget_silent()
        await self._gate.open()  # also before there is a plan clock: whether the log can be written is known early
        await self.journal.heartbeat()

    async def report(self) -> None:
        for report in self._usage.reports(self._clock.machine_now()):
            self.journal.add(report)
            environment = report.environment
            if environment is None and report.snapshot_version is not None:
                environment = self._snapshots.environment_of(report.snapshot_version)
            if environment is not None:
                self._proofs.ask(environment, report.evaluator)
