"""Environments, bucketing, documents in and out, silence."""

from typing import Any

import msgspec
import pytest

from ebbgate.core.errors import BadRequestError, ConflictError, FlagDocumentError, NotFoundError
from ebbgate.core.events import Record
from ebbgate.core.events.types import EvaluatorCounts, EvaluatorReport
from ebbgate.core.flags import decode_snapshot

FLAG: dict[str, Any] = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
GOLD = {"==": [{"var": "tier"}, "gold"]}


def test_a_flag_of_an_unknown_environment_is_refused_and_the_hint_names_those_there_are(desk: Any) -> None:
    before = desk.audit()
    with pytest.raises(NotFoundError) as raised:
        desk.client().flags.put("menu", FLAG, reason="r", environment="prodution")
    assert "environments: production" in raised.value.hint
    assert desk.audit() == before


def test_a_rollout_in_an_unknown_environment_is_refused(desk: Any) -> None:
    with pytest.raises(NotFoundError, match="staging"):
        desk.start(environment="staging")


def test_an_environment_is_created_once_and_served_at_once(desk: Any) -> None:
    environments = desk.client().environments
    made = environments.create("staging", reason="tests", bucketing="v3")
    assert (made.bucketing, made.flags) == ("v3", 0)
    assert {e.name: e.bucketing for e in environments.list()} == {"production": "v2", "staging": "v3"}
    with pytest.raises(ConflictError):
        environments.create("staging", reason="again")
    with desk.store.transaction() as tx:
        row = tx.latest_snapshot("staging")
    assert row is not None
    assert row.version == made.snapshot_version
    assert decode_snapshot(row.body).bucketing == "v3"


@pytest.mark.parametrize("name", ["", "../x", "a b", "a\n", ".", "x" * 129])
def test_a_name_that_could_be_no_file_is_refused(desk: Any, name: str) -> None:
    with pytest.raises(BadRequestError):
        desk.client().environments.create(name, reason="r")


def test_another_bucketing_aborts_running_rollouts_and_says_so(desk: Any) -> None:
    environments, rollout = desk.client().environments, desk.start()
    changed = environments.set_bucketing("production", "v3", reason="newest providers")
    assert changed.aborted == (rollout,)
    assert rollout in changed.note
    assert desk.client().rollouts.get(rollout).status.value == "aborted"
    (aborted,) = [row for row in desk.audit() if row.action == "rollout.abort"]
    assert aborted.reason == "bucketing of production changed from v2 to v3: newest providers"
    with desk.store.transaction() as tx:
        snapshot = decode_snapshot(tx.latest_snapshot("production").body)
    assert (snapshot.bucketing, snapshot.leases) == ("v3", {})
    before = desk.audit()
    again = environments.set_bucketing("production", "v3", reason="again")
    assert again.aborted == ()
    assert "nothing was changed" in again.note
    assert desk.audit() == before


def test_a_rollback_under_way_goes_on_when_the_bucketing_changes(desk: Any) -> None:
    rollout = desk.start()
    desk.client().rollouts.roll_back("newWidgets", reason="it hurts")
    changed = desk.client().environments.set_bucketing("production", "v3", reason="r")
    assert changed.aborted == ()
    assert desk.client().rollouts.get(rollout).status.value == "rolling_back"


def test_a_rollout_is_measured_by_the_bucketing_that_it_began_with(desk: Any) -> None:
    from ebbgate.core.rollouts.state import contrast_of

    desk.client().environments.set_bucketing("production", "v3", reason="r")
    rollout = desk.start()
    with desk.store.transaction() as tx:
        assert contrast_of(tx.rollout(rollout)).bucketing == "v3"
    desk.client().rollouts.promote(rollout, reason="to a phase with a share")
    desk.live(30)
    counts = desk.events.assignment(contrast_of(desk.world.rollouts.get(rollout)))
    assert counts.treatment > 0
    assert counts.control > 0
    assert counts.veterans == 0, "nobody's arm contradicts what they saw"


