"""Each key breaks its part of the system once, and the line below the picture says so."""

from typing import Any, cast

import pytest

from ebbgate.bootstrap.settings import Role
from ebbgate.demo.breaking import Breaking
from ebbgate.demo.drivers import Drivers
from ebbgate.demo.server import LocalServer
from ebbgate.testing.clock import VirtualClock


class Told:
    """Stands for the drivers and the server, and remembers what was asked of them."""

    def __init__(self) -> None:
        self.orders: list[Any] = []

    def tell(self, letter: str) -> None:
        self.orders.append(letter)

    def kill(self, role: Role) -> int:
        self.orders.append(role)
        return 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def breaking(told: Told) -> Breaking:
    return Breaking(cast(Drivers, told), cast(LocalServer, told), VirtualClock(), is_bad=False)


def test_version_and_flag_path_break_once_and_other_keys_do_nothing(told: Told, breaking: Breaking) -> None:
    for key in "xbBff\r":
        breaking.press(key)
    assert told.orders == ["b", "f"]
    assert (breaking.is_bad, breaking.is_flag_broken, breaking.kills) == (True, True, 0)


def test_control_is_killed_again_only_after_it_has_answered(told: Told, breaking: Breaking) -> None:
    breaking.press("l")
    breaking.press("l")
    assert told.orders == [Role.CONTROL]
    breaking.is_control_down = False
    breaking.press("l")
    assert (told.orders, breaking.kills) == ([Role.CONTROL, Role.CONTROL], 2)


@pytest.mark.parametrize("keys", ["", "b", "bf", "bfl"])
def test_what_can_be_pressed_fits_on_one_line(breaking: Breaking, keys: str) -> None:
    for key in keys:
        breaking.press(key)
    assert breaking.footer().cell_len <= 80
    breaking.is_control_down = False
    assert breaking.footer().cell_len <= 80
    assert ("version is broken" in breaking.footer().plain) == ("b" in keys)
