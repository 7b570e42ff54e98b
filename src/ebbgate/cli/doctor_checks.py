"""What `doctor` looks at on this machine: Python, the extras, the data directory, the ports."""

import os
import platform
import shutil
import socket
import stat
import sys
from collections.abc import Callable
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

import msgspec

OLDEST_PYTHON = (3, 11)
SPARE_BYTES = 1_000_000_000
"""Free disk space below which a warning is due: the event log grows by some hundred megabytes a day."""

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""What a mode may not allow: anything for the group, or for the world."""

_SERVER = (
    *("alembic", "duckdb", "httptools", "httpx", "ibis", "litestar", "prometheus_client", "pyarrow", "rich"),
    *("ruamel.yaml", "sqlalchemy", "structlog", "uvicorn"),
)
_OPTIONAL = {"openfeature": "openfeature", "psycopg": "postgres"}
DEFAULT_PORTS = {"edge": 8120, "control": 8121}


class Finding(StrEnum):
    OK = "ok"
    NOTE = "note"  # nothing to mend
    WARNING = "warning"
    FAILED = "failed"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at. hint: what to do, where there is something to do."""

    name: str
    finding: Finding
    detail: str
    hint: str = ""


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    text = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        return Check(name="python", finding=Finding.FAILED, detail=text, hint="install Python 3.11 or newer")
    return Check(name="python", finding=Finding.OK, detail=f"{text} on {platform.system()}")


def check_extras(is_there: Callable[[str], bool] | None = None) -> Check:
    """Whether what `ebbgate serve` needs is installed."""
    is_there = is_there or _is_installed
    missing = [name for name in _SERVER if not is_there(name)]
    if missing:
        hint = 'pip install "ebbgate[server]"'
        return Check(name="extras", finding=Finding.FAILED, detail=f"missing: {', '.join(missing)}", hint=hint)
    absent = [f"ebbgate[{extra}]" for module, extra in _OPTIONAL.items() if not is_there(module)]
    also = f"; not installed: {', '.join(absent)}" if absent else ""
    return Check(name="extras", finding=Finding.OK, detail=f"server{also}")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def check_data(directory: Path) -> list[Check]:
    """Whether the data directory can be used, and by nobody else."""
    if not directory.exists():
        parent = next(path for path in directory.absolute().parents if path.exists())
        if os.access(parent, os.W_OK):
            detail = f"{directory} is not there: no server has run here"
            return [Check(name="data", finding=Finding.NOTE, detail=detail)]
        hint = "choose another one with --data"
        return [Check(name="data", finding=Finding.FAILED, detail=f"{parent} cannot be written", hint=hint)]
    if not directory.is_dir() or not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        detail = f"{directory} is no directory that this account can write"
        hint = "run as the account that runs the server, or choose another one with --data"
        return [Check(name="data", finding=Finding.FAILED, detail=detail, hint=hint)]
    free = shutil.disk_usage(directory).free
    spare = Check(name="disk", finding=Finding.OK, detail=f"{free / 1e9:,.1f} GB free")
    if free < SPARE_BYTES:
        hint = "free some, or move the data directory: events are refused when the disk is full"
        spare = msgspec.structs.replace(spare, finding=Finding.WARNING, hint=hint)
    has_run = (directory / "control.db").exists()
    detail = f"{directory}" if has_run else f"{directory} holds no server's data yet"
    data = Check(name="data", finding=Finding.OK if has_run else Finding.NOTE, detail=detail)
    return [data, check_modes(directory), spare]


def check_modes(directory: Path) -> Check:
    """Whether other accounts are kept out of the data directory: it holds users' ids, and hashes of tokens."""
    mode = _mode(directory)
    if not mode & OTHERS:
        return Check(name="modes", finding=Finding.OK, detail=f"{directory} is closed to other accounts")
    open_files = sorted(path.name for path in directory.iterdir() if _mode(path) & OTHERS)
    files = f", and in it {', '.join(open_files)}" if open_files else ""
    return Check(
        name="modes",
        finding=Finding.WARNING,
        detail=f"{directory} is open to other accounts (mode {mode:04o}){files}",
        hint=f"close it: chmod 700 {directory}",
    )


def _mode(path: Path) -> int:
    """Its permissions; none where it has just gone, as SQLite's own files do."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def check_ports(directory: Path) -> list[Check]:
    """Whether something listens where the server should be, or the ports are free for it."""
    return [_check_port(directory, role, default) for role, default in DEFAULT_PORTS.items()]


def _check_port(directory: Path, role: str, default: int) -> Check:
    name, told = f"{role} port", told_port(directory, role)
    port = told or default
    if _answers(port):
        if told:
            return Check(name=name, finding=Finding.OK, detail=f"{port} answers")
        hint = f"if that is no ebbgate: `ebbgate serve --{role}-port 8130` takes another"
        return Check(name=name, finding=Finding.NOTE, detail=f"{port} is used by a server elsewhere", hint=hint)
    if told:
        detail = f"{port} does not answer, though {directory / f'{role}.port'} names it"
        return Check(name=name, finding=Finding.WARNING, detail=detail, hint="start the server: `ebbgate serve`")
    return Check(name=name, finding=Finding.OK, detail=f"{port} is free")


def told_port(directory: Path, role: str) -> int | None:
    """The port that a server of this data directory took."""
    try:
        return int((directory / f"{role}.port").read_text("ascii"))
    except (OSError, ValueError):
        return None


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
