"""Snapshots are published one at a time, whoever asks: the API's threads and the loop's."""

import threading

from ebbgate.control.snapshots import SnapshotService
from ebbgate.core.flags import Snapshot
from ebbgate.testing.clock import VirtualClock
from ebbgate.testing.memory_control import MemoryControlStore


class SlowPublisher:
    """Holds the first snapshot until it is let go; notes the versions in the order in which they were written."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.versions: list[int] = []
        self.inside = 0
        self.most_inside = 0

    def publish(self, snapshot: Snapshot) -> None:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        if not self.begun.is_set():
            self.begun.set()
            self.let_go.wait(5)
        self.versions.append(snapshot.version)
        self.inside -= 1


def test_a_snapshot_under_way_is_never_written_over_a_newer_one() -> None:
    store, publisher = MemoryControlStore(), SlowPublisher()
    service = SnapshotService(store, VirtualClock(), publisher)
    service.ensure(["production"])
    first = threading.Thread(target=service.publish)
    first.start()
    assert publisher.begun.wait(5)
    with store.transaction() as tx:
        service.stage(tx, "production", cause="a change while the first is written")
    second = threading.Thread(target=service.publish)
    second.start()
    second.join(0.1)  # without the lock it is through by now
    publisher.let_go.set()
    first.join(5)
    second.join(5)
    assert publisher.versions == [1, 2]
    assert publisher.most_inside == 1
