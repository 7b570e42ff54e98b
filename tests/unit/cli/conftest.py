"""Running a command line in process, for what needs neither disk nor network."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from ebbgate.cli.root import run


class Ran(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def ebbgate(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """`ebbgate("plan", "lint")` gives status, stdout and stderr."""

    def call(*arguments: str) -> Ran:
        capsys.readouterr()
        status = run(arguments)
        out, err = capsys.readouterr()
        return Ran(status, out, err)

    return call
