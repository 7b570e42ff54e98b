"""What a command prints: text for people, or one JSON document."""

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

WIDTH_WITHOUT_TERMINAL = 160
"""Columns where the output goes to a pipe or a file: wide enough that nothing is cut."""


class Output:
    """as_json: print the value as one document, and nothing else on stdout."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def give(self, value: Any, show: Callable[[Any], RenderableType | Sequence[RenderableType]]) -> None:
        """Print the value: as JSON, or as `show` makes it readable. Renderables are lines or tables."""
        if self.as_json:
            sys.stdout.write(json_text(value))
            return
        shown = show(value)
        screen = console()
        for part in [shown] if isinstance(shown, str | Text | Table) else _parts(shown):
            is_verbatim = isinstance(part, str) and (
                "\n" in part or not screen.is_terminal
            )  # JSON, or a line for a pipe
            screen.print(part, soft_wrap=is_verbatim)


def _parts(shown: Any) -> list[Any]:
    return list(shown) if isinstance(shown, list | tuple) else [shown]


def json_text(value: Any) -> str:
    """Indented, with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def console() -> Console:
    """Standard output. NO_COLOR and TERM are respected."""
    screen = Console(highlight=False, markup=False, emoji=False)
    if not screen.is_terminal:
        screen.width = WIDTH_WITHOUT_TERMINAL
    return screen


def a_table(*titles: str, right: Sequence[str] = ()) -> Table:
    """A plain table. right: titles of the columns of numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in titles:
        table.add_column(title, justify="right" if title in right else "left", overflow="fold")
    return table


def moment(at: datetime | None) -> str:
    """`2026-03-02 12:00:05Z`; a dash where there is none."""
    return "–" if at is None else f"{at:%Y-%m-%d %H:%M:%S}Z"


def day(at: datetime | None) -> str:
    """`2026-03-02 12:00Z`, where seconds do not matter."""
    return "–" if at is None else f"{at:%Y-%m-%d %H:%M}Z"
