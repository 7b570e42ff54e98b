"""A flag off, to ten thousand event streams.

The kernel notes when each socket was written to (SO_TIMESTAMPNS: on loopback, within the sender's own system call), so
that the time of the last write is known however late this process gets to read it. The sampled readers are read first,
and say when a program had the bytes.
"""

import select
import socket
import struct
import time
from statistics import median
from typing import NamedTuple

from benchmarks._edge_servers import EDGE, TOKEN, Control, cpu_s, publish_access, server, temporary

SAMPLED = 200
SILENT_READERS = 1
_SO_TIMESTAMPNS = 35  # not named by the socket module
_ANCILLARY_BYTES = 64
_READ_BYTES = 262_144
_PADDING = 16_000_000  # more than a socket's buffers take: who does not read this blocks the writer
_WITHIN_S = 30.0


class Push(NamedTuple):
    """Milliseconds since just before the snapshot was written and synced. last_write: to the last of all streams.
    received: by the sampled readers, in order. cpu: of the server's processor time, in all."""

    last_write: float
    received: list[float]
    cpu: float = 0.0


class Reader:
    """One stream, read without waiting."""

    def __init__(self, port: int, name: str, *, buffer_bytes: int = 0) -> None:
        """buffer_bytes: of the kernel, for what is not read yet; 0 leaves it as it is."""
        self.socket = socket.socket()
        if buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        request = f"GET /v1/stream?evaluator={name} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        self.socket.sendall(request.encode())
        self.socket.setblocking(False)
        self._tail = b""

    def take(self, marker: bytes) -> int | None:
        """Read what is there; the wall clock's nanoseconds at which its end was written, once `marker` has come."""
        data, ancillary, _, _ = self.socket.recvmsg(_READ_BYTES, _ANCILLARY_BYTES)
        assert data, "the server closed the stream"
        text = self._tail + data
        self._tail = text[-len(marker) :]
        if marker not in text:
            return None
        ((_, _, stamp),) = ancillary
        seconds, nanoseconds = struct.unpack("qq", stamp)
        return int(seconds * 1_000_000_000 + nanoseconds)


class Crowd:
    """All the readers, in one process."""

    def __init__(self, port: int, streams: int) -> None:
        self._readers: dict[int, Reader] = {}
        self._poll = select.epoll()
        self._sampled_poll = select.epoll()
        self._sampled: set[int] = set()
        for number in range(streams):
            reader = Reader(port, f"e{number}")
            descriptor = reader.socket.fileno()
            self._readers[descriptor] = reader
            if number % max(1, streams // SAMPLED) == 0 and len(self._sampled) < SAMPLED:
                self._sampled.add(descriptor)
                self._sampled_poll.register(descriptor, select.EPOLLIN)
            else:
                self._poll.register(descriptor, select.EPOLLIN)

    def wait(self, version: int, began_ns: int) -> Push:
        """Until everybody has that version."""
        marker = b"id: %d\n" % version
        left, written_ns, received_ns = len(self._readers), began_ns, []
        deadline = time.monotonic() + _WITHIN_S
        while left:
            assert time.monotonic() < deadline, f"{left} streams have not got version {version}"
            for descriptor, _ in self._sampled_poll.poll(0):  # between the others' reads: a reader that is quick
                if (at_ns := self._readers[descriptor].take(marker)) is not None:
                    received_ns.append(time.time_ns())
                    written_ns, left = max(written_ns, at_ns), left - 1
            for descriptor, _ in self._poll.poll(0.002, 16):
                if (at_ns := self._readers[descriptor].take(marker)) is not None:
                    written_ns, left = max(written_ns, at_ns), left - 1
        return Push((written_ns - began_ns) / 1e6, sorted((at_ns - began_ns) / 1e6 for at_ns in received_ns))

    def close(self) -> None:
        for reader in self._readers.values():
            reader.socket.close()


def push_to(server_core: int, streams: int, pushes: int) -> dict[str, list[Push]]:
    """The same pushes with a connection that never reads among the others, and without."""
    found: dict[str, list[Push]] = {}
    with temporary() as directory:
        publish_access(directory)
        control = Control(directory)
        control.publish(padding=_PADDING)
        with server(EDGE, directory, server_core) as (port, pid):
            silent = [Reader(port, f"silent{n}", buffer_bytes=4_096) for n in range(SILENT_READERS)]
            time.sleep(1.0)  # its first frame cannot be written to its end
            control.publish()
            began = time.monotonic()
            crowd = Crowd(port, streams)
            crowd.wait(control.version, time.time_ns())
            print(f"  {streams:,} streams open after {time.monotonic() - began:.1f} s")
            found["one never reads"] = _pushes(crowd, control, pid, pushes)
            for reader in silent:
                assert reader.socket.recv(64).startswith(b"HTTP/1.1 200"), "it was served as the others"
                reader.socket.close()
            found["all read"] = _pushes(crowd, control, pid, pushes)
            crowd.close()
    return found


def _pushes(crowd: Crowd, control: Control, pid: int, pushes: int) -> list[Push]:
    found = []
    for number in range(pushes):
        time.sleep(0.5)  # the reports of streams, the heartbeats: as between two changes of flags
        used_s = cpu_s(pid)
        began_ns = control.publish(is_on=bool(number % 2))
        push = crowd.wait(control.version, began_ns)
        push = push._replace(cpu=(cpu_s(pid) - used_s) * 1e3)
        found.append(push)
        print(
            f"  push: last write {push.last_write:.0f} ms; {len(push.received)} sampled readers had it after "
            f"{median(push.received):.0f} ms (median), {push.received[-1]:.0f} ms (last); "
            f"{push.cpu:.0f} ms of the server's processor"
        )
    return found
