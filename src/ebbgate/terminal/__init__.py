"""A rollout on a terminal: the ladder with its metric table, or plain lines where there is no terminal."""

from ebbgate.terminal.lines import plain_line
from ebbgate.terminal.view import render_view
from ebbgate.terminal.watching import watch

__all__ = ["plain_line", "render_view", "watch"]
