"""`ebbgate serve`."""

import os
import sys
import threading
from datetime import timedelta
from pathlib import Path

import click
import msgspec

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.settings import Role, ServeSettings, read_settings
from ebbgate.cli.options import AS_JSON, Status

LOOK_EVERY, LOOK_FOR = timedelta(milliseconds=100), timedelta(minutes=1)
"""Machine time: how often, and how long, the ports of the started processes are looked for."""


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server can be reached. None: this role does not run here."""

    data_dir: str
    edge_url: str | None
    control_url: str | None


@click.command()
@click.option("--data", "data_dir", type=click.Path(path_type=Path, file_okay=False), help="Default: .ebbgate")
@click.option("--role", type=click.Choice([role.value for role in Role]), help="What runs here. Default: all.")
@click.option("--host", help="Default: 127.0.0.1")
@click.option("--edge-port", type=int, help="Default: 8120; 0 takes a free one, written to DATA/edge.port.")
@click.option("--control-port", type=int, help="Default: 8121; 0 takes a free one, written to DATA/control.port.")
@click.option("--grpc-port", type=int, help="Default: none; flagd's gRPC. 0 takes a free one: DATA/edge.grpc.port.")
@click.option("--scale", type=float, help="Plan seconds for one machine second; fixed from the first start on.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option(
    "--admin-token-file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the first admin token here."
)
@click.option("--end-at", hidden=True)
@AS_JSON
def serve(as_json: bool, **options: object) -> Status:
    """Run the server until it is told to stop: the edge, which evaluates flags and takes events, and control.

    The very first start prints an admin token, once. Every option is also a setting: EBBGATE_HOST, or a line in the
    file that EBBGATE_SETTINGS names. With --json, one document on standard output says where the server is, as soon as
    it answers; everything else goes to standard error.
    """
    from ebbgate.bootstrap.serve import serve as run

    settings = read_settings(options)
    teller = _Teller(settings, as_json=as_json)
    try:
        return run(settings)
    finally:
        teller.end()


class _Teller:
    """Says where the server is, once, as soon as every port file is a new one.

    as_json: as the one document on standard output, where nothing else may go then. If it ends before it has said
    that, standard output is free again, for the error.
    """

    def __init__(self, settings: ServeSettings, *, as_json: bool) -> None:
        self._settings = settings
        self._before = {role: _stamp(_port_file(settings, role)) for role in _roles(settings)}
        self._stdout: int | None = None
        if as_json:
            self._stdout = os.dup(sys.stdout.fileno())
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the processes print is no part of the document
        self._is_over = threading.Event()
        self._has_told = False
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()
        if self._stdout is not None and not self._has_told:
            os.dup2(self._stdout, sys.stdout.fileno())

    def _look(self) -> None:
        clock = SystemClock()
        end_at = clock.monotonic() + LOOK_FOR.total_seconds()
        while clock.monotonic() < end_at and not self._is_over.is_set():
            if all(_stamp(_port_file(self._settings, role)) not in (None, old) for role, old in self._before.items()):
                self._tell()
                return
            self._is_over.wait(LOOK_EVERY.total_seconds())

    def _tell(self) -> None:
        urls = {role: url_of(self._settings.host, _port_file(self._settings, role)) for role in self._before}
        serving = Serving(
            data_dir=str(self._settings.data_dir.absolute()),
            edge_url=urls.get(Role.EDGE),
            control_url=urls.get(Role.CONTROL),
        )
        self._has_told = True
        if self._stdout is not None:
            os.write(self._stdout, msgspec.json.format(msgspec.json.encode(serving), indent=2) + b"\n")
            return
        for name, url in (("edge   ", serving.edge_url), ("control", serving.control_url)):
            if url is not None:
                print(f"{name} {url}", file=sys.stderr, flush=True)


def url_of(host: str, port_file: Path) -> str:
    """The URL of what listens there; an IPv6 address stands in brackets (RFC 3986, section 3.2.2)."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port_file.read_text('ascii').strip()}"


def _roles(settings: ServeSettings) -> tuple[Role, ...]:
    return (Role.EDGE, Role.CONTROL) if settings.role is Role.ALL else (settings.role,)


def _port_file(settings: ServeSettings, role: Role) -> Path:
    return settings.data_dir / f"{role.value}.port"


def _stamp(path: Path) -> tuple[int, int] | None:
    """Tells one writing of a file from another."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
