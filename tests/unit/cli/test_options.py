"""Options that commands share."""

from datetime import timedelta

import click
import pytest

from ebbgate.cli.options import duration, name, why


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("10m", timedelta(minutes=10)),
        ("2h30m", timedelta(hours=2.5)),
        ("500ms", timedelta(milliseconds=500)),
        ("0", timedelta(0)),
        ("0s", timedelta(0)),
    ],
)
def test_a_timeout_is_written_as_in_a_plan(text: str, length: timedelta) -> None:
    assert duration(text) == length


@pytest.mark.parametrize("text", ["5x", "-1m", "10", "", "1:30"])
def test_what_is_no_duration_is_refused_with_the_way_to_write_it(text: str) -> None:
    with pytest.raises(click.BadParameter, match=":"):
        duration(text)


@pytest.mark.parametrize("text", ["", "  ", ".", ".."])
def test_a_name_that_would_mean_another_address_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        name(text)


def test_a_reason_says_something() -> None:
    assert why("too slow") == "too slow"
    with pytest.raises(click.BadParameter):
        why(" ")