def test_an_export_can_be_imported_again_and_changes_nothing(desk: Any) -> None:
    client = desk.client()
    client.flags.put("menu", {**FLAG, "targeting": {"if": [GOLD, "on", "off"]}}, reason="r")
    document = client.environments.export_flags("production")
    assert document["metadata"] == {"flagSetId": "production"}
    before = desk.audit()
    done = client.environments.import_flags("production", document, reason="r", is_replacing=True)
    assert (done.flags, done.unchanged) == ((), 1)
    assert desk.audit() == before


def test_a_dry_run_says_what_an_import_would_change_and_changes_nothing(desk: Any) -> None:
    client = desk.client()
    client.flags.put("menu", FLAG, reason="r")
    client.flags.put("old", FLAG, reason="r")
    before = desk.audit()
    document = {"flags": {"menu": {**FLAG, "defaultVariant": "on"}, "new": FLAG}}
    seen = client.environments.import_flags("production", document, reason="r", is_dry_run=True, is_replacing=True)
    assert [(flag.flag, flag.action, flag.changes) for flag in seen.flags] == [
        ("menu", "changed", ("defaultVariant: `off` -> `on`",)),
        ("new", "created", ("the flag was made",)),
        ("old", "deleted", ("the flag was deleted",)),
    ]
    assert desk.audit() == before
    done = client.environments.import_flags(
        "production", document, reason="all", is_replacing=True, snapshot_version=seen.snapshot_version
    )
    assert done.flags == seen.flags
    assert done.snapshot_version == seen.snapshot_version + 1, "one snapshot for all of it"
    assert sorted(client.environments.export_flags("production")["flags"]) == ["menu", "new"]
    assert [row.action for row in desk.audit()[len(before) :]] == ["flag.import"] * 3
    with pytest.raises(ConflictError, match="snapshot"):
        client.environments.import_flags("production", document, reason="r", snapshot_version=seen.snapshot_version)


def test_without_replace_nothing_is_deleted(desk: Any) -> None:
    client = desk.client()
    client.flags.put("old", FLAG, reason="r")
    client.environments.import_flags("production", {"flags": {}}, reason="r")
    assert client.flags.get("old").version == 1


def test_a_document_with_one_bad_flag_is_refused_whole(desk: Any) -> None:
    client = desk.client()
    bad = {"flags": {"good": FLAG, "bad": {**FLAG, "defaultVariant": "none"}}}
    with pytest.raises(FlagDocumentError, match="defaultVariant") as raised:
        client.environments.import_flags("production", bad, reason="r")
    assert raised.value.path == "$.flags.bad.defaultVariant"
    assert client.flags.list() == []


def test_an_import_leaves_flags_of_running_rollouts_alone(desk: Any) -> None:
    client, rollout = desk.client(), desk.start()
    emptied = client.environments.import_flags("production", {"flags": {"a": FLAG}}, reason="r", is_replacing=True)
    assert [(flag.flag, flag.action, flag.rollout_id) for flag in emptied.flags] == [
        ("a", "created", None),
        ("newWidgets", "kept", rollout),
    ]
    changed = {"flags": {"b": FLAG, "newWidgets": {**FLAG, "state": "DISABLED"}}}
    seen = client.environments.import_flags("production", changed, reason="r", is_dry_run=True)
    assert [flag.action for flag in seen.flags] == ["created", "blocked"]
    with pytest.raises(ConflictError, match="newWidgets"):
        client.environments.import_flags("production", changed, reason="r")
    assert [flag.key for flag in client.flags.list()] == ["a", "newWidgets"], "whole, or not at all"


def test_references_and_metadata_of_the_document_come_into_each_flag(desk: Any) -> None:
    client = desk.client()
    document = {
        "$evaluators": {"gold": GOLD, "both": {"and": [{"$ref": "gold"}, True]}},
        "metadata": {"flagSetId": "shop", "version": "7", "owner": "ann"},
        "flags": [
            {"key": "menu", **FLAG, "targeting": {"if": [{"$ref": "both"}, "on", {"$ref": "nowhere"}]}},
            {"key": "owned", **FLAG, "metadata": {"owner": "bob"}},
        ],
    }
    client.environments.import_flags("production", document, reason="r")
    menu, owned = client.flags.get("menu").definition, client.flags.get("owned").definition
    assert menu["targeting"] == {"if": [{"and": [GOLD, True]}, "on", {"$ref": "nowhere"}]}
    assert menu["metadata"] == {"flagSetId": "shop", "owner": "ann"}
    assert owned["metadata"] == {"flagSetId": "shop", "owner": "bob"}


