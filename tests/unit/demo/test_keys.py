"""Keys are read one by one, and the terminal is as it was, however the demo ends."""

import os
import pty
import termios
import threading
from collections.abc import Iterator

import pytest

from ebbgate.demo.keys import Keys


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The two ends of a terminal: of a person, and of a program."""
    person, program = pty.openpty()
    yield person, program
    os.close(person)
    os.close(program)


def test_each_key_is_told_without_enter(terminal: tuple[int, int]) -> None:
    person, program = terminal
    pressed: list[str] = []
    is_there = threading.Event()

    def press(key: str) -> None:
        pressed.append(key)
        if len(pressed) == 3:
            is_there.set()

    with Keys(press, program):
        os.write(person, b"bfl")
        assert is_there.wait(5)
    assert pressed == ["b", "f", "l"]


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_the_terminal_is_put_back_however_it_ends(terminal: tuple[int, int], ending: type[BaseException]) -> None:
    _, program = terminal
    before = termios.tcgetattr(program)

    def play() -> None:
        with Keys(lambda _: None, program):
            local = termios.tcgetattr(program)[3]
            assert not local & termios.ICANON
            assert local & termios.ISIG, "Ctrl-C goes on meaning Ctrl-C"
            raise ending

    with pytest.raises(ending):
        play()
    assert termios.tcgetattr(program) == before
