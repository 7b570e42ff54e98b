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
    stdout = os.dup(sys.stdout.fileno())
    if as_json:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the processes print is no part of the document
    before = {role: _stamp(_port_file(settings, role)) for role in _roles(settings)}
    teller = threading.Thread(target=_tell, args=(settings, before, stdout if as_json else None), daemon=True)
    teller.start()
    return run(settings)


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


def _tell(settings: ServeSettings, before: dict[Role, tuple[int, int] | None], stdout: int | None) -> None:
    """Say where the server is, as soon as every port file is a new one."""
    clock = SystemClock()
    end_at = clock.monotonic() + LOOK_FOR.total_seconds()
    while clock.monotonic() < end_at:
        if all((now := _stamp(_port_file(settings, role))) is not None and now != before[role] for role in before):
            break
        clock.sleep(LOOK_EVERY)
    else:
        return
    urls = {role: f"http://{settings.host}:{_port_file(settings, role).read_text('ascii').strip()}" for role in before}
    serving = Serving(
        data_dir=str(settings.data_dir.absolute()), edge_url=urls.get(Role.EDGE), control_url=urls.get(Role.CONTROL)
    )
    if stdout is not None:
        text = msgspec.json.format(msgspec.json.encode(serving), indent=2) + b"\n"
        os.write(stdout, text)
        return
    for name, url in (("edge   ", serving.edge_url), ("control", serving.control_url)):
        if url is not None:
            print(f"{name} {url}", file=sys.stderr, flush=True)
