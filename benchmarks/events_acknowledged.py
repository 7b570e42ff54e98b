"""Events acknowledged (checked, appended, fsynced) per second, batches of 1,000, against read, decode, append alone.

Both run in turn in one process on one core, over the same bodies; the ratio is what counts (must 0.5, goal 0.8).
Usage: python benchmarks/events_acknowledged.py [directory]
"""

import asyncio
import os
import socket
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

import msgspec

from ebbgate.adapters.events import SegmentedLogWriter
from ebbgate.core.events import Exposure, Record, TrackedEvent, WireEntry
from ebbgate.core.events.accept import Reception, accept_body
from ebbgate.core.events.frame import encode_record

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BATCH = 1_000
BATCHES = 400
IN_FLIGHT = 8  # clients that wait for their answer


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


async def run(handle, body: bytes) -> float:
    """Events per second, with the bodies read from a socket."""
    ours, theirs = socket.socketpair()
    reader, back = await asyncio.open_connection(sock=ours, limit=2**20)
    _reader, feeder = await asyncio.open_connection(sock=theirs)

    async def feed() -> None:
        for _ in range(BATCHES):
            feeder.write(body)
            await feeder.drain()

    turn = asyncio.Lock()

    async def client() -> None:
        for _ in range(BATCHES // IN_FLIGHT):
            async with turn:
                data = await reader.readexactly(len(body))
            await handle(data)

    began = perf_counter()
    await asyncio.gather(feed(), *(client() for _ in range(IN_FLIGHT)))
    rate = BATCH * BATCHES / (perf_counter() - began)
    feeder.close()
    back.close()
    return rate


async def main(directory: Path) -> None:
    body = a_body()
    decode = msgspec.json.Decoder(list[WireEntry]).decode
    baseline_fd = os.open(directory / "baseline", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    writer = SegmentedLogWriter(directory / "log")
    reception = Reception(received_at=NOON, machine_at=NOON, names={"api_request"})

    async def alone(data: bytes) -> None:
        os.write(baseline_fd, encode_record(Record(received_at=NOON, machine_at=NOON, entries=decode(data))))

    def taken(data: bytes) -> Record:
        return Record(received_at=NOON, machine_at=NOON, entries=accept_body(data, reception).accepted)

    async def acknowledged(data: bytes) -> None:
        await writer.append(taken(data))

    assert BATCHES % IN_FLIGHT == 0  # every client takes the same number of bodies
    rates: dict[str, list[float]] = {"alone": [], "acknowledged": []}
    for _ in range(5):
        rates["alone"].append(await run(alone, body))
        rates["acknowledged"].append(await run(acknowledged, body))
        os.ftruncate(baseline_fd, 0)
    writer.close()
    ratios = [b / a for a, b in zip(*rates.values(), strict=True)]
    print(f"read + decode + append alone: {median(rates['alone']):,.0f} events/s")
    print(f"checked, fsynced, acknowledged: {median(rates['acknowledged']):,.0f} events/s")
    print(f"ratio: {median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        try:
            import uvloop

            uvloop.run(main(Path(name)))
        except ImportError:
            asyncio.run(main(Path(name)))
