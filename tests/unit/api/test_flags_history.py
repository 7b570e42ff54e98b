"""A flag's history: every change a version, readable differences, the way back, deletion."""

from typing import Any

import pytest

from ebbgate.core.errors import ConflictError, NotFoundError

FLAG: dict[str, Any] = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
RULED = {**FLAG, "targeting": {"if": [{"==": [{"var": "tier"}, "gold"]}, "on", "off"]}}


def test_every_change_is_a_version_with_actor_reason_and_what_differs(desk: Any) -> None:
    flags = desk.client().flags
    flags.put("menu", FLAG, reason="first")
    flags.put("menu", {**FLAG, "variants": {"on": False, "off": False}}, reason="oops")
    flags.kill("menu", reason="fire")
    flags.kill("menu", reason="fire again")
    flags.restore("menu", reason="out")
    flags.opt_in("menu", "ada", reason="asked")
    flags.opt_out("menu", "ada", reason="no more")
    versions = flags.history("menu")
    assert [(v.version, v.action, v.reason, v.changes) for v in versions] == [
        (6, "flag.opt_out", "no more", ("ada opted out",)),
        (5, "flag.opt_in", "asked", ("ada opted in",)),
        (4, "flag.restore", "out", ("the kill was lifted",)),
        (3, "flag.kill", "fire", ("killed: everybody gets `off`",)),
        (2, "flag.put", "oops", ("variant `on`: true -> false",)),
        (1, "flag.put", "first", ("the flag was made",)),
    ]
    assert {v.actor for v in versions} == {"the operator"}
    assert [v.snapshot_version for v in versions][:1] == [flags.get("menu").snapshot_version]
    assert flags.get("menu").version == 6
    assert [v.version for v in flags.history("menu", before=4, limit=2)] == [3, 2]
    assert flags.history("menu", before=4, limit=2)[1].changes == versions[4].changes


def test_two_versions_are_compared_either_way(desk: Any) -> None:
    flags = desk.client().flags
    flags.put("menu", FLAG, reason="first")
    flags.put("menu", RULED, reason="second")
    flags.opt_in("menu", "ada", reason="third")
    there, back = flags.diff("menu", 1, 3), flags.diff("menu", 3, 1)
    assert there.changes[0].startswith("targeting added")
    assert there.changes[1] == "opt-in list: 0 -> 1 units"
    assert back.changes[0].startswith("targeting removed")
    assert (there.older_definition, there.newer_definition) == (FLAG, RULED)
    with pytest.raises(NotFoundError, match="no version 4") as raised:
        flags.diff("menu", 1, 4)
    assert "1 to 3" in raised.value.hint


def test_a_revert_is_a_new_version_and_leaves_kill_and_opt_in_alone(desk: Any) -> None:
    flags = desk.client().flags
    flags.put("menu", FLAG, reason="first")
    flags.put("menu", RULED, reason="second")
    flags.opt_in("menu", "ada", reason="asked")
    flags.kill("menu", reason="fire")
    reverted = flags.revert("menu", 1, reason="as it was", revision=3)
    assert (reverted.definition, reverted.opt_in, reverted.version, reverted.revision) == (FLAG, ("ada",), 5, 4)
    assert reverted.kill is not None
    assert flags.history("menu")[0].action == "flag.revert"
    assert flags.revert("menu", 1, reason="again").version == 5, "it is so already"
    with pytest.raises(ConflictError, match="revision 4"):
        flags.revert("menu", 2, reason="late", revision=3)


def test_nothing_is_reverted_or_deleted_while_a_rollout_runs(desk: Any) -> None:
    desk.start()
    flags = desk.client().flags
    assert [version.action for version in flags.history("newWidgets")] == ["flag.put"]
    before = desk.audit()
    with pytest.raises(ConflictError, match="is running"):
        flags.revert("newWidgets", 1, reason="r")
    with pytest.raises(ConflictError, match="is running"):
        flags.delete("newWidgets", reason="r")
    assert desk.audit() == before


def test_a_deleted_flag_is_gone_from_what_is_served_and_a_revert_brings_it_back(desk: Any) -> None:
    flags = desk.client().flags
    flags.put("menu", FLAG, reason="first")
    with pytest.raises(ConflictError, match="revision 1"):
        flags.delete("menu", reason="r", revision=2)
    gone = flags.delete("menu", reason="nobody asks", revision=1)
    assert gone.version == 2
    assert desk.client().environments.export_flags("production", is_served=True)["flags"] == {}
    with pytest.raises(NotFoundError):
        flags.get("menu")
    assert flags.history("menu")[0].changes == ("the flag was deleted",)
    with pytest.raises(ConflictError, match="deletion"):
        flags.revert("menu", 2, reason="r")
    back = flags.revert("menu", 1, reason="they do ask")
    assert (back.definition, back.version, back.revision) == (FLAG, 3, 1)


def test_a_flag_that_is_made_anew_has_no_rule_of_an_old_rollout(desk: Any) -> None:
    desk.start()
    desk.live(1)
    with desk.store.transaction() as tx:
        (state,) = tx.rollouts()
        import msgspec

        from ebbgate.core.rollouts.state import Status

        succeeded = msgspec.structs.replace(state, status=Status.SUCCEEDED, revision=state.revision + 1)
        tx.put_rollout(succeeded)
    flags = desk.client().flags
    assert flags.get("newWidgets").rollout_id == state.id
    flags.delete("newWidgets", reason="the code is gone")
    made = flags.put("newWidgets", FLAG, reason="another thing of that name")
    assert made.rollout_id is None
    assert made.served == FLAG


def test_a_flag_that_never_was_has_no_history(desk: Any) -> None:
    with pytest.raises(NotFoundError, match="nor was there ever one"):
        desk.client().flags.history("menu")
    assert desk.call("GET", "/api/v1/flags/menu/diff", params={"older": 1, "newer": 2}).status_code == 404


def test_a_kill_by_a_rollback_is_in_the_history(desk: Any) -> None:
    desk.start()
    desk.client().rollouts.roll_back("newWidgets", reason="it hurts")
    newest = desk.client().flags.history("newWidgets")[0]
    assert (newest.action, newest.reason, newest.changes) == (
        "flag.kill",
        "it hurts",
        ("killed: everybody gets `off`",),
    )


def test_a_flag_that_is_older_than_its_history_was_not_made_by_its_first_version(desk: Any) -> None:
    from ebbgate.ports.control_store import FlagRow

    with desk.store.transaction() as tx:
        now = desk.clock.machine_now()
        tx.put_flag(FlagRow(environment="production", key="menu", definition=FLAG, revision=1, updated_at=now))
    flags = desk.client().flags
    assert flags.history("menu") == ()
    flags.put("menu", RULED, reason="a rule")
    assert flags.history("menu", before=1) == ()
    (version,) = flags.history("menu")
    assert (version.version, version.revision, version.changes) == (1, 2, ())
