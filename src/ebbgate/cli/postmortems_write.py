"""`ebbgate postmortem show | draft | write | submit | review | close`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from ebbgate.cli.incidents_read import INCIDENT
from ebbgate.cli.options import REASON, Status, name, remote
from ebbgate.cli.output import Output
from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.incidents import PostMortem

if TYPE_CHECKING:
    from ebbgate.client import ControlClient


@click.command()
@INCIDENT
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write a page there.")
@remote
def show(control: "ControlClient", out: Output, ref: str, html: Path | None) -> Status:
    """The document as Markdown, or as a page with its charts; --json gives it as data."""
    if html is not None:
        page = control.postmortems.html(ref)
        try:
            html.write_text(page, encoding="utf-8")
        except OSError as error:
            raise StoreUnavailableError(f"{html} cannot be written: {error.strerror}", hint="name another") from error
    if out.as_json:
        out.give(control.postmortems.get(ref), _state)
    elif html is not None:
        out.give(html, lambda path: f"written to {path}")
    else:
        out.give(control.postmortems.markdown(ref), str)
    return None


@click.command()
@INCIDENT
@click.argument("section", type=name)
@click.argument("text")
@REASON
@remote
def write(control: "ControlClient", out: Output, ref: str, section: str, text: str, reason: str) -> Status:
    """Write a judgement: one sentence a line; - reads it from standard input."""
    told = sys.stdin.read() if text == "-" else text
    out.give(control.postmortems.write(ref, section, told, reason=reason), _state)
    return None


def _state(document: PostMortem) -> str:
    left = f"; to be written: {', '.join(document.blanks)}" if document.blanks else ""
    return f"{document.incident}: {document.status.value.replace('_', ' ')}{left}"


def _move(step: Literal["draft", "submit", "review", "close"], help_text: str) -> click.Command:
    @click.command(step, help=help_text)
    @INCIDENT
    @REASON
    @remote
    def command(control: "ControlClient", out: Output, ref: str, reason: str) -> Status:
        out.give(control.postmortems.move(ref, step, reason=reason), _state)
        return None

    return command


draft = _move("draft", "Draft it now, or fill in anew what is stored by now; what people wrote stays.")
submit = _move("submit", "Ask for a review: every judgement has to be written.")
review = _move("review", "Say that it is right. Somebody who wrote in it cannot.")
close = _move("close", "Finish a reviewed one.")
