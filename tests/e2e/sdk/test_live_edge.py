"""The client against the real edge process."""

from typing import Any

from ebbgate.core.events.types import EvaluatorReport, Exposure, TrackedEvent
from ebbgate.sdk.client import Client


def test_a_rollout_is_pushed_confirmed_and_reported(
    live_edge: Any, connect: Any, a_snapshot: Any, eventually: Any
) -> None:
    live_edge.publish(a_snapshot(1))
    live_edge.start()
    client = connect(url=live_edge.url, token=live_edge.token)
    assert client.wait_ready(10)
    assert client.boolean_value("old", True, {"targetingKey": "user-1"}) is False

    eventually(lambda: _confirmed(live_edge) == {1}, "the first confirmation")

    live_edge.publish(a_snapshot(2, old="on"))
    eventually(lambda: client.boolean_value("old", False, {"targetingKey": "user-1"}), "the pushed value")
    values = {f"user-{i}": client.boolean_value("new", False, {"targetingKey": f"user-{i}"}) for i in range(20)}
    client.track("click", "user-1", 1.5, {"endpoint": "/a"})
    assert client.flush()

    eventually(lambda: _confirmed(live_edge) >= {1, 2}, "both versions confirmed")
    entries = live_edge.entries()
    exposures = {entry.unit: entry for entry in entries if isinstance(entry, Exposure)}
    assert {unit: entry.variant == "on" for unit, entry in exposures.items()} == values
    assert {entry.snapshot_version for entry in exposures.values()} == {2}
    click = next(entry for entry in entries if isinstance(entry, TrackedEvent))
    assert (click.unit, click.value, click.attributes, click.snapshot_version) == ("user-1", 1.5, {"endpoint": "/a"}, 2)
    assert not client.status.rejected


def test_a_killed_edge_costs_no_event_and_comes_back_with_what_was_missed(
    live_edge: Any, connect: Any, a_snapshot: Any, eventually: Any
) -> None:
    """Issue 2, acceptance 7."""
    live_edge.publish(a_snapshot(1))
    live_edge.start()
    client = connect(url=live_edge.url, token=live_edge.token)
    assert client.wait_ready(10)
    ids = [client.track("before", f"user-{i}") for i in range(200)]

    live_edge.kill()
    eventually(lambda: not client.status.is_live, "the loss")
    ids += [client.track("during", f"user-{i}") for i in range(200)]
    live_edge.publish(a_snapshot(2, old="on"))
    assert client.boolean_value("old", True, {"targetingKey": "user-1"}) is False  # the last good one
    live_edge.start()

    eventually(lambda: client.boolean_value("old", False, {"targetingKey": "user-1"}), "the missed version")
    eventually(lambda: client.status.queued == 0, "delivery")
    assert {entry.id for entry in live_edge.entries() if isinstance(entry, TrackedEvent)} == set(ids)


def test_an_unknown_token_is_told_in_the_status(live_edge: Any, a_snapshot: Any) -> None:
    live_edge.publish(a_snapshot(1))
    live_edge.start()
    with Client(live_edge.url, "ebb_server_" + "x" * 43) as stranger:
        assert not stranger.wait_ready(0.3)
        assert "401" in (stranger.status.last_error or "")
        stranger.close(timeout=0.2)


def _confirmed(live_edge: Any) -> set[int | None]:
    return {
        entry.snapshot_version
        for entry in live_edge.entries()
        if isinstance(entry, EvaluatorReport) and entry.state == "confirmed"
    }
