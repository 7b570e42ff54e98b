"""Every command that a message tells people to type has all that the command wants: read by click's own parser."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import ebbgate
from ebbgate.cli.root import root

SOURCE = Path(ebbgate.__file__).parent
CALL = re.compile(r"\bebbgate ((?:[a-z]+(?:-[a-z]+)*)\b[^`;\n]*)")
END = re.compile(r", |\. |: | \(|\)|,$|(?<!\.)\.$| && | \| | and | or | for | writes | takes | shows ")
COMMANDS = frozenset(root.list_commands(click.Context(root)))  # type: ignore[attr-defined]
VALUE = "1"
"""Stands for whatever a message puts in: a name, or a number."""


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The string literals, but for docstrings, with `VALUE` for what is put into them."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(v.value) if isinstance(v, ast.Constant) else VALUE for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs | parts:
            yield node.lineno, node.value


def calls(text: str) -> Iterator[str]:
    """Command lines of a text, each without `ebbgate`; of alternatives (`promote|resume`) the first."""
    for found in CALL.finditer(text):
        words = re.sub(r"(\w)(?:\|\w+)+", r"\1", END.split(found.group(1))[0])
        is_quoted = text[found.start() - 1 : found.start()] == "`"
        is_told_to_type = text[: found.start()].endswith(": ")
        if is_quoted and not re.search(r" [^a-z]", words):
            continue  # the name of a command, not a line to type
        if is_quoted or is_told_to_type or words.split()[0] in COMMANDS:
            yield words


def wrong_of(line: str) -> str | None:
    """What click says of a command line; None where nothing is wrong. Nothing is run."""
    command: click.Command | None = root
    there = {"FOLDER": ".", f"--{VALUE}-port": "--edge-port"}  # of a folder click wants that it is there
    arguments = [there.get(word, word) for word in shlex.split(line)]
    if arguments and arguments[-1] == "..." and not arguments[-2].startswith("--"):
        return None  # elided on purpose
    name: str | None = "ebbgate"
    try:
        while isinstance(command, click.Group):
            name, command, arguments = command.resolve_command(click.Context(command, info_name=name), arguments)
        assert command is not None
        command.make_context(name, list(arguments))
    except click.UsageError as error:
        return error.format_message()
    return None


def found() -> list[tuple[str, str]]:
    lines = []
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "ebbgate " not in text:
            continue
        for number, literal in texts(ast.parse(text)):
            lines += [(f"{path.relative_to(SOURCE)}:{number}", line) for line in calls(literal)]
    return lines


def test_every_command_in_a_message_can_be_typed_as_it_stands() -> None:
    lines = found()
    assert len(lines) > 40, "the search finds nothing any more"
    assert {f"{where}: ebbgate {line}: {wrong}" for where, line in lines if (wrong := wrong_of(line))} == set()


@pytest.mark.parametrize("line", ["flag restore", "flag restore newWidgets", "incident no-such-thing INC-1"])
def test_a_command_that_wants_more_is_found(line: str) -> None:
    assert wrong_of(line) is not None
    assert list(calls(f"lift it first: ebbgate {line}")) == [line]