def test_of_flag_sets_that_share_a_key_one_must_be_chosen(desk: Any) -> None:
    client = desk.client()

    def flag(key: str, of: str, default: str) -> dict[str, Any]:
        return {"key": key, **FLAG, "defaultVariant": default, "metadata": {"flagSetId": of}}

    document = {"flags": [flag("menu", "web", "on"), flag("menu", "app", "off"), flag("own", "app", "on")]}
    with pytest.raises(FlagDocumentError, match="'app', 'web'") as refused:
        client.environments.import_flags("production", document, reason="r")
    assert "--flag-set" in refused.value.hint
    with pytest.raises(FlagDocumentError, match="'nobody'") as unknown:
        client.environments.import_flags("production", document, reason="r", flag_set="nobody")
    assert "app, web" in unknown.value.hint
    client.environments.import_flags("production", document, reason="r", flag_set="web")
    assert [(one.key, one.definition["defaultVariant"]) for one in client.flags.list()] == [("menu", "on")]
    client.environments.import_flags("production", document, reason="r", flag_set="app")
    assert [(one.key, one.definition["defaultVariant"]) for one in client.flags.list()] == [
        ("menu", "off"),
        ("own", "on"),
    ]


def test_silence_of_another_environment_is_its_own(desk: Any) -> None:
    client, now = desk.client(), desk.clock.machine_now()
    client.environments.create("staging", reason="r")
    for environment in ("production", "staging"):
        client.flags.put("menu", FLAG, reason="r", environment=environment)
    report = EvaluatorReport(
        evaluator="e", name="e", kind="sdk", state="heartbeat", reported_at=now, environment="staging",
        counts=EvaluatorCounts(evaluations={"menu": 10}),
    )  # fmt: skip
    desk.events.ingest([(1, Record(received_at=desk.clock.plan_now(), machine_at=now, entries=[report]))])
    assert [one.kind for one in client.environments.silence("production")] == ["never_evaluated"]
    assert client.environments.silence("staging") == ()


def test_silence_around_flags_is_named(desk: Any) -> None:
    client = desk.client()
    client.flags.put("menu", {**FLAG, "targeting": {"if": [GOLD, "on", "off"]}}, reason="r")
    client.flags.put("never", FLAG, reason="r")
    client.flags.put("disabled", {**FLAG, "state": "DISABLED"}, reason="r")
    client.flags.put("fine", FLAG, reason="r")
    counts = EvaluatorCounts(
        evaluations={"menu": 1000, "disabled": 4, "gone": 7, "fine": 9},
        code_defaults={"disabled": 4},
        missing_attributes={"menu": {"tier": 250, "no longer read": 9}},
    )
    now = desk.clock.machine_now()
    report = EvaluatorReport(
        evaluator="e", name="e", kind="sdk", state="heartbeat", reported_at=now, counts=counts, received_at=now
    )
    record = Record(received_at=desk.clock.plan_now(), machine_at=now, entries=[report])
    desk.events.ingest([(1, record)])
    assert [(f.flag, f.kind, f.sentence) for f in client.environments.silence("production")] == [
        ("disabled", "code_default", "4 of 4 evaluations (100.0%) got the code's default: the flag is DISABLED"),
        ("menu", "attribute_missing", "its rule asks for `tier`, which 250 of 1,000 evaluations (25.0%) lacked"),
        ("never", "never_evaluated", "was never evaluated"),
        ("gone", "unknown_flag", "was asked for 7 times, but there is no such flag"),
    ]
    assert msgspec.json.encode(client.environments.silence("production"))
