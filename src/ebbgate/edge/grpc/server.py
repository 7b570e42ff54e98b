"""The gRPC server beside the HTTP one, in the same process and loop."""

from collections.abc import Callable

import grpc
import structlog

from ebbgate.core.errors import StoreUnavailableError
from ebbgate.edge.assembly import Edge
from ebbgate.edge.grpc.calls import Door
from ebbgate.edge.grpc.evaluation import EvaluationService
from ebbgate.edge.grpc.messages import EVALUATION
from ebbgate.edge.grpc.sync import SyncService
from ebbgate.edge.settings import EdgeSettings

_log = structlog.get_logger("ebbgate.edge")
_OPTIONS = (
    # Clients ping every 30 s, also without a call; the library's own 5 min would cut them off every minute or so
    # (flagd's ADR on keepalive enforcement).
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.so_reuseport", 0),  # a port that is taken is to be refused, not shared
)


class GrpcServer:
    """flagd's services over one edge."""

    def __init__(self, settings: EdgeSettings, edge: Edge, *, tell_port: Callable[[int], None]) -> None:
        """tell_port: called with the port that is listened on."""
        self._settings = settings
        self._edge = edge
        self._tell_port = tell_port
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises StoreUnavailableError if the port is taken."""
        settings, edge = self._settings, self._edge
        assert settings.grpc_port is not None
        options = (*_OPTIONS, ("grpc.max_receive_message_length", settings.ofrep_bytes_max))
        self._server = server = grpc.aio.server(options=options)
        door = Door(edge.guard, is_open=settings.grpc_without_token)
        evaluations = [
            EvaluationService(
                package,
                door=door,
                guard=edge.guard,
                snapshots=edge.snapshots,
                selections=edge.selections,
                ofrep=edge.ofrep,
                changes=edge.changes,
                proofs=edge.proofs,
            )
            for package in EVALUATION
        ]
        sync = SyncService(door, edge.guard, edge.documents, edge.changes, edge.proofs)
        server.add_generic_rpc_handlers([sync.handler(), *(service.handler() for service in evaluations)])
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        try:
            port = server.add_insecure_port(f"{host}:{settings.grpc_port}")
        except RuntimeError as error:
            raise StoreUnavailableError(
                f"{host}:{settings.grpc_port} cannot be listened on for gRPC: {error}",
                hint="Stop what uses the port, or choose another with --grpc-port.",
            ) from error
        await server.start()
        self._tell_port(port)
        _log.info("grpc_serving", port=port, is_open=settings.grpc_without_token)

    async def stop(self) -> None:
        """End every call now; readers come back by themselves."""
        if self._server is not None:
            await self._server.stop(grace=None)
