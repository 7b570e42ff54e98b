"""The snapshot travels as JSON and comes back the same."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.core.clock import ClockMapping
from ebbgate.core.errors import FlagDocumentError
from ebbgate.core.flags import Evaluator, LeaseTerms, Snapshot, decode_snapshot, encode_snapshot, raw_document
from ebbgate.core.flags.snapshot import replaces

Build = Callable[..., dict[str, Any]]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def a_snapshot(document: dict[str, Any], **fields: Any) -> Snapshot:
    return Snapshot(
        version=7,
        environment="production",
        flag_set="shop",
        published_at=NOON,
        clock=ClockMapping(origin_at=NOON, plan_origin_at=NOON, scale=600.0),
        document=raw_document(document),
        leases={"new-widgets": LeaseTerms(control_variant="off", rollout_id="r-1")},
        **fields,
    )


def test_a_snapshot_survives_the_wire(a_document: Build) -> None:
    snapshot = a_snapshot(a_document(), bucketing="v3")
    wire = encode_snapshot(snapshot)
    again = decode_snapshot(wire)
    assert encode_snapshot(again) == wire
    assert (again.version, again.bucketing, again.clock, again.leases) == (
        7,
        "v3",
        snapshot.clock,
        {"new-widgets": LeaseTerms(control_variant="off", server_lost_s=900.0, rollout_id="r-1")},
    )


def test_an_evaluator_takes_the_bucketing_of_its_snapshot(a_document: Build) -> None:
    evaluator = Evaluator(decode_snapshot(encode_snapshot(a_snapshot(a_document(), bucketing="v3"))))
    assert evaluator.bucketing == "v3"
    assert evaluator.evaluate("new-widgets", True, {}, "boolean").value is False


@pytest.mark.parametrize("data", [b"", b"{}", b'{"version": "7"}', b"\xff", b"[" * 100_000])
def test_what_is_no_snapshot_is_refused(data: bytes) -> None:
    with pytest.raises(FlagDocumentError):
        decode_snapshot(data)


def test_a_server_that_began_anew_replaces_what_is_served(a_document: Build) -> None:
    """A restored backup reaches the same numbers again, with other content."""
    served = a_snapshot(a_document())
    later, other = NOON + timedelta(hours=1), raw_document({"flags": {}})

    def like(**changes: Any) -> Snapshot:
        return msgspec.structs.replace(served, **changes)

    assert replaces(served, None)
    assert replaces(like(version=8), served)
    assert replaces(like(version=6, published_at=later), served)
    assert replaces(like(published_at=later, document=other), served)
    assert not replaces(like(version=6), served)
    assert not replaces(like(document=other), served)  # published at the same time: nothing says that it is newer
    assert not replaces(like(published_at=later), served)
    assert not replaces(served, served)
