"""The commands that manage flags, against the real API in process."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ebbgate.cli.exits import Exit

FLAG: dict[str, Any] = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
Ebbgate = Callable[..., Any]


@pytest.fixture
def run(desk: Any, ebbgate: Ebbgate, monkeypatch: pytest.MonkeyPatch) -> Ebbgate:
    """A command line whose client talks to the app in process, with an operator's token or the one of `--token`."""

    @contextmanager
    def open_client(_url: str | None, token: str | None) -> Iterator[Any]:
        yield desk.client(token or "operator")

    monkeypatch.setattr("ebbgate.cli.connection.open_client", open_client)
    return ebbgate


def said(run: Ebbgate, *arguments: str) -> Any:
    ran = run(*arguments, "--json")
    assert ran.status == Exit.OK, ran.err
    return json.loads(ran.out)


def read_from(monkeypatch: pytest.MonkeyPatch, document: Any) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    monkeypatch.setattr("sys.stdin.read", lambda: text)


def test_history_diff_revert_and_delete(run: Ebbgate, desk: Any) -> None:
    desk.client().flags.put("menu", FLAG, reason="first")
    desk.client().flags.put("menu", {**FLAG, "defaultVariant": "on"}, reason="second")
    table = run("flag", "history", "menu").out
    assert "defaultVariant: `off` -> `on`" in table
    assert "the operator" in table
    assert [version["version"] for version in said(run, "flag", "history", "menu", "--limit", "1")] == [2]
    assert "defaultVariant: `on` -> `off`" in run("flag", "diff", "menu", "2", "1").out
    assert "nothing differs" in run("flag", "diff", "menu", "2", "2").out
    assert said(run, "flag", "revert", "menu", "--to", "1", "--reason", "r", "--revision", "2")["definition"] == FLAG
    assert run("flag", "revert", "menu", "--to", "2", "--reason", "r", "--revision", "2").status == Exit.ERROR
    gone = run("flag", "delete", "menu", "--reason", "nobody asks")
    assert gone.status == Exit.OK
    assert "ebbgate flag revert menu --to 3" in gone.out
    assert run("flag", "delete", "menu", "--reason", "again").status == Exit.ERROR
    assert run("flag", "history", "never").status == Exit.ERROR


@pytest.mark.parametrize("command", [("revert", "menu", "--to", "1"), ("delete", "menu"), ("import", "-")])
def test_a_change_needs_a_reason(run: Ebbgate, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    ran = run("flag", *command)
    assert ran.status == Exit.USAGE
    assert "--reason" in ran.err


def test_environments_are_listed_created_and_drawn_anew(run: Ebbgate, desk: Any) -> None:
    assert said(run, "environment", "create", "staging", "--reason", "tests")["name"] == "staging"
    assert run("environment", "create", "staging", "--reason", "again").status == Exit.ERROR
    assert run("environment", "create", "../x", "--reason", "r").status == Exit.USAGE
    rollout = desk.start()
    changed = run("environment", "bucketing", "production", "v3", "--reason", "r")
    assert changed.status == Exit.OK
    assert f"aborted: {rollout}" in changed.out
    assert run("environment", "bucketing", "production", "v4", "--reason", "r").status == Exit.USAGE
    listed = run("environment", "list").out
    assert "staging" in listed
    assert "v3" in listed


def test_what_was_exported_can_be_imported_elsewhere(run: Ebbgate, desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.client().flags.put("menu", FLAG, reason="first")
    run("environment", "create", "staging", "--reason", "tests")
    exported = run("flag", "export").out
    assert json.loads(exported) == said(run, "flag", "export")
    read_from(monkeypatch, exported)
    shown = run("flag", "import", "-", "--dry-run", "--environment", "staging")
    assert shown.status == Exit.OK
    assert "created  menu" in shown.out
    assert "1 flags would be changed" in shown.out
    assert said(run, "flag", "export", "--environment", "staging")["flags"] == {}
    done = said(run, "flag", "import", "-", "--reason", "r", "--replace", "--environment", "staging")
    assert [flag["action"] for flag in done["flags"]] == ["created"]
    assert said(run, "flag", "export", "--served", "--environment", "staging")["flags"] == {"menu": FLAG}
    assert run("flag", "import", "-", "--reason", "r", "--snapshot", "1", "--environment", "staging").status == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"flags": {"a": {}}}', "[" * 5000])
def test_what_is_no_document_is_a_usage_error(run: Ebbgate, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read_from(monkeypatch, text)
    assert run("flag", "import", "-", "--dry-run").status == Exit.USAGE


def test_a_user_opts_in_with_a_client_token(run: Ebbgate, desk: Any) -> None:
    desk.client().flags.put("menu", {**FLAG, "metadata": {"optIn": True}}, reason="r")
    asked = ("menu", "ada", "--as-user", "--token", "client")
    assert "ada is on the list of menu" in run("flag", "opt-in", *asked).out
    assert desk.client().flags.get("menu").opt_in == ("ada",)
    assert said(run, "flag", "opt-out", *asked)["is_in"] is False
    assert run("flag", "opt-in", "menu", "ada", "--token", "client").status == Exit.FORBIDDEN


def test_silence_is_told(run: Ebbgate, desk: Any) -> None:
    assert "every flag of production is evaluated" in run("flag", "stale").out
    desk.client().flags.put("menu", FLAG, reason="r")
    assert "was never evaluated" in run("flag", "stale").out
    assert said(run, "flag", "stale")[0]["kind"] == "never_evaluated"
    assert run("flag", "stale", "--environment", "nowhere").status == Exit.ERROR


def test_a_file_that_is_not_there_is_a_usage_error(run: Ebbgate) -> None:
    assert run("flag", "import", str(Path("no", "such.json")), "--dry-run").status == Exit.USAGE


@pytest.mark.parametrize("is_array", [False, True])
def test_one_flag_of_a_document_brings_what_it_refers_to(
    run: Ebbgate, desk: Any, monkeypatch: pytest.MonkeyPatch, is_array: bool
) -> None:
    flag = {**FLAG, "targeting": {"if": [{"$ref": "gold"}, "on", "off"]}}
    flags = [{"key": "menu", **flag}, {"key": "other", **FLAG}] if is_array else {"menu": flag, "other": FLAG}
    gold = {"==": [{"var": "tier"}, "gold"]}
    read_from(monkeypatch, {"flags": flags, "$evaluators": {"gold": gold}, "metadata": {"version": "7"}})
    written = said(run, "flag", "put", "menu", "-", "--reason", "gold customers first")
    assert written["definition"] == {**FLAG, "targeting": {"if": [gold, "on", "off"]}}
    assert run("flag", "put", "nope", "-", "--reason", "r").status == Exit.USAGE
    assert [found.key for found in desk.client().flags.list()] == ["menu"]
