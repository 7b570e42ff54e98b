"""What may replace what is served, and what lies over it (RULES B6, B7)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ebbgate.core.flags import LeaseTerms, raw_document
from ebbgate.sdk.client import Client
from ebbgate.sdk.holder import SnapshotHolder
from ebbgate.sdk.kills import KillList, parse_kills
from ebbgate.sdk.serving import SeenUnits
from ebbgate.sdk.timing import Timing

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
USER = {"targetingKey": "user-1"}
FLAG: dict[str, Any] = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}


@pytest.fixture
def holder(clock: Any) -> SnapshotHolder:
    return a_holder(clock)


def a_holder(clock: Any, kill: str = "") -> SnapshotHolder:
    return SnapshotHolder(environment="production", clock=clock, timing=Timing(), kills=KillList(kill, None), disk=None)


def served(holder: SnapshotHolder, flag: str) -> tuple[Any, str | None, str]:
    """What a call would get now."""
    assert holder.serving is not None
    details = holder.serving.evaluate(flag, "default", USER, None)
    return details.value, details.variant, details.reason


def lapsed(holder: SnapshotHolder, flag: str) -> tuple[Any, str | None, str]:
    assert holder.serving is not None
    details = holder.serving.evaluate_lapsed(flag, "default", USER, None)
    return details.value, details.variant, details.reason


def test_a_newer_version_replaces_and_an_older_one_does_not(holder: SnapshotHolder, a_snapshot: Any) -> None:
    assert holder.receive(a_snapshot(2))
    assert not holder.receive(a_snapshot(1))
    assert holder.receive(a_snapshot(2))  # in force already
    assert holder.receive(a_snapshot(3))
    assert holder.snapshot_version == 3


def test_a_server_that_began_anew_is_followed(holder: SnapshotHolder, a_snapshot: Any) -> None:
    """A lower version that was published later is no late answer: versions only grow within one history."""
    holder.receive(a_snapshot(50))
    assert holder.receive(a_snapshot(1, published_at=NOON + timedelta(hours=1)))
    assert holder.snapshot_version == 1


def test_a_snapshot_brings_the_plan_clock(holder: SnapshotHolder, clock: Any, a_snapshot: Any) -> None:
    assert clock.mapping is None
    holder.receive(a_snapshot(1))
    assert clock.mapping.origin_at == NOON


def test_another_environments_snapshot_is_refused(holder: SnapshotHolder, a_snapshot: Any) -> None:
    assert not holder.receive(a_snapshot(1, environment="staging"))
    assert holder.serving is None
    assert "staging" in (holder.notices.last_error or "")


@pytest.mark.parametrize("document", [{"flags": 3}, {"flags": {"a": {"state": "ENABLED", "variants": {}}}}])
def test_a_broken_document_leaves_the_last_good_one(holder: SnapshotHolder, a_snapshot: Any, document: Any) -> None:
    holder.receive(a_snapshot(1))
    assert not holder.receive(a_snapshot(2, document=raw_document(document)))
    assert holder.snapshot_version == 1
    assert served(holder, "old") == (True, "on", "STATIC")


def test_a_lease_lapses_when_the_server_is_lost_for_longer(holder: SnapshotHolder, clock: Any, a_snapshot: Any) -> None:
    holder.receive(a_snapshot(1))
    holder.heard()
    assert holder.serving is not None
    lease = holder.serving.plans["new"].lease
    assert lease is not None
    clock.now = 60.0
    assert not holder.contact.has_lapsed(lease, clock.now)
    clock.now = 60.1
    assert holder.contact.has_lapsed(lease, clock.now)
    assert lapsed(holder, "new") == (False, "off", "STALE")
    assert lapsed(holder, "old") == (True, "on", "STATIC")
    holder.heard()
    assert not holder.contact.has_lapsed(lease, clock.now)


def test_a_short_lease_does_not_lapse_between_keepalives(holder: SnapshotHolder, clock: Any, a_snapshot: Any) -> None:
    """A stream that stands is a server that is there: its keepalives come every 10 s."""
    holder.receive(a_snapshot(1, leases={"new": LeaseTerms(control_variant="off", server_lost_s=5)}))
    holder.heard()
    holder.found()
    assert holder.serving is not None
    lease = holder.serving.plans["new"].lease
    assert lease is not None
    clock.now = 12.0
    assert not holder.contact.has_lapsed(lease, clock.now)
    holder.lost("gone")
    assert holder.contact.has_lapsed(lease, clock.now)


@pytest.mark.parametrize(
    ("kill", "answer"),
    [
        ("new", (False, "off", "STATIC")),  # the rollout's control
        ("new=on", (True, "on", "STATIC")),
        ("new=no_such_variant", (False, "off", "STATIC")),  # told, and control
        ("elsewhere", (True, "on", "TARGETING_MATCH")),
    ],
)
def test_a_kill_outranks_the_rollout_and_the_lease(clock: Any, a_snapshot: Any, kill: str, answer: Any) -> None:
    holder = a_holder(clock, kill)
    holder.receive(a_snapshot(1))
    assert served(holder, "new") == answer
    if kill != "elsewhere":
        assert lapsed(holder, "new") == answer


@pytest.mark.parametrize(
    ("variants", "default", "value"),
    [
        ({"on": True, "off": False}, "on", False),
        ({"new": "N", "old": "O"}, "old", "O"),
        ({"new": "N", "old": "O"}, None, "default"),
    ],
)
def test_a_kill_outside_a_rollout_serves_off_or_the_default(
    clock: Any, a_snapshot: Any, variants: Any, default: str | None, value: Any
) -> None:
    flag = {"state": "DISABLED", "variants": variants, "defaultVariant": default}
    holder = a_holder(clock, "flag")
    holder.receive(a_snapshot(1, flags={"flag": flag}, leases={}))
    assert served(holder, "flag")[0] == value


def test_kills_are_read_with_comments_and_spaces() -> None:
    assert parse_kills(" a , b = on,,\n# c\nd=\n=x\ne#f") == {"a": None, "b": "on", "d": None, "e": None}


def test_the_first_notice_is_ready_and_a_change_names_its_flags(holder: SnapshotHolder, a_snapshot: Any) -> None:
    notices: list[Any] = []
    for kind in ("ready", "changed", "stale"):
        holder.notices.on(kind, notices.append)
    holder.receive(a_snapshot(1))
    holder.found()
    changed = {"old": {**FLAG, "defaultVariant": "off"}, "extra": FLAG}
    holder.receive(a_snapshot(2, flags=changed, leases={}))
    holder.found()
    holder.lost("gone")
    holder.lost("still gone")
    holder.notices.dispatch()
    assert [(notice.kind, notice.flags_changed) for notice in notices] == [
        ("ready", ()),
        ("changed", ("extra", "new", "old")),
        ("stale", ()),
    ]


def test_units_are_remembered_within_the_bound() -> None:
    seen = SeenUnits(units_max=100)
    assert seen.is_new("often")
    for number in range(1000):
        assert seen.is_new(f"user-{number}")
        assert not seen.is_new("often")  # looked at all the time, never forgotten
    assert not seen.is_new("user-999")
    assert seen.is_new("user-0")  # long forgotten


def test_an_evaluation_names_what_the_context_lacked(holder: SnapshotHolder, a_snapshot: Callable[..., bytes]) -> None:
    """DESIGN section 5: "312 evaluations, 0 carried `email`"."""
    in_team = {"some": [{"var": "teams"}, {"==": [{"var": "id"}, 1]}]}  # `id` is a team's, not the context's
    key = {"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]}
    named = {"or": [{"==": [{"var": "email"}, "a"]}, {"$ref": "staff"}, in_team]}
    rule = {"if": [named, "on", {"fractional": [key, ["on", 1], ["off", 1]]}]}
    document = {
        "flags": {"new": {**FLAG, "targeting": rule}},
        "$evaluators": {"staff": {"in": [{"var": ["user.role", ""]}, ["qa"]]}},
    }
    holder.receive(a_snapshot(1, document=raw_document(document)))
    assert holder.serving is not None
    lease = holder.serving.plans["new"].lease
    assert lease is not None
    assert [name for name, _ in lease.attributes] == ["email", "teams", "user"]


def test_no_call_ever_raises(clock: Any, a_snapshot: Any) -> None:
    class Hostile(dict[str, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            raise RuntimeError("boom")

    client = Client("", "", clock=clock)
    try:
        for _ in range(2):
            for flag in ("old", "new", "nowhere", "", None, [], "\ud800"):
                for context in (None, {}, USER, Hostile(), [], 7, {"targetingKey": object()}):
                    client.boolean_details(flag, True, context)  # type: ignore[arg-type]
            client.track("x", 7)  # type: ignore[arg-type]
            client.track(None, "u", attributes=7)  # type: ignore[arg-type]
            client._holder.receive(a_snapshot(1))
        assert client.status.failures > 0
    finally:
        client.close(timeout=0)


def test_a_restored_server_that_reaches_the_same_number_is_followed(holder: SnapshotHolder, a_snapshot: Any) -> None:
    """RULES H2: what is confirmed is what is served."""
    off = {"old": {**FLAG, "defaultVariant": "off"}}
    holder.receive(a_snapshot(7))
    assert not holder.receive(a_snapshot(7, flags=off, leases={}))  # nothing says that it is newer
    assert served(holder, "old")[0] is True
    assert holder.receive(a_snapshot(7, flags=off, leases={}, published_at=NOON + timedelta(hours=1)))
    assert served(holder, "old")[0] is False


def test_only_a_snapshot_in_force_renews_the_lease(holder: SnapshotHolder, clock: Any, a_snapshot: Any) -> None:
    """RULES B7: a server whose snapshots are refused is as good as lost."""
    holder.receive(a_snapshot(2))
    clock.now = 50.0
    assert not holder.receive(b'{"version": 99}')
    assert not holder.receive(a_snapshot(1))
    assert holder.contact.last_at == 0.0
    assert holder.receive(a_snapshot(2))
    assert holder.contact.last_at == 50.0


def test_a_misspelt_kill_is_told(clock: Any, a_snapshot: Any) -> None:
    holder = a_holder(clock, "new=offf")
    holder.receive(a_snapshot(1))
    assert "new=offf" in (holder.notices.last_error or "")


def test_a_kill_that_is_written_otherwise_than_it_is_read_is_told_and_in_force(clock: Any, a_snapshot: Any) -> None:
    holder = a_holder(clock, "newWidgets=on=z")
    assert holder.notices.last_error == (
        "the kill list of the environment has `newWidgets=on=z`: write `flag` or `flag=variant`, separated by commas"
    )
    assert holder.is_killed("newWidgets")
