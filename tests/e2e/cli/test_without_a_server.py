"""What needs no server, and what is said where there is none."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ebbgate.cli.root import root


def test_without_a_token_every_remote_command_is_forbidden_before_anything_is_sent(lone_cli: Any) -> None:
    ran = lone_cli("rollout", "list", EBBGATE_TOKEN="")
    assert ran.status == 7
    assert "ebbgate login" in ran.err


def test_a_server_that_is_not_there_is_an_error_with_a_hint(lone_cli: Any) -> None:
    ran = lone_cli("rollout", "list")
    assert ran.status == 1
    assert "ebbgate serve" in ran.err


def test_init_writes_what_lints_clean_and_replaces_nothing(lone_cli: Any) -> None:
    written = lone_cli.document("init", "shop", "--flag", "checkout")
    assert lone_cli("plan", "lint", "shop/ebbgate.yaml", "--strict").status == 0
    assert "checkout" in lone_cli("plan", "show", "shop/ebbgate.yaml").out
    assert "✓ yes" in lone_cli("plan", "power", "shop/ebbgate.yaml").out
    assert lone_cli.document("plan", "schema")["title"] == "ebbgate.yaml"
    assert all((lone_cli.home / name).exists() for name in written["files"])
    again = lone_cli("init", "shop")
    assert (again.status, "--force" in again.err) == (1, True)


def test_help_loads_neither_http_nor_tables(lone_cli: Any) -> None:
    program = "import sys; from ebbgate.cli.root import run; run(['--help']); print(sorted(sys.modules))"
    loaded = lone_cli.run([sys.executable, "-c", program]).out
    assert not any(f"'{module}'" in loaded for module in ("httpx", "rich", "ruamel.yaml", "duckdb", "litestar"))


def test_without_the_extra_the_command_says_which_one_it_needs(lone_cli: Any) -> None:
    program = "import sys; sys.modules['click'] = None; from ebbgate.cli import main; sys.exit(main())"
    ran = lone_cli.run([sys.executable, "-c", program])
    assert ran.status == 1
    assert 'hint: pip install "ebbgate[server]"' in ran.err


def test_a_reader_that_goes_away_is_no_traceback(lone_cli: Any) -> None:
    ran = lone_cli.run(["sh", "-c", f"{sys.executable} -m ebbgate plan schema | head -1"])
    assert ran.out == "{\n"
    assert ran.err == ""


def test_nothing_is_coloured_for_a_pipe_and_no_colour_is_respected_on_a_terminal(lone_cli: Any) -> None:
    assert "\x1b" not in lone_cli("doctor").out
    forced = lone_cli("plan", "power", lone_cli.plan("plain"), FORCE_COLOR="1", NO_COLOR="1")
    assert "\x1b[3" not in forced.out


def test_the_guides_name_every_command_and_every_option() -> None:
    folder = Path(__file__).parents[3] / "docs" / "guides"
    guide = "\n".join(path.read_text() for path in sorted(folder.glob("*.md"), key=lambda path: path.name != "cli.md"))
    shared = {"--json", "--url", "--token", "--reason", "--environment", "--help"}
    for path, command in commands(root, ()):
        called = f"| `ebbgate {' '.join(path)}"
        row = next((line for line in guide.splitlines() if line.startswith(called)), None)
        assert row is not None, called
        for option in (p for p in command.params if isinstance(p, click.Option) and not p.hidden):
            longest = max(option.opts, key=len)
            assert longest in row or longest in shared, f"{path} {longest}"


def commands(group: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    assert isinstance(group, click.Group)
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from commands(command, (*path, name)) if isinstance(command, click.Group) else [((*path, name), command)]
