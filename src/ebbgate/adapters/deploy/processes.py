"""Who listens on a port of this machine: the proof that needs no change to the application (Linux: /proc).

A 200 may come from the process that was to be replaced. What cannot be forged by an old process: it was started before
the restart, so it has not the word that the restart put into the environment, and its folder is another release's.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from ebbgate.core.errors import DeployError

PROC = Path("/proc")
_LISTENING = "0A"
_START_FIELD = 19  # of /proc/PID/stat after the name in brackets: start time in ticks since boot


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """A process that holds a listening socket. started: ticks since the machine's start. words: of its command line.

    nonce: EBBGATE_DEPLOYMENT of its environment; None where it has none, or it cannot be seen.
    """

    pid: int
    started: int
    folder: str
    words: tuple[str, ...]
    nonce: str | None


def ticks_now() -> int:
    """The start time that a process begun now would have at least: that of a short-lived child of ours."""
    with subprocess.Popen(["/bin/sh", "-c", ":"], stdin=subprocess.DEVNULL) as child:
        return _started(child.pid)  # one that has ended is there until it is waited for


def listeners(url: str) -> list[Listener]:
    """All processes that listen where the address points. Raises DeployError where that cannot be told."""
    host, port = _place(url)
    addresses = _addresses(host, port)
    inodes = {inode for address in addresses for inode in _inodes(address, port)}
    if not inodes:
        return []
    found, hidden = _holders(inodes)
    if not found or hidden:
        raise DeployError(
            f"who listens on port {port} cannot be seen from here: it runs as another user, or in a container",
            hint="let the app tell its digest: `version: URL` in the plan's `deploy`",
        )
    return found


def is_of_release(listener: Listener, *, nonce: str, folder: Path, since: int) -> str | None:
    """Why a listener is not the release that was meant; None where it is.

    nonce: of the deployment. folder: of the release, no links in it. since: ticks, before the restart.
    """
    if listener.nonce == nonce:
        return None
    if listener.started < since:
        return f"process {listener.pid} was there before the restart"
    top = str(folder) + os.sep
    places = (listener.folder, *(os.path.realpath(Path(listener.folder, word)) for word in listener.words))
    if any((place + os.sep).startswith(top) for place in places):
        return None
    return f"process {listener.pid} runs in {listener.folder}, not in {folder}"


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _addresses(host: str, port: int) -> set[str]:
    """The addresses, all of this machine's loopback."""
    try:
        found = {str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise DeployError(f"{host} is not known: {error}", hint="see the plan's `health`") from error
    if not PROC.joinpath("net/tcp").exists() or not all(ip_address(one).is_loopback for one in found):
        raise DeployError(
            f"what listens on {host} cannot be seen from here", hint="let the app tell its digest: `version: URL`"
        )
    return found


def _inodes(address: str, port: int) -> Iterator[str]:
    """Sockets that listen on the address and port, or on the port of every address."""
    wanted = ip_address(address)
    for name in ("tcp", "tcp6"):
        try:
            lines = PROC.joinpath("net", name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            text, _, hex_port = words[1].partition(":")
            own = _decoded(text)
            if words[3] == _LISTENING and int(hex_port, 16) == port and (own.is_unspecified or own == wanted):
                yield words[9]


def _decoded(text: str) -> IPv4Address | IPv6Address:
    """An address of /proc/net: words of 4 bytes, each with its bytes turned round on this kind of machine."""
    raw = bytes.fromhex(text)
    turned = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    found = ip_address(turned)
    return getattr(found, "ipv4_mapped", None) or found


def _holders(inodes: set[str]) -> tuple[list[Listener], bool]:
    """The processes that hold the sockets, and whether some socket's holder was not found."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    seen: set[str] = set()
    found: list[Listener] = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        held = wanted & _sockets(entry)
        if held:
            seen |= held
            try:
                found.append(_listener(entry))
            except (OSError, ValueError, IndexError):
                continue  # it has just ended
    return found, seen != wanted


def _sockets(entry: Path) -> set[str]:
    links = set()
    try:
        for descriptor in os.scandir(entry / "fd"):
            try:
                links.add(os.readlink(descriptor.path))
            except OSError:
                continue
    except OSError:  # another user's
        return set()
    return links


def _listener(entry: Path) -> Listener:
    words = (entry / "cmdline").read_bytes().split(b"\0")
    return Listener(
        pid=int(entry.name),
        started=_started(int(entry.name)),
        folder=os.readlink(entry / "cwd").removesuffix(" (deleted)"),
        words=tuple(word.decode("utf-8", "surrogateescape") for word in words if word),
        nonce=_variable(entry, "EBBGATE_DEPLOYMENT"),
    )


def _started(pid: int) -> int:
    text = PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8", errors="replace")
    return int(text.rpartition(")")[2].split()[_START_FIELD])


def _variable(entry: Path, name: str) -> str | None:
    try:
        lines = (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    prefix = f"{name}=".encode()
    return next((line.removeprefix(prefix).decode() for line in lines if line.startswith(prefix)), None)
