"""OFREP's event streams: they say that something changed, and the client evaluates anew. For browsers above all."""

from http import HTTPStatus

import msgspec

from ebbgate.edge.guard import Grant, Guard
from ebbgate.edge.http import Answer, Receive, Scope, Send, give, header, query
from ebbgate.edge.proof import ProofBook
from ebbgate.edge.served import Served, ServedSnapshots
from ebbgate.edge.settings import EdgeSettings
from ebbgate.edge.streams import Stream, StreamHub
from ebbgate.edge.tickets import Ticket, expiry_s, write_ticket
from ebbgate.ports.clock import Clock

STREAM_PATH = "/ofrep/v1/stream"
_EVENT_STREAM = b"text/event-stream"
_STALE_RETRY = b"retry: 60000\n"  # machine milliseconds; by then the client has the new address


class EventStreams:
    """Offers streams in bulk answers, and serves them."""

    def __init__(
        self,
        settings: EdgeSettings,
        guard: Guard,
        snapshots: ServedSnapshots,
        hub: StreamHub,
        proofs: ProofBook,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._guard = guard
        self._snapshots = snapshots
        self._hub = hub
        self._proofs = proofs
        self._clock = clock
        self._offers: dict[tuple[str, str], tuple[int, msgspec.Raw]] = {}  # by token and environment

    def offer(self, grant: Grant, environment: str) -> msgspec.Raw:
        """`eventStreams` of a bulk answer, as JSON. It holds a ticket: a secret, never to be logged.

        Without a public address it names a path only, which the client puts behind the address that it calls.
        """
        expires_s = expiry_s(self._now_s(), ticket_s=self._settings.ticket_s)
        key = (grant.token.sha256, environment)
        known = self._offers.get(key)
        if known is not None and known[0] == expires_s:
            return known[1]
        ticket = write_ticket(Ticket(grant.token.id, environment, expires_s), grant.token.sha256)
        uri = f"{STREAM_PATH}?ticket={ticket}"
        place: dict[str, object] = {"endpoint": {"requestUri": uri}}
        if self._settings.public_url:
            place = {"url": self._settings.public_url.rstrip("/") + uri}
        stream = {"type": "sse", **place, "inactivityDelaySec": self._settings.inactivity_delay_s}
        offer = msgspec.Raw(msgspec.json.encode([stream]))
        self._offers[key] = (expires_s, offer)
        return offer

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """GET /ofrep/v1/stream, with a ticket in the query or a token in a header.

        A reader is told at once to evaluate, unless its Last-Event-ID is the version served: it may have missed a
        change between its evaluation and the stream. A ticket that has expired gets that notice alone, and the end:
        a refusal would end an EventSource for good, while this makes the client ask for an address that works.
        """
        grant, environment, is_expired = self._admit(scope)
        served = self._snapshots.get(environment)
        if is_expired:
            answer = _STALE_RETRY + served.notice.frame
            headers = [(b"cache-control", b"no-store")]
            await give(send, Answer(HTTPStatus.OK, answer, content_type=_EVENT_STREAM, headers=headers))
            return
        stream = Stream(
            evaluator=None,
            name=f"notices, token {grant.token.id}",
            environment=environment,
            token_id=grant.token.id,
            now=self._clock.monotonic(),
            transport=scope.get("state", {}).get("transport"),
        )
        stream.put(_first(scope, served))
        with self._proofs.follow(environment):
            await self._hub.run(stream, receive, send)

    def _admit(self, scope: Scope) -> tuple[Grant, str, bool]:
        text = query(scope).get("ticket")
        if text is None:
            grant = self._guard.admit(scope, "evaluate")
            return grant, self._guard.environment(scope, grant), False
        grant, ticket = self._guard.admit_ticket(text)
        return grant, ticket.environment, self._now_s() >= ticket.expires_s

    def _now_s(self) -> float:
        return self._clock.machine_now().timestamp()


def _first(scope: Scope, served: Served) -> bytes:
    """What a reader gets at once."""
    if header(scope, b"last-event-id") == b"%d" % served.version:
        return b": up to date\n\n"
    return served.notice.frame
