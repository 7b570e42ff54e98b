"""The client: evaluates in process, is pushed changes, and never makes its host wait or fail."""

import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from ebbgate.core.flags.details import EvaluationDetails, ValueType, own, stale
from ebbgate.sdk.answers import code_default
from ebbgate.sdk.buffer import EventBuffer, PendingEvent, PendingExposure
from ebbgate.sdk.clock import SdkClock
from ebbgate.sdk.delivery import Delivery
from ebbgate.sdk.disk import DiskCopy
from ebbgate.sdk.environment import connection_of
from ebbgate.sdk.holder import Contact, SnapshotHolder
from ebbgate.sdk.identity import a_chance, doubt_of, id_maker, process_name
from ebbgate.sdk.kills import ENVIRONMENT_VARIABLE, FILE_VARIABLE, KillList
from ebbgate.sdk.lifecycle import adopt, end_when_dropped, release
from ebbgate.sdk.notices import Handler, Notice, NoticeKind
from ebbgate.sdk.serving import FlagPlan, Lease, Serving
from ebbgate.sdk.source import SnapshotSource
from ebbgate.sdk.status import ClientStatus
from ebbgate.sdk.timing import Backoff, Timing
from ebbgate.sdk.tracking import finite, flat_attributes, is_name, unit_of
from ebbgate.sdk.transport import Transport

if TYPE_CHECKING:
    import ssl

_STALE_AFTER_S = 1.0  # machine time; between a first snapshot and the word that its stream stands pass microseconds

Context = Mapping[str, Any]
"""What is known of a unit: its key under `targetingKey`, and attributes that rules read."""


