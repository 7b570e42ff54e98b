"""The edge with its real files and sockets; `run_edge` is one of the two processes of `ebbgate serve` (RULES I3)."""

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from secrets import token_hex

from ebbgate.adapters.events import SegmentedLogWriter
from ebbgate.adapters.snapshots import FileAccessSource, FileSnapshotSource, NoticeSocket, replace_file
from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.directory import make_directory, only_one
from ebbgate.bootstrap.logs import configure_logs
from ebbgate.bootstrap.settings import ServeSettings
from ebbgate.bootstrap.structs import build_structs
from ebbgate.core.errors import MissingExtraError, StoreUnavailableError
from ebbgate.edge.assembly import Edge
from ebbgate.edge.server import BACKLOG, Companion, EdgeServer
from ebbgate.edge.settings import EdgeSettings

PORT_FILE = "edge.port"
GRPC_PORT_FILE = "edge.grpc.port"


def run_edge(settings: EdgeSettings, *, log_level: str = "info") -> None:
    """Serve until SIGTERM or SIGINT. Raises StoreUnavailableError if the data directory or the port is taken."""
    build_structs()
    clock = SystemClock()
    configure_logs(clock, process="edge", level=log_level)
    make_directory(settings.data_dir)
    with only_one(settings.data_dir / "edge.lock", holder="another edge"):
        edge = assemble(settings, clock)
        # Before listening: a missing extra, or a port that is taken, keeps the edge from starting.
        beside = _beside(settings, edge)
        with closing(_listen(settings)) as listener, asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(EdgeServer(settings, edge, beside).serve_edge(listener))


def edge_settings(settings: ServeSettings) -> EdgeSettings:
    """The edge's part of the server's settings."""
    return EdgeSettings(
        data_dir=settings.data_dir,
        host=settings.host,
        port=settings.edge_port,
        cors_origins=settings.cors_origins,
        public_url=settings.public_url,
        grpc_port=settings.grpc_port,
        grpc_without_token=settings.grpc_without_token,
    )


def assemble(settings: EdgeSettings, clock: SystemClock) -> Edge:
    """The edge over the data directory's files."""
    directory = settings.data_dir
    return Edge(
        settings,
        access=FileAccessSource(directory / "access.json"),
        source=FileSnapshotSource(directory / "snapshots"),
        notices=NoticeSocket(directory / "edge.sock", clock),
        open_writer=lambda: SegmentedLogWriter(directory / "log"),
        clock=clock,
        run_id=token_hex(4),
    )


def _beside(settings: EdgeSettings, edge: Edge) -> Companion | None:
    """The gRPC server, where one is wanted. Raises MissingExtraError."""
    port_file = settings.data_dir / GRPC_PORT_FILE
    port_file.unlink(missing_ok=True)  # an earlier edge's
    if settings.grpc_port is None:
        return None
    try:
        from ebbgate.edge.grpc.server import GrpcServer
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"gRPC needs a package that is not installed: {error.name}", hint="pip install 'ebbgate[server,grpc]'"
        ) from error
    _check_free(settings.host, settings.grpc_port)
    return GrpcServer(settings, edge, tell_port=lambda port: replace_file(port_file, str(port).encode(), mode=0o644))


def _check_free(host: str, port: int) -> None:
    """Raises StoreUnavailableError if the gRPC port is taken: that server binds it once the loop runs, and by then the
    edge counts as one that has listened and is worth starting again.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StoreUnavailableError(
                f"{host}:{port} cannot be listened on for gRPC: {error.strerror or error}",
                hint="Stop what uses the port, or choose another with --grpc-port.",
            ) from error


def _listen(settings: EdgeSettings) -> socket.socket:
    """Listen, and say on which port. From here on clients may connect; they are answered once the edge has started."""
    port_file = settings.data_dir / PORT_FILE
    port_file.unlink(missing_ok=True)  # an earlier edge's
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
        replace_file(port_file, str(listener.getsockname()[1]).encode(), mode=0o644)
    except OSError as error:
        listener.close()
        raise StoreUnavailableError(
            f"{settings.host}:{settings.port} cannot be listened on: {error.strerror or error}",
            hint="Stop what uses the port, or choose another with --edge-port.",
        ) from error
    return listener


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if sys.platform == "win32":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop
