"""`ebbgate init`: a plan file to begin with, and snippets that ask for the flag."""

import re
from pathlib import Path

import click
import msgspec
from rich.console import RenderableType

from ebbgate.cli.options import Status, local
from ebbgate.cli.output import Output
from ebbgate.core.errors import ConflictError
from ebbgate.core.rollouts import init_template, node_snippet, python_snippet

PLAN_FILE, PYTHON_FILE, NODE_FILE = "ebbgate.yaml", "ebbgate_example.py", "ebbgate_example.mjs"


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """The files that were written."""

    app: str
    flag: str
    files: tuple[str, ...]


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=Path("."))
@click.option("--app", metavar="NAME", help="The application. Default: the directory's name.")
@click.option("--flag", default="newVersion", show_default=True, metavar="NAME", help="The flag to roll out.")
@click.option("--commander", default="on-call", show_default=True, metavar="NAME", help="Who owns reviews.")
@click.option("--force", "may_replace", is_flag=True, help="Replace files that are there.")
@local
def init(out: Output, directory: Path, app: str | None, flag: str, commander: str, may_replace: bool) -> Status:
    """Write a plan file that lints clean, and snippets for Python and Node that ask for its flag."""
    from ebbgate.bootstrap.plans import parse_plan

    app = app or app_name(directory)
    texts = {
        PLAN_FILE: init_template(app, flag, commander=commander),
        PYTHON_FILE: python_snippet(flag),
        NODE_FILE: node_snippet(flag),
    }
    parse_plan(texts[PLAN_FILE])  # refuses names that a plan cannot have, before anything is written
    paths = {directory / name: text for name, text in texts.items()}
    if not may_replace and (there := [path for path in paths if path.exists()]):
        raise ConflictError(f"{there[0]} is there already", hint="write to another directory, or replace it: --force")
    directory.mkdir(parents=True, exist_ok=True)
    for path, text in paths.items():
        path.write_text(text, encoding="utf-8")
    out.give(Written(app=app, flag=flag, files=tuple(map(str, paths))), _next_steps)
    return None


def app_name(directory: Path) -> str:
    """A name for the application, made of the directory's."""
    words = re.sub(r"[^A-Za-z0-9_.-]+", "-", directory.resolve().name).strip("-.")
    return words if re.match(r"[A-Za-z]", words) else f"app-{words}".rstrip("-")


def _next_steps(written: Written) -> list[RenderableType]:
    plan = written.files[0]
    steps = (
        ("Say what you measure:", f"edit {plan}"),
        ("Check it:", f"ebbgate plan lint {plan} && ebbgate plan power {plan}"),
        ("Run the server:", "ebbgate serve (its data goes into .ebbgate/: name that in .gitignore)"),
        ("Ask for the flag:", " or ".join(written.files[1:])),
        ("Start:", f"ebbgate rollout start {plan} --release v1 --reason ... --watch"),
    )
    return [f"wrote {', '.join(written.files)}", "", *(f"{what:22} {how}" for what, how in steps)]
