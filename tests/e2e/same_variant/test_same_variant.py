"""The same user has the same variant, whoever asks, wherever and however often (RULES B1 to B3; issue 2: 5)."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from ebbgate.core.audiences import unit_bucket

PLAN = """
app: dashboard
flag: newWidgets
mode: act
commander: devops-lead
audiences:
  internal: {email: "*@example.com"}
  bots: {agent: "*bot*"}
exclude: bots
phases:
  - {name: internal, to: 5%, who: internal, stay: 1d..9d}
  - {name: few, to: 20%, who: random, stay: 1d..9d}
  - {name: half, to: 50%, who: random, stay: 1d..9d}
  - {name: full, to: 100%, who: everyone, watch: 9d}
guardrails:
  errors: {rate: api_error / api_request, worse_by: 5pp}
"""
RANDOM_PLAN = """
app: dashboard
flag: newWidgets
mode: act
commander: devops-lead
phases:
  - {name: few, to: 10%, who: random, stay: 1d..9d}
  - {name: full, to: 100%, who: everyone, watch: 9d}
guardrails:
  errors: {rate: api_error / api_request, worse_by: 5pp}
"""
VECTORS = json.loads((Path(__file__).parents[3] / "spec/vectors/bucketing.json").read_text("utf-8"))
EXPOSED = {"on", "on_audience"}


def users(count: int) -> list[dict[str, Any]]:
    """A thirtieth of them belongs to the internal audience, a fortieth are bots."""
    return [
        {
            "targetingKey": f"user-{n}",
            "email": f"u{n}@{'example.com' if n % 30 == 0 else 'customers.example'}",
            "agent": "a bot" if n % 40 == 7 else "a browser",
        }
        for n in range(count)
    ]


def exposed(variants: dict[str, str | None]) -> set[str]:
    return {user for user, variant in variants.items() if variant in EXPOSED}


def test_a_user_has_one_variant_in_sdk_and_ofrep_over_restarts_and_keeps_the_new_version_over_phases(
    serve: Any, administer: Any, connect: Any, eventually: Any, by_sdk: Any, by_openfeature: Any, by_ofrep: Any
) -> None:
    everybody = users(240)
    bots = {f"user-{n}" for n in range(7, 240, 40)}
    server = serve()
    control = administer(server)
    token = control.tokens.create("server", "test", reason="to ask").secret
    client = connect(server.edge_url, token)

    def is_current() -> bool:
        return bool(client.snapshot_version == control.flags.get("newWidgets").snapshot_version)

    control.rollouts.start(PLAN, release="v2.0.0", reason="to see who gets it")
    reached = []
    for phase in range(4):
        eventually(is_current, f"phase {phase} to reach the SDK")
        seen = by_sdk(client, everybody)
        assert by_openfeature(client, everybody) == seen
        assert by_ofrep(server.edge_url, token, everybody) == seen
        if phase in (1, 2):
            server.stop()
            server.start()
            eventually(lambda: client.status.is_live, "the SDK to reconnect")
        assert by_sdk(client, everybody) == seen
        another = connect(server.edge_url, token, name="another process")
        assert another.wait_ready(15)
        assert by_sdk(another, everybody) == seen
        reached.append(seen)
        if phase < 3:
            assert control.rollouts.promote("newWidgets", reason="the next phase, please").status in (
                "running",
                "watching",
            )

    assert {reached[0][user] for user in exposed(reached[0])} == {"on_audience"}
    assert len(exposed(reached[0])) == 8
    for earlier, later in pairwise(reached):
        assert exposed(earlier) < exposed(later)  # nested: nobody loses it, and more get it
        assert all(later[user] == earlier[user] for user in exposed(earlier))
    assert exposed(reached[3]) == {user["targetingKey"] for user in everybody} - bots
    told = [{seen[bot] for bot in bots} for seen in reached]
    assert told == [{"off_excluded"}] * 3 + [{"on_excluded"}]  # by every evaluator alike


def test_the_variants_that_flagd_publishes_come_out_of_sdk_provider_and_ofrep(
    serve: Any, administer: Any, connect: Any, eventually: Any
) -> None:
    rows = [row for row in VECTORS["published"] if row["bucketing"] == "v2"]
    server = serve()
    control = administer(server)
    token = control.tokens.create("server", "test", reason="to ask").secret
    client = connect(server.edge_url, token)
    for row in rows:
        names = {row["variant"], *(r["variant"] for r in VECTORS["published"]), "tails", "spades"}
        definition = {
            "state": "ENABLED",
            "variants": {name: name for name in sorted(names)},
            "defaultVariant": "clubs",
            "targeting": row["rule"],
        }
        control.flags.put(row["flag"], definition, reason="flagd's example")
    newest = control.flags.get(rows[-1]["flag"]).snapshot_version
    eventually(lambda: client.snapshot_version == newest, "the flags to reach the SDK")

    for row in rows:
        answer = httpx.post(
            f"{server.edge_url}/ofrep/v1/evaluate/flags/{row['flag']}",
            json={"context": row["context"]},
            headers={"x-api-key": token},
        ).json()
        assert answer["variant"] == answer["value"] == row["variant"]
        assert client.string_value(row["flag"], "none", row["context"]) == row["variant"]


def test_another_rollout_of_the_flag_draws_others_and_so_does_a_retry_once_the_hash_was_open(
    serve: Any, administer: Any, connect: Any, eventually: Any, by_sdk: Any
) -> None:
    everybody = users(2000)
    server = serve()
    control = administer(server)
    client = connect(server.edge_url, control.tokens.create("server", "test", reason="to ask").secret)

    def drawn() -> set[str]:
        newest = control.flags.get("newWidgets").snapshot_version
        eventually(lambda: client.snapshot_version == newest, "the draw to reach the SDK")
        return exposed(by_sdk(client, everybody))

    def by_hash(salt: str) -> set[str]:
        keys = [user["targetingKey"] for user in everybody]
        return {key for key in keys if unit_bucket(salt, key) < 100_000}

    first = control.rollouts.start(RANDOM_PLAN, release="v2.0.0", reason="first try").id
    control.rollouts.abort(first, reason="before anybody was seen to ask")
    second = control.rollouts.retry(first, reason="somebody may have asked: exposures can still be on their way").id
    second_draw = drawn()
    assert client.flush(15)
    eventually(lambda: control.observations.totals().exposures >= len(everybody), "exposures to be read")
    control.rollouts.abort(second, reason="seen enough")
    third = control.rollouts.retry(second, reason="with others").id
    retried = drawn()
    control.rollouts.abort(third, reason="seen enough")
    fourth = control.rollouts.start(RANDOM_PLAN, release="v2.1.0", reason="the next release").id
    renewed = drawn()

    assert second_draw == by_hash(second)  # B2: the salt is kept only if nobody can have been exposed
    assert retried == by_hash(third)
    assert renewed == by_hash(fourth)
    for draw in (second_draw, by_hash(first), retried, renewed):
        assert 150 < len(draw) < 250
    for one, other in (
        (by_hash(first), second_draw),
        (second_draw, retried),
        (retried, renewed),
        (second_draw, renewed),
    ):
        assert len(one & other) < 45  # 20 expected of independent draws; all 200 of repeated ones


@pytest.mark.parametrize("context", [None, {}, {"targetingKey": ""}, {"targetingKey": 42}, {"targetingKey": None}])
def test_a_key_that_is_missing_empty_or_no_text_gets_the_old_version(
    context: dict[str, Any] | None, keyless_world: Any
) -> None:
    """RULES B2, at 100 %: everybody with a key has the new version."""
    client, url, token = keyless_world
    answer = httpx.post(
        f"{url}/ofrep/v1/evaluate/flags/newWidgets",
        json={} if context is None else {"context": context},
        headers={"x-api-key": token},
    ).json()
    details = client.boolean_details("newWidgets", True, context)

    assert (answer["value"], answer["variant"]) == (False, "off")
    assert (details.value, details.variant) == (False, "off")
    assert client.boolean_value("newWidgets", False, {"targetingKey": "somebody"}) is True


def test_evaluations_without_a_key_are_counted(
    serve: Any, administer: Any, connect: Any, eventually: Callable[..., None]
) -> None:
    server = serve()
    control = administer(server)
    client = connect(server.edge_url, control.tokens.create("server", "test", reason="to ask").secret)
    control.rollouts.start(RANDOM_PLAN, release="v2.0.0", reason="to count")
    newest = control.flags.get("newWidgets").snapshot_version
    eventually(lambda: client.snapshot_version == newest)
    for context in (None, {}, {"targetingKey": ""}, {"targetingKey": "user-1"}):
        client.boolean_value("newWidgets", True, context)

    def keyless() -> list[tuple[int, int]]:
        return [
            (c.evaluations, c.keyless) for c in control.observations.arrivals().evaluations if c.flag == "newWidgets"
        ]

    eventually(lambda: keyless() == [(4, 3)], "the counts to arrive")
    assert control.observations.totals().exposures == 1
