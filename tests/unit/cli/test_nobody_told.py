"""A rollout that acts by itself says at its start that nobody would be told."""

import pytest

from ebbgate.cli.nobody_told import nobody_told
from ebbgate.core.alerts.view import ChannelView
from ebbgate.core.rollouts.plan import Mode

MAIL, BROKEN = ChannelView(name="mail", service="mailto"), ChannelView(name="team", service="slakc", problem="no URL")


def test_a_rollout_that_acts_with_no_channel_is_warned_of_with_the_mend() -> None:
    words = nobody_told(Mode.ACT, [])
    assert words.startswith(
        "warning: this rollout acts by itself (mode act), and nobody is told of it: the server has no"
    )
    assert "EBBGATE_NOTIFY" in words
    assert "asks a person" in nobody_told(Mode.RECOMMEND, [])


def test_channels_that_cannot_work_are_none() -> None:
    assert "channel team: no URL" in nobody_told(Mode.ACT, [BROKEN])


@pytest.mark.parametrize(("mode", "channels"), [(Mode.ACT, [MAIL, BROKEN]), (Mode.OBSERVE, [])])
def test_nothing_is_said_where_somebody_is_told_or_nothing_is_done(mode: Mode, channels: list[ChannelView]) -> None:
    assert nobody_told(mode, channels) == ""
