"""The delivery thread: confirmations at once, heartbeats, batches; and the client's small regular chores."""

from collections import Counter
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from ebbgate.core.events.types import EvaluatorCounts, EvaluatorReport, EvaluatorState, WireEntry
from ebbgate.sdk.buffer import EventBuffer, Pending
from ebbgate.sdk.clock import SdkClock
from ebbgate.sdk.holder import SnapshotHolder
from ebbgate.sdk.notices import Notice
from ebbgate.sdk.timing import Backoff, Timing
from ebbgate.sdk.transport import Answer, RefusedError, Transport, UnreachableError

_encode = msgspec.json.encode
_BAD_BATCH = {400, 413, 422}  # the entries are at fault: sent again they would be refused again


class _Rejection(msgspec.Struct):
    code: str = "unknown"


class _Result(msgspec.Struct):
    """What the server says of a batch that it took. `accepted` must be there: another server's 200 says nothing."""

    accepted: int
    rejected: list[_Rejection] = []


_decode_result = msgspec.json.Decoder(_Result).decode  # built once: see core/flags/document


class Delivery:
    """`run` is the thread's body. One gate, `_retry_at`, holds back everything that is sent after a failure.

    transport: None where there is no server; then only the chores are done, and the queue keeps its bound.
    """

    def __init__(
        self,
        *,
        transport: Transport | None,
        holder: SnapshotHolder,
        buffer: EventBuffer,
        clock: SdkClock,
        timing: Timing,
        backoff: Backoff,
        evaluator: str,
        name: str,
    ) -> None:
        self.delivered = 0
        self.rejected: Counter[str] = Counter()
        self._transport = transport
        self._holder = holder
        self._buffer = buffer
        self._clock = clock
        self._timing = timing
        self._backoff = backoff
        self._evaluator = evaluator
        self._name = name
        now = clock.monotonic()
        self._started_at = now
        self._heartbeat_at = now + timing.heartbeat_s
        self._chores_at = now
        self._retry_at = now
        self._is_ordered_to_wait = False  # by Retry-After: then nothing opens the gate early
        self._flush_at: float | None = None
        self._to_confirm: int | None = None
        self._batch_max = timing.batch_max
        self._is_poked = False
        self._stop_at: float | None = None

    # Called by other threads -------------------------------------------------------------------------------------

    def confirm(self, version: int) -> None:
        """Tell the server soon that this version is served: it is heard just now, so waiting has no point."""
        with self._buffer.changed:
            self._to_confirm = version
            if not self._is_ordered_to_wait:
                self._retry_at = self._clock.monotonic()
            self._is_poked = True
            self._buffer.changed.notify_all()

    def poke(self) -> None:
        """Send what is queued now."""
        with self._buffer.changed:
            self._flush_at = self._clock.monotonic()
            self._is_poked = True
            self._buffer.changed.notify_all()

    def stop(self, timeout_s: float) -> None:
        """Send what is queued, for so long at most, and end the thread."""
        with self._buffer.changed:
            self._stop_at = self._clock.monotonic() + timeout_s
            self._is_poked = True
            self._buffer.changed.notify_all()

    def abandon(self) -> None:
        """In a forked child: the connection is the parent's."""
        if self._transport is not None:
            self._transport.abandon()

    # The thread --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        while self._stop_at is None:
            self._wait()
            self._contained_tick()
        self._drain(self._stop_at)
        if self._transport is not None:
            self._transport.close()

    def tick(self) -> None:
        """Everything that is due."""
        now = self._clock.monotonic()
        if now >= self._chores_at:
            self._chores_at = now + self._timing.kill_check_s
            self._holder.refresh_kills()
            self._holder.check_leases()
        self._holder.notices.dispatch()
        if now < self._retry_at:
            return
        self._is_ordered_to_wait = False
        if self._to_confirm is not None and not self._send_confirmation():
            return
        if now >= self._heartbeat_at:
            self._heartbeat_at = now + self._timing.heartbeat_s
            self._holder.save()
            if not self._send_report("heartbeat", self._holder.snapshot_version):
                return
        while self._is_batch_due(self._clock.monotonic()) and self._send_batch():
            if self._to_confirm is not None or self._stop_at is not None:
                self._is_poked = True  # a confirmation goes before the next batch
                break
        if not len(self._buffer):
            self._flush_at = None

    def _contained_tick(self) -> None:
        try:
            self.tick()
        except Exception as error:
            self._tell(f"delivery: {type(error).__name__}: {error}")
            self._retry_at = self._clock.monotonic() + self._backoff.next_s()

    def _wait(self) -> None:
        with self._buffer.changed:
            if not self._is_poked and (pause_s := self._pause_s(self._clock.monotonic())) > 0:
                self._buffer.changed.wait(pause_s)
            self._is_poked = False

    def _pause_s(self, now: float) -> float:
        """Until something is due. The lock is held."""
        due_at = self._chores_at
        to_send = [self._heartbeat_at]
        if self._to_confirm is not None:
            to_send.append(now)
        if len(self._buffer):
            if self._flush_at is None:
                self._flush_at = now + self._timing.flush_interval_s
            flush_at = now if self._buffer.is_batch_full else self._flush_at
            to_send.append(self._started_at + self._timing.hold_s if self._is_held(now) else flush_at)
        return min(due_at, max(self._retry_at, min(to_send))) - now

    def _is_held(self, now: float) -> bool:
        """Whether events must wait for the first snapshot, which brings the plan clock that dates them (RULES A2)."""
        return self._clock.mapping is None and now < self._started_at + self._timing.hold_s and self._stop_at is None

    def _is_batch_due(self, now: float) -> bool:
        if not len(self._buffer) or self._is_held(now):
            return False
        return self._buffer.is_batch_full or (self._flush_at is not None and now >= self._flush_at)

    def _drain(self, stop_at: float) -> None:
        """At the end: what is left, until the deadline; at once if the server is known to be gone.

        The goodbye goes first, as it is a proof (RULES H2), and once more at the end if it did not get through.
        """
        try:
            is_told = self._send_report("closed", self._holder.snapshot_version)
            while len(self._buffer) and (left_s := stop_at - self._clock.monotonic()) > 0:
                if self._send_batch():
                    continue
                if not self._holder.contact.is_live:
                    break
                with self._buffer.changed:
                    self._buffer.changed.wait(min(left_s, max(0.0, self._retry_at - self._clock.monotonic())))
            if not is_told and self._holder.contact.is_live and stop_at > self._clock.monotonic():
                self._send_report("closed", self._holder.snapshot_version)
            self._holder.save()
        except Exception as error:
            self._tell(f"closing: {type(error).__name__}: {error}")

    # Sending -----------------------------------------------------------------------------------------------------

    def _send_confirmation(self) -> bool:
        """Confirm what is served now. A push that comes meanwhile leaves its own number, and is confirmed next."""
        version = self._holder.snapshot_version
        if not self._send_report("confirmed", version):
            return False
        with self._buffer.changed:
            if self._to_confirm == version:
                self._to_confirm = None
        return True

    def _send_report(self, state: EvaluatorState, version: int | None) -> bool:
        counts = EvaluatorCounts() if state == "confirmed" else self._holder.tallies.counts()
        report = EvaluatorReport(
            evaluator=self._evaluator,
            name=self._name,
            kind="sdk",
            state=state,
            reported_at=self._clock.machine_now(),
            snapshot_version=version,
            counts=counts,
            environment=self._holder.environment,
        )
        answer = self._post(_encode([report]))
        if answer is None:
            return False
        return self._taken(answer) is not None or answer.status in _BAD_BATCH  # a refused report is not repeated

    def _send_batch(self) -> bool:
        """Send one batch; False: stop for now. An entry leaves the queue only when acknowledged or refused for good."""
        batch = self._buffer.take_batch()[: self._batch_max]
        if not batch:
            return False
        sent_at = self._clock.plan_now()
        try:
            body = _encode([entry.entry(sent_at=sent_at, mapping=self._clock.mapping) for entry in batch])
        except Exception:
            self._buffer.keep([entry for entry in self._buffer.take_batch() if self._is_encodable(entry, sent_at)])
            return True
        answer = self._post(body)
        if answer is None:
            return False
        if (result := self._taken(answer)) is not None:
            self.rejected.update(rejection.code for rejection in result.rejected)
            self.delivered += len(batch) - len(result.rejected)
            self._buffer.settle(len(batch))
            self._batch_max = min(self._timing.batch_max, self._batch_max * 2)
            return True
        if answer.status not in _BAD_BATCH:
            return False
        if len(batch) > 1:
            self._batch_max = len(batch) // 2  # one of them is at fault: close in on it, and lose no other
        else:
            self.rejected[f"http_{answer.status}"] += 1
            self._buffer.settle(1)
        return True

    def _post(self, body: bytes) -> Answer | None:
        """None: it failed, and the gate is closed for a while."""
        timeout_s = self._timing.request_timeout_s
        if self._stop_at is not None:
            timeout_s = max(0.05, min(timeout_s, self._stop_at - self._clock.monotonic()))
        try:
            if self._transport is None:
                raise UnreachableError("there is no server")
            return self._transport.post_events(body, timeout_s=timeout_s)
        except (UnreachableError, RefusedError):
            self._retry_at = self._clock.monotonic() + self._backoff.next_s()
            return None

    def _taken(self, answer: Answer) -> _Result | None:
        """What the server says of what it took; None if it did not, and the gate is closed if it should come again."""
        if answer.status == 200:
            with suppress(msgspec.DecodeError):
                result = _decode_result(answer.body)
                self._backoff.reset()
                return result
        if answer.status in _BAD_BATCH:
            self._tell(f"the server refuses entries with {answer.status}: {answer.detail}")
            return None
        if answer.status == 401:  # in the words that the stream's thread has for it, so that it is told once
            self._tell(str(RefusedError(answer.status, answer.detail)))
        elif answer.status not in (429, 503):
            self._tell(f"the server answers {answer.status} to events: {answer.detail}")
        wait_s = self._backoff.next_s()
        ordered_s = retry_after_s(answer.retry_after, self._clock.machine_now())
        if ordered_s is not None:
            wait_s = min(self._timing.retry_after_max_s, max(wait_s, ordered_s))
            self._is_ordered_to_wait = True
        self._retry_at = self._clock.monotonic() + wait_s
        return None

    def _is_encodable(self, pending: Pending, sent_at: datetime) -> bool:
        try:
            entry: WireEntry = pending.entry(sent_at=sent_at, mapping=self._clock.mapping)
            _encode(entry)
        except Exception:
            return False
        return True

    def _tell(self, message: str) -> None:
        version = self._holder.snapshot_version
        self._holder.notices.post(Notice(kind="error", message=message, snapshot_version=version))


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header, in seconds or as a date; None where it says neither."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    from email.utils import parsedate_to_datetime  # loaded by http.client anyway

    try:
        moment: Any = parsedate_to_datetime(header)
        return max(0.0, float((moment - now).total_seconds()))
    except (TypeError, ValueError):
        return None