class Client:
    """One for a process and environment. Threads may share it, and asyncio may call it: no call waits for the network.

    url, token: of the edge; by default as `connection_of` finds them; without a url nothing is connected, and the disk
    copy or the code defaults serve. name: shown to people, by default host and process id. cache_dir: where the last
    good snapshot is kept; None keeps none. kill, kill_file: as EBBGATE_KILL and EBBGATE_KILL_FILE, which are the
    defaults. chance: numbers in [0, 1) for the jitter of reconnecting.

    The constructor starts two threads and returns; it raises only BadRequestError, for what can be no url or token.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        name: str | None = None,
        environment: str = "production",
        cache_dir: str | os.PathLike[str] | None = None,
        kill: str | None = None,
        kill_file: str | None = None,
        timing: Timing | None = None,
        clock: SdkClock | None = None,
        chance: Callable[[], float] | None = None,
        ssl_context: "ssl.SSLContext | None" = None,
    ) -> None:
        connection = connection_of(url, token, timing)
        self._url, self._token = connection.url, connection.token
        self._given_name = name
        self._environment = environment
        self._timing = connection.timing
        self._clock = clock or SdkClock()
        self._monotonic = self._clock.monotonic
        self._timestamp = self._clock.plan_seconds
        self._chance = chance
        self._ssl_context = ssl_context
        self._is_closed = False
        self._failures = 0
        self._dropped_attributes = 0
        self._holder = SnapshotHolder(
            environment=environment,
            clock=self._clock,
            timing=self._timing,
            kills=KillList(
                os.environ.get(ENVIRONMENT_VARIABLE, "") if kill is None else kill,
                kill_file or os.environ.get(FILE_VARIABLE) or None,
            ),
            disk=None if cache_dir is None else DiskCopy(cache_dir, environment),
        )
        self._contact = self._holder.contact
        if self._url:
            self._transport()  # a url that is none is a mistake to hear of at once
        if doubt := doubt_of(self._url, self._token, is_url_given=url is not None):
            self._holder.notices.post(Notice(kind="error", message=doubt))
        self._holder.load_disk()
        self._start()
        adopt(self)

    # Values ------------------------------------------------------------------------------------------------------

    def boolean_value(self, flag_key: str, default: bool, context: Context | None = None) -> bool:
        value: bool = self._evaluate(flag_key, default, context, "boolean").value
        return value

    def string_value(self, flag_key: str, default: str, context: Context | None = None) -> str:
        value: str = self._evaluate(flag_key, default, context, "string").value
        return value

    def integer_value(self, flag_key: str, default: int, context: Context | None = None) -> int:
        value: int = self._evaluate(flag_key, default, context, "integer").value
        return value

    def float_value(self, flag_key: str, default: float, context: Context | None = None) -> float:
        value: float = self._evaluate(flag_key, default, context, "float").value
        return value

    def object_value(self, flag_key: str, default: Any, context: Context | None = None) -> Any:
        return self._evaluate(flag_key, default, context, "object").value

    def boolean_details(self, flag_key: str, default: bool, context: Context | None = None) -> EvaluationDetails:
        return self._marked(flag_key, self._evaluate(flag_key, default, context, "boolean"))

    def string_details(self, flag_key: str, default: str, context: Context | None = None) -> EvaluationDetails:
        return self._marked(flag_key, self._evaluate(flag_key, default, context, "string"))

    def integer_details(self, flag_key: str, default: int, context: Context | None = None) -> EvaluationDetails:
        return self._marked(flag_key, self._evaluate(flag_key, default, context, "integer"))

    def float_details(self, flag_key: str, default: float, context: Context | None = None) -> EvaluationDetails:
        return self._marked(flag_key, self._evaluate(flag_key, default, context, "float"))

    def object_details(self, flag_key: str, default: Any, context: Context | None = None) -> EvaluationDetails:
        return self._marked(flag_key, self._evaluate(flag_key, default, context, "object"))

    # Events ------------------------------------------------------------------------------------------------------

    def track(
        self,
        name: str,
        unit: str | Context,
        value: float | None = None,
        attributes: Mapping[str, Any] | None = None,
        *,
        of: str | None = None,
    ) -> str | None:
        """Something happened to a unit (a key, or a context that holds one). Queued, and sent from another thread.

        value: a number; one that is not finite is dropped and counted (RULES D5). attributes: flat. of: the id that an
        earlier `track` returned, of the trial that this is an outcome of. Returns the event's id, or None where the
        event cannot be sent: no unit, no name, closed. Never raises.
        """
        try:
            key = unit_of(unit)
            if key is None or not is_name(name) or self._is_closed:
                self._buffer.dropped_events += 1
                return None
            number, is_invalid = finite(value)
            kept, dropped = flat_attributes(attributes)
            self._dropped_attributes += dropped
            event = PendingEvent(
                id=self._new_id(),
                unit=key,
                name=name,
                value=number,
                invalid=is_invalid,
                attributes=kept,
                snapshot_version=self._holder.snapshot_version,
                of=of,
                at=self._clock.unix(),
                mapping=self._clock.mapping,
            )
            self._buffer.add(event)
            return event.id
        except Exception:
            self._failures += 1
            return None

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything queued so far is acknowledged, at most `timeout` seconds; whether it is."""
        self._delivery.poke()
        with self._buffer.changed:
            return self._buffer.changed.wait_for(lambda: len(self._buffer) == 0, timeout)

    # Life --------------------------------------------------------------------------------------------------------

    def on(self, event: NoticeKind, handler: Handler) -> None:
        """Call `handler` at each ready, stale, changed or error. It runs on the delivery thread: keep it short."""
        self._holder.notices.on(event, handler)

    def wait_ready(self, timeout: float) -> bool:
        """Wait until a snapshot is served: the server's, or the disk copy once the server could not be reached.

        At once without a url, else after `timeout` seconds at most. Returns whether more than code defaults is served.
        """
        if self._url:
            self._holder.ready.wait(timeout)
        return self._holder.serving is not None

    def close(self, timeout: float = 5.0) -> None:
        """Send what is queued, for `timeout` seconds at most, and end the threads.

        Flags go on being answered, but those under rollout with control: who hears no change any more must not go on
        exposing anybody, and the last report says so (RULES B7, H2).
        """
        if self._is_closed:
            return
        self._is_closed = True
        release(self)
        self._contact = Contact()  # one that never was: every lease is given back at once
        if self._source is not None:
            self._source.stop()
        self._delivery.stop(timeout)
        deadline = self._monotonic() + timeout
        for thread in reversed(self._threads):
            if thread is not threading.current_thread():  # a handler may close the client
                thread.join(max(0.0, deadline - self._monotonic()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def snapshot_version(self) -> int | None:
        """The version served, None before the first one."""
        return self._holder.snapshot_version

    @property
    def status(self) -> ClientStatus:
        notices, buffer, contact = self._holder.notices, self._buffer, self._holder.contact
        age_s = self._monotonic() - contact.last_at
        return ClientStatus(
            evaluator=self._evaluator_id,
            snapshot_version=self._holder.snapshot_version,
            is_live=contact.is_live,
            contact_age_s=age_s if age_s < float("inf") else None,
            queued=len(buffer),
            delivered=self._delivery.delivered,
            dropped_exposures=buffer.dropped_exposures,
            dropped_events=buffer.dropped_events,
            dropped_attributes=self._dropped_attributes,
            rejected=dict(self._delivery.rejected),
            handler_errors=notices.handler_errors,
            errors=notices.errors,
            last_error=notices.last_error,
            failures=self._failures,
        )

    def restart_in_child(self) -> None:
        """After a fork, in the child: an evaluator of its own, with nothing of the parent's to send."""
        if not self._is_closed:
            self._end.detach()
            self._delivery.abandon()
            if self._source is not None:
                self._source.abandon()
            self._holder.renew_in_child()
            self._start()

    # Within ------------------------------------------------------------------------------------------------------

    def _evaluate(
        self, flag_key: str, default: Any, context: Context | None, expected_type: ValueType
    ) -> EvaluationDetails:
        # The hot path. Everything a flag needs beside its evaluation hangs on one dictionary lookup.
        try:
            serving = self._holder.serving
            plan = serving.plans.get(flag_key) if serving is not None else None
            if serving is None or plan is None:
                return self._evaluate_unknown(serving, flag_key, default, context, expected_type)
            plan.count_evaluation()
            lease = plan.lease
            if lease is not None:
                return self._evaluate_leased(serving, plan, lease, flag_key, default, context, expected_type)
            details = serving.evaluate(flag_key, default, context, expected_type, timestamp=self._timestamp)
            if details.variant is None:
                plan.count_code_default()
            for name in plan.attributes:
                if context is None or name not in context:
                    plan.count_missing(name)
            return details
        except Exception as error:
            self._failures += 1
            return code_default(default, f"{type(error).__name__} in the client: {error}")

    def _marked(self, flag_key: str, details: EvaluationDetails) -> EvaluationDetails:
        """The caller's own copy, STALE where the server is not heard; a local kill is no one else's word, so never."""
        contact = self._contact
        if contact.is_live or self._monotonic() - contact.last_at <= _STALE_AFTER_S:
            return own(details)
        if details.reason in ("ERROR", "STALE") or self._holder.is_killed(flag_key):
            return own(details)
        return stale(details)

    def _evaluate_unknown(
        self, serving: Serving | None, flag_key: str, default: Any, context: Context | None, expected_type: ValueType
    ) -> EvaluationDetails:
        tally = self._holder.tallies.of(flag_key)
        tally.evaluations.add()
        if expected_type == "boolean" and self._holder.is_killed(flag_key):
            # Nothing says what this flag's variants are; off is the old version by convention, whatever the code says.
            return EvaluationDetails(value=False, reason="STATIC")
        tally.code_defaults.add()
        if serving is None:
            return code_default(default, "no snapshot has been received yet")
        return serving.evaluate(flag_key, default, context, expected_type)

    def _evaluate_leased(
        self,
        serving: Serving,
        plan: FlagPlan,
        lease: Lease,
        flag_key: str,
        default: Any,
        context: Context | None,
        expected_type: ValueType,
    ) -> EvaluationDetails:
        """A flag under rollout: on its lease (RULES B7), and with an exposure for each unit (RULES C1).

        The clock is read at the call, so that a process that was frozen, or whose threads died, still gives control.
        What a local kill or a lapsed lease serves is no assignment, hence no exposure.
        """
        contact = self._contact  # `Contact.has_lapsed`, written out: this is the hot path
        grace_s = lease.live_grace_s if contact.is_live else lease.grace_s
        has_lapsed = self._monotonic() - contact.last_at > grace_s
        evaluate = serving.evaluate_lapsed if has_lapsed else serving.evaluate
        details = evaluate(flag_key, default, context, expected_type, timestamp=self._timestamp)
        known = context if context is not None else {}
        unit = known.get("targetingKey")
        variant, seen = details.variant, lease.seen
        if variant is None:
            plan.count_code_default()
        is_assigned = variant is not None and not has_lapsed and not lease.is_killed
        if not unit or not isinstance(unit, str):
            plan.count_keyless()
        elif unit not in seen.recent and is_assigned and seen.is_new(unit):
            self._expose(serving, flag_key, unit, variant)
        for name, counter in lease.attributes:
            if name not in known:
                counter.add()
        return details

    def _expose(self, serving: Serving, flag_key: str, unit: str, variant: str | None) -> None:
        assert variant is not None
        snapshot = serving.snapshot
        if self._is_closed:
            self._buffer.dropped_exposures += 1
            return
        exposure = PendingExposure(
            id=self._new_id(),
            unit=unit,
            environment=snapshot.environment,
            flag_set=snapshot.flag_set,
            flag=flag_key,
            variant=variant,
            snapshot_version=snapshot.version,
            evaluator=self._evaluator_id,
            at=self._clock.unix(),
            mapping=snapshot.clock,
        )
        self._buffer.add(exposure)

    def _transport(self) -> Transport:
        return Transport(self._url, self._token, self._timing, self._ssl_context)

    def _start(self) -> None:
        """Everything that belongs to this process alone: id, queue, connections, threads."""
        timing = self._timing
        chance = self._chance or a_chance()
        self._evaluator_id = os.urandom(8).hex()
        self._new_id = id_maker()
        self._buffer = EventBuffer(queue_max=timing.queue_max, batch_max=timing.batch_max)
        name = process_name(self._given_name)
        self._delivery = Delivery(
            transport=self._transport() if self._url else None,
            holder=self._holder,
            buffer=self._buffer,
            clock=self._clock,
            timing=timing,
            backoff=Backoff(timing.backoff_base_s, timing.backoff_cap_s, chance),
            evaluator=self._evaluator_id,
            name=name,
        )
        self._source = None
        self._threads = [threading.Thread(target=self._delivery.run, name="ebbgate-delivery", daemon=True)]
        if self._url:
            self._source = SnapshotSource(
                transport=self._transport(),
                holder=self._holder,
                backoff=Backoff(timing.backoff_base_s, timing.backoff_cap_s, chance),
                environment=self._environment,
                evaluator=self._evaluator_id,
                name=name,
                applied=self._delivery.confirm,
            )
            self._threads.append(threading.Thread(target=self._source.run, name="ebbgate-stream", daemon=True))
        else:
            self._holder.lost("no url is given: nothing is connected")
        try:
            for thread in self._threads:
                thread.start()
        except RuntimeError as error:  # no more threads: serve what there is
            self._threads = [thread for thread in self._threads if thread.ident is not None]
            self._holder.notices.post(Notice(kind="error", message=f"a thread cannot be started: {error}"))
        self._end = end_when_dropped(self, self._source, self._delivery)
