from typing import Any

import pytest

from ebbgate.core.errors import BadRequestError, NotFoundError
from ebbgate.core.flags.view import FlagSwitch
from ebbgate.core.rollouts.state import Status

FLAG = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}


def test_a_flag_comes_back_as_it_was_written_and_as_it_is_served(desk: Any) -> None:
    flags = desk.client().flags
    written = flags.put("menu", FLAG, reason="new", revision=0)
    assert written == flags.get("menu")
    assert written.definition == FLAG
    assert written.served == FLAG
    assert [flag.key for flag in flags.list()] == ["menu"]


def test_a_misspelt_environment_is_told_with_the_ones_that_there_are_and_is_not_an_empty_one(desk: Any) -> None:
    flags = desk.client().flags
    flags.put("menu", FLAG, reason="new")
    for path in ("/flags", "/flags/menu", "/flags/menu/history", "/flags/menu/diff"):
        params = {"environment": "prod", "older": 1, "newer": 1} if path.endswith("diff") else {"environment": "prod"}
        answer = desk.call("GET", f"/api/v1{path}", params=params)
        assert (answer.status_code, answer.json()["detail"]) == (404, "there is no environment 'prod'"), path
        assert answer.json()["hint"].startswith("environments: production;")
    with pytest.raises(NotFoundError) as refused:
        flags.get("menues")
    assert refused.value.hint == "flags there: menu"


def test_a_kill_names_a_variant_that_the_flag_has(desk: Any) -> None:
    flags = desk.client().flags
    flags.put("menu", FLAG, reason="new")
    with pytest.raises(BadRequestError, match="flag 'menu' has no variant 'blue'") as refused:
        flags.kill("menu", reason="stop", variant="blue")
    assert refused.value.hint == "its variants: off, on"
    without_default = {key: value for key, value in FLAG.items() if key != "defaultVariant"}
    flags.put("header", without_default, reason="new")
    with pytest.raises(BadRequestError, match="does not say which variant is the old version"):
        flags.kill("header", reason="stop")


def test_a_key_may_have_any_characters_but_slashes(desk: Any) -> None:
    flags = desk.client().flags
    for key in ("a b", "naïve", "50%", "a?b#c", "日本", "a+b&c=d"):
        assert flags.put(key, FLAG, reason="new").key == key
        assert flags.get(key).key == key


@pytest.mark.parametrize("environment", ["", "a/b", "..", "../../etc", "a b", "production\n", "x" * 129, "é"])
def test_an_environment_that_could_be_no_file_name_is_refused_before_anything_is_stored(
    desk: Any, environment: str
) -> None:
    before = desk.audit()
    body = {"definition": FLAG, "reason": "new"}
    answer = desk.call("PUT", "/api/v1/flags/menu", body, params={"environment": environment})
    assert answer.status_code == 400
    assert "environment" in answer.json()["detail"]
    assert desk.audit() == before


def test_a_flag_belongs_to_its_environment(desk: Any) -> None:
    flags = desk.client().flags
    desk.client().environments.create("staging", reason="new")
    flags.put("menu", FLAG, reason="new", environment="staging")
    assert flags.get("menu", environment="staging").environment == "staging"
    assert desk.call("GET", "/api/v1/flags/menu").status_code == 404


def test_disabling_a_flag_serves_the_old_version_and_enabling_it_lifts_that(desk: Any) -> None:
    flags = desk.client().flags
    flags.put("menu", {**FLAG, "defaultVariant": "off", "targeting": {"if": [True, "on", "off"]}}, reason="new")
    off = flags.set_status("menu", FlagSwitch.DISABLED, reason="it hurts")
    assert off.flag.served == {**FLAG, "defaultVariant": "off"}, "RULES B6: enabled, without targeting"
    assert off.flag.kill is not None
    assert off.flag.kill.actor == "the operator"
    assert off.rollout is None
    on = flags.set_status("menu", FlagSwitch.ENABLED, reason="mended")
    assert on.flag.kill is None
    assert on.flag.served == on.flag.definition


def test_disabling_the_flag_of_a_running_rollout_takes_the_rollout_back(desk: Any) -> None:
    client = desk.client()
    desk.start()
    answer = client.flags.set_status("newWidgets", FlagSwitch.DISABLED, reason="it hurts")
    assert answer.rollout is not None
    assert (answer.rollout.id, answer.rollout.status) == ("newWidgets-1", Status.ROLLING_BACK)
    assert answer.flag.kill is not None
    again = client.flags.set_status("newWidgets", FlagSwitch.DISABLED, reason="it still hurts")
    assert again == answer, "once is enough"


def test_enabling_the_flag_of_a_running_rollout_changes_nothing_and_names_the_rollout(desk: Any) -> None:
    desk.start()
    answer = desk.client().flags.set_status("newWidgets", FlagSwitch.ENABLED, reason="sure?")
    assert answer.rollout is not None
    assert answer.rollout.status is Status.RUNNING


def test_a_kill_may_name_the_variant(desk: Any) -> None:
    flags = desk.client().flags
    flags.put("menu", {k: v for k, v in FLAG.items() if k != "defaultVariant"}, reason="new")
    assert desk.call("POST", "/api/v1/flags/menu/kill", {"reason": "x"}).status_code == 400
    assert flags.kill("menu", reason="x", variant="off").kill.variant == "off"


def test_units_opt_in_and_out(desk: Any) -> None:
    flags = desk.client().flags
    flags.put("menu", FLAG, reason="new")
    assert flags.opt_in("menu", "ada", reason="asked").opt_in == ("ada",)
    assert flags.opt_out("menu", "ada", reason="asked").opt_in == ()
    assert desk.call("POST", "/api/v1/flags/menu/opt-in", {"unit": "", "reason": "x"}).status_code == 400


@pytest.mark.parametrize(
    ("targeting", "path"),
    [
        ({"if": [{"starts_wth": [{"var": "email"}, "a"]}, "on", "off"]}, "$.flags.menu.targeting.if[0].starts_wth"),
        ({"fractional": [["on", 12.5], ["off", 87.5]]}, "$.flags.menu.targeting.fractional[0][1]"),
        ({"if": [{"$ref": "staff"}, "on", "off"]}, "$.flags.menu.targeting"),
    ],
)
def test_a_rule_that_no_evaluator_could_apply_is_refused_and_the_last_good_one_serves(
    desk: Any, targeting: dict[str, Any], path: str
) -> None:
    written = desk.client().flags.put("menu", FLAG, reason="new")
    body = {"definition": {**FLAG, "targeting": targeting}, "reason": "gold customers first"}
    answer = desk.call("PUT", "/api/v1/flags/menu", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "flag_document_invalid")
    assert answer.json()["path"] == path
    assert desk.client().flags.get("menu") == written
