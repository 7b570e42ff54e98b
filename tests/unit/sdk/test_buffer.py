from datetime import UTC, datetime

from ebbgate.sdk.buffer import EventBuffer, PendingEvent, PendingExposure

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def an_event(number: int) -> PendingEvent:
    return PendingEvent(
        id=f"e{number}", unit="u", name="click", value=None, invalid=False, attributes={}, snapshot_version=1, of=None,
        at=NOON.timestamp(), mapping=None,
    )  # fmt: skip


def an_exposure(number: int) -> PendingExposure:
    return PendingExposure(
        id=f"x{number}", unit="u", environment="production", flag_set="app", flag="f", variant="on",
        snapshot_version=1, evaluator="ev", at=NOON.timestamp(), mapping=None,
    )  # fmt: skip


def ids(buffer: EventBuffer) -> list[str]:
    return [entry.id for entry in buffer.take_batch()]


def test_a_batch_stays_until_it_is_settled() -> None:
    buffer = EventBuffer(queue_max=10, batch_max=3)
    for number in range(4):
        buffer.add(an_event(number))
    assert ids(buffer) == ["e0", "e1", "e2"]
    buffer.add(an_exposure(0))
    assert ids(buffer) == ["e0", "e1", "e2"]  # the same entries, with the same ids
    buffer.settle(2)
    assert ids(buffer) == ["e2"]
    buffer.settle(1)
    assert ids(buffer) == ["x0", "e3"]
    assert len(buffer) == 2


def test_a_full_queue_drops_the_oldest_exposure_and_events_only_then() -> None:
    buffer = EventBuffer(queue_max=4, batch_max=10)
    for number in range(2):
        buffer.add(an_event(number))
        buffer.add(an_exposure(number))
    for number in range(2, 5):
        buffer.add(an_event(number))
    assert ids(buffer) == ["e1", "e2", "e3", "e4"]
    assert (buffer.dropped_exposures, buffer.dropped_events) == (2, 1)


def test_when_all_is_being_sent_the_new_entry_is_dropped() -> None:
    buffer = EventBuffer(queue_max=2, batch_max=2)
    buffer.add(an_event(0))
    buffer.add(an_event(1))
    assert ids(buffer) == ["e0", "e1"]
    buffer.add(an_exposure(0))
    buffer.add(an_event(2))
    assert ids(buffer) == ["e0", "e1"]
    assert (buffer.dropped_exposures, buffer.dropped_events) == (1, 1)


def test_entries_that_cannot_be_sent_are_dropped_and_counted() -> None:
    buffer = EventBuffer(queue_max=5, batch_max=5)
    for number in range(3):
        buffer.add(an_event(number))
    batch = buffer.take_batch()
    buffer.keep([batch[0], batch[2]])
    assert ids(buffer) == ["e0", "e2"]
    assert buffer.dropped_events == 1
