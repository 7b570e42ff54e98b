"""The ASGI application: which request goes where."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec

from ebbgate.core.errors import EbbgateError, NotFoundError
from ebbgate.edge.cors import Cors
from ebbgate.edge.event_streams import STREAM_PATH, EventStreams
from ebbgate.edge.flagd_sync import FlagdDocuments
from ebbgate.edge.guard import BROWSER, Guard
from ebbgate.edge.http import (
    TEXT,
    Answer,
    ClientGone,
    MethodNotAllowedError,
    Receive,
    Scope,
    Send,
    give,
    is_match,
    problem,
)
from ebbgate.edge.intake import EventIntake
from ebbgate.edge.log_gate import LogGate
from ebbgate.edge.metrics import EdgeMetrics
from ebbgate.edge.ofrep import OfrepService
from ebbgate.edge.otlp import OtlpIntake
from ebbgate.edge.served import ServedSnapshots
from ebbgate.edge.streams import StreamHub

_BULK = "/ofrep/v1/evaluate/flags"
_SINGLE = _BULK + "/"
_OK = Answer(HTTPStatus.OK, b"ok", content_type=TEXT)

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


class EdgeApp:
    """One edge. Every refusal is problem+json; what was not foreseen is a 500 that tells nothing, and a log line."""

    def __init__(
        self,
        *,
        guard: Guard,
        snapshots: ServedSnapshots,
        gate: LogGate,
        metrics: EdgeMetrics,
        ofrep: OfrepService,
        intake: EventIntake,
        otlp: OtlpIntake,
        hub: StreamHub,
        event_streams: EventStreams,
        documents: FlagdDocuments,
        cors: Cors | None,
    ) -> None:
        self._guard = guard
        self._snapshots = snapshots
        self._gate = gate
        self._metrics = metrics
        self._single = ofrep.single
        self._cors = cors
        self._routes: dict[str, dict[str, Handler]] = {
            _BULK: {"POST": ofrep.bulk},
            _SINGLE: {"POST": ofrep.bulk},
            STREAM_PATH: {"GET": event_streams.serve},
            "/flagd/v1/flags": {"GET": documents.get},
            "/v1/events": {"POST": intake.post},
            "/v1/logs": {"POST": otlp.logs},
            "/v1/traces": {"POST": otlp.traces},
            "/v1/snapshot": {"GET": self._snapshot},
            "/v1/stream": {"GET": hub.serve},
            "/healthz": {"GET": self._healthz},
            "/readyz": {"GET": self._readyz},
            "/metrics": {"GET": self._metrics_text},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "the server is told to speak HTTP only, without lifespan"
        if self._cors is not None and (origin := self._cors.origin(scope)) is not None:
            if (preflight := self._cors.preflight(scope, origin)) is not None:
                await give(send, preflight)
                return
            scope[BROWSER] = True
            send = self._cors.allowing(send, origin)
        path: str = scope["path"]
        try:
            if path.startswith(_SINGLE) and len(path) > len(_SINGLE) and scope["method"] == "POST":
                await self._single(scope, receive, send, path[len(_SINGLE) :])
            else:
                await self._route(path, scope["method"])(scope, receive, send)
        except EbbgateError as error:
            self._metrics.problems.labels(error.code).inc()
            await give(send, problem(error))
        except ClientGone:
            return

    def _route(self, path: str, method: str) -> Handler:
        methods = self._routes.get(path)
        if methods is None:
            if path.startswith(_SINGLE):
                methods = {}
            else:
                raise NotFoundError(f"there is no {path[:200]} here", hint="The control API has a port of its own.")
        handler = methods.get(method)
        if handler is None:
            allowed = ", ".join(methods) or "POST"
            raise MethodNotAllowedError(f"{method} is not for {path[:200]}", hint=f"Use {allowed}.")
        return handler

    async def _snapshot(self, scope: Scope, _receive: Receive, send: Send) -> None:
        grant = self._guard.admit(scope, "read_snapshot")
        served = self._snapshots.get(self._guard.environment(scope, grant))
        headers = [(b"etag", served.etag)]
        if is_match(scope, served.etag):
            await give(send, Answer(HTTPStatus.NOT_MODIFIED, headers=headers))
        else:
            await give(send, Answer(HTTPStatus.OK, served.data, headers=headers))

    async def _healthz(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await give(send, _OK)

    async def _readyz(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        missing = [
            name
            for name, is_there in (
                ("snapshot", bool(self._snapshots.versions())),
                ("access", self._guard.is_loaded),
                ("log", self._gate.is_writable),
            )
            if not is_there
        ]
        status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
        body: dict[str, Any] = {"is_ready": not missing, "missing": missing}
        await give(send, Answer(status, msgspec.json.encode(body)))

    async def _metrics_text(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self._guard.admit(scope, "read_metrics")
        await give(send, Answer(HTTPStatus.OK, self._metrics.text(), content_type=b"text/plain; version=0.0.4"))
