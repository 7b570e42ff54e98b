"""What is said at a rollout's start where it would act, or ask, and no message of it could reach anybody."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ebbgate.core.alerts.view import ChannelView
from ebbgate.core.errors import EbbgateError
from ebbgate.core.rollouts.plan import Mode
from ebbgate.core.rollouts.view import RolloutView

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

_DOES = {Mode.ACT: "acts by itself", Mode.RECOMMEND: "asks a person"}


def warn_where_nobody_is_told(control: "ControlClient", view: RolloutView) -> None:
    """To standard error. The rollout has begun: what keeps this from being asked keeps it from being said."""
    try:
        words = nobody_told(view.mode, control.notifications.channels())
    except EbbgateError:
        return
    if words:
        click.echo(words, err=True)


def nobody_told(mode: Mode, channels: Sequence[ChannelView]) -> str:
    """The warning; empty where a channel works, or where the rollout only observes."""
    broken = [channel for channel in channels if channel.problem]
    if mode not in _DOES or len(broken) < len(channels):
        return ""
    why = f"channel {broken[0].name}: {broken[0].problem}" if broken else "the server has no channel to people"
    mend = 'set EBBGATE_NOTIFY for `ebbgate serve`, then try it: ebbgate notify test --reason "..."'
    return f"warning: this rollout {_DOES[mode]} (mode {mode.value}), and nobody is told of it: {why}; {mend}"
