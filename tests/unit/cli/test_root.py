"""The command line as a whole: its commands, its errors, its exit statuses."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest

from ebbgate.cli.exits import Exit
from ebbgate.cli.failures import missing_extra, report
from ebbgate.cli.root import root
from ebbgate.core.errors import (
    AuthenticationError,
    BadRequestError,
    ConflictError,
    EbbgateError,
    FlagDocumentError,
    NotFoundError,
    PermissionDeniedError,
    PlanError,
    StoreUnavailableError,
    TransitionError,
)

Ebbgate = Callable[..., Any]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands(root))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_json_and_says_what_it_does(path: tuple[str, ...]) -> None:
    assert any("--json" in parameter.opts for parameter in ALL[path].params)
    assert ALL[path].help


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_shows_its_help_at_80_columns(path: tuple[str, ...], ebbgate: Ebbgate) -> None:
    ran = ebbgate(*path, "--help")
    assert ran.status == Exit.OK
    assert max(map(len, ran.out.splitlines())) <= 80


def test_what_is_missing_comes_with_the_line_to_type(ebbgate: Ebbgate) -> None:
    ran = ebbgate("flag", "restore", "newWidgets")
    assert ran.status == Exit.USAGE
    assert "Missing option '--reason'" in ran.err
    assert "hint: type: ebbgate flag restore KEY --reason TEXT; see `ebbgate flag restore --help`" in ran.err


STEPS = ("rollback", "start", "pause", "resume", "promote", "abort", "retry")
CHANGING = [path for path in ALL if path[-1] in STEPS]


@pytest.mark.parametrize("path", CHANGING, ids=" ".join)
def test_whoever_changes_a_rollout_must_say_why(path: tuple[str, ...], ebbgate: Ebbgate) -> None:
    release = ["--release", "v1"] if path[-1] == "start" else []
    ran = ebbgate(*path, "newWidgets", *release)
    assert ran.status == Exit.USAGE
    assert "--reason" in ran.err
    assert ebbgate(*path, "newWidgets", *release, "--reason", "  ").status == Exit.USAGE


def test_help_names_every_command(ebbgate: Ebbgate) -> None:
    ran = ebbgate("--help")
    assert all(f"  {path[0]} " in ran.out for path in ALL)


def test_nothing_at_all_shows_the_help_as_a_usage_error(ebbgate: Ebbgate) -> None:
    ran = ebbgate()
    assert (ran.status, ran.out) == (Exit.USAGE, "")
    assert "Rollouts:" in ran.err


def test_a_mistyped_command_is_answered_with_the_near_one(ebbgate: Ebbgate) -> None:
    ran = ebbgate("rolout")
    assert ran.status == Exit.USAGE
    assert ran.err == "error: There is no command `rolout`. Did you mean `rollout`?\nhint: see `ebbgate --help`\n"


def test_an_option_before_its_command_is_told_where_it_belongs(ebbgate: Ebbgate) -> None:
    ran = ebbgate("--token", "x", "rollout", "list")
    assert ran.status == Exit.USAGE
    assert "options stand behind the whole command: `ebbgate rollout list --token ...`" in ran.err


def test_a_usage_error_with_json_is_one_document_and_two_lines(ebbgate: Ebbgate) -> None:
    ran = ebbgate("rollout", "get", "--json")
    assert json.loads(ran.out)["error"]["code"] == "usage"
    assert len(ran.err.splitlines()) == 2


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PlanError, 2),
        (FlagDocumentError, 2),
        (BadRequestError, 2),
        (AuthenticationError, 7),
        (PermissionDeniedError, 7),
        (NotFoundError, 1),
        (ConflictError, 1),
        (TransitionError, 1),
        (StoreUnavailableError, 1),
    ],
)
def test_each_kind_of_error_has_its_exit_status(error: type[EbbgateError], status: int) -> None:
    assert report(error("it failed", hint="mend it")) == status


def test_an_error_is_two_lines_with_the_place(capsys: pytest.CaptureFixture[str]) -> None:
    report(PlanError("`500%` cannot be exposed\nat all", hint="write `50%`", path="$.phases[1].to"))
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: `500%` cannot be exposed at all (at $.phases[1].to)\nhint: write `50%`\n"


def test_a_missing_module_names_the_extra() -> None:
    error = missing_extra(ModuleNotFoundError("No module named 'click'", name="click.core"))
    assert (error.code, error.hint) == ("missing_extra", 'pip install "ebbgate[server]"')


def test_a_missing_part_of_ebbgate_itself_is_a_bug_and_stays_one() -> None:
    with pytest.raises(ModuleNotFoundError):
        missing_extra(ModuleNotFoundError("No module named 'ebbgate.nope'", name="ebbgate.nope"))
