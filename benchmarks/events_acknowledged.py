"""Events acknowledged (checked, appended, fsynced) per second, batches of 1,000, against read, decode, append alone.

Both run in turn in one process on one core, over the same bodies; the ratio is what counts (must 0.5, goal 0.8). The
ratio of processor time leaves the waiting for the disk out, and other processes on the machine.
Usage: python benchmarks/events_acknowledged.py [directory]
"""

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

import msgspec

from ebbgate.adapters.events import SegmentedLogWriter
from ebbgate.core.events import Exposure, Record, TrackedEvent, WireEntry
from ebbgate.core.events.accept import Reception, accept_body
from ebbgate.core.events.frame import encode_record

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BATCH = 1_000
BATCHES = 384
CLIENTS = (8, 32)  # that wait for their answers; with few of them the disk and the processor wait for each other
ROUNDS = 5


def a_body() -> bytes:
    """A third exposures, two thirds events with a value and two attributes; about 260 bytes each."""
    entries: list[WireEntry] = []
    for number in range(BATCH):
        id, unit, sent_at = f"01hz{number:022d}", f"user-{number:07d}", NOON + timedelta(seconds=1)
        if number % 3 == 0:
            entries.append(
                Exposure(
                    id=id, unit=unit, environment="production", flag_set="default", flag="newWidgets", variant="on",
                    snapshot_version=3, evaluator="web-1-8f3a", occurred_at=NOON, sent_at=sent_at,
                )
            )  # fmt: skip
        else:
            entries.append(
                TrackedEvent(
                    id=id, unit=unit, name="api_request", value=0.123 * number, snapshot_version=3,
                    attributes={"endpoint": "/api/v1/apply", "ok": True}, occurred_at=NOON, sent_at=sent_at,
                )
            )  # fmt: skip
    return msgspec.json.encode(entries)


class Rate(NamedTuple):
    """Events a second by the clock, and by the processor's."""

    wall: float
    cpu: float


async def run(handle: Callable[[bytes], Awaitable[None]], body: bytes, clients: int) -> Rate:
    """With the bodies read from a socket."""
    ours, theirs = socket.socketpair()
    reader, back = await asyncio.open_connection(sock=ours, limit=2**20)
    _reader, feeder = await asyncio.open_connection(sock=theirs)

    async def feed() -> None:
        for _ in range(BATCHES):
            feeder.write(body)
            await feeder.drain()

    turn = asyncio.Lock()

    async def client() -> None:
        for _ in range(BATCHES // clients):
            async with turn:
                data = await reader.readexactly(len(body))
            await handle(data)

    assert BATCHES % clients == 0  # every client takes the same number of bodies
    began, used = perf_counter(), process_time()
    await asyncio.gather(feed(), *(client() for _ in range(clients)))
    rate = Rate(BATCH * BATCHES / (perf_counter() - began), BATCH * BATCHES / (process_time() - used))
    feeder.close()
    back.close()
    return rate


async def main(directory: Path) -> None:
    body = a_body()
    decode = msgspec.json.Decoder(list[WireEntry]).decode
    baseline_fd = os.open(directory / "baseline", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    writer = SegmentedLogWriter(directory / "log")
    reception = Reception(names={"api_request"})

    async def alone(data: bytes) -> None:
        os.write(baseline_fd, encode_record(Record(received_at=NOON, machine_at=NOON, entries=decode(data))))

    def taken(data: bytes) -> Record:
        return Record(received_at=NOON, machine_at=NOON, entries=accept_body(data, reception).accepted)

    async def acknowledged(data: bytes) -> None:
        await writer.append(taken(data))

    for clients in CLIENTS:
        pairs = []
        for _ in range(ROUNDS):
            pairs.append((await run(alone, body, clients), await run(acknowledged, body, clients)))
            os.ftruncate(baseline_fd, 0)
        walls, cpus = [b.wall / a.wall for a, b in pairs], [b.cpu / a.cpu for a, b in pairs]
        print(
            f"{clients} clients: read + decode + append alone {median(a.wall for a, _ in pairs):,.0f} events/s, "
            f"acknowledged {median(b.wall for _, b in pairs):,.0f} events/s; "
            f"ratio {median(walls):.2f} ({min(walls):.2f} to {max(walls):.2f}), of processor time {median(cpus):.2f}"
        )
    writer.close()


if __name__ == "__main__":
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        try:
            import uvloop

            uvloop.run(main(Path(name)))
        except ImportError:
            asyncio.run(main(Path(name)))
