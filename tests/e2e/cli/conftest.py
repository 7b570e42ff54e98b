"""The CLI as people run it: a real server, every command as a process of its own that knows a URL and a token, and
that cannot read the server's data directory (RULES I4).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from ebbgate.bootstrap.clocks import SystemClock

COMMAND = [sys.executable, "-m", "ebbgate"]
WITHOUT_THE_RIGHT_TO_READ_EVERYTHING = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
"""Root without these capabilities reads what its files' modes allow it, as any account does."""

SCALE = "3600"  # an hour of plan time passes in a second
COMMAND_WITHIN_S, SERVER_WITHIN_S = 120, 60
PLAN = """\
app: shop
flag: {flag}
mode: act
users: 20000
phases:
  - {{name: early, to: 10%, who: random, stay: {stay}}}
  - {{name: full, to: 100%, who: everyone, watch: {watch}}}
verify: {{propagation: 1s, recovery: 1h}}
tick: 5m
"""
MEASURED = """\
guardrails:
  errors: {rate: api_error / api_request, baseline: 1%, worse_by: 1pp}
goals:
  clicks: {ratio: click / view, goal: +10%}
"""


class Ran(NamedTuple):
    status: int
    out: str
    err: str

    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


class Server(NamedTuple):
    """data: closed to the account that the CLI runs as, where that can be done."""

    data: Path
    url: str
    edge_url: str
    token: str


class Cli:
    """Runs `ebbgate` somewhere else, with another home, and with nothing but a URL and a token."""

    def __init__(self, home: Path, url: str, token: str) -> None:
        self.home = home
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "EBBGATE_CONTROL_URL": url,
            "EBBGATE_TOKEN": token,
        }
        self.is_locked_out = _can_be_locked_out()
        self._opened: list[subprocess.Popen[str]] = []

    def __call__(self, *arguments: str, stdin: str | None = None, **environ: str) -> Ran:
        return self.run([*COMMAND, *arguments], stdin=stdin, **environ)

    def run(self, command: list[str], *, stdin: str | None = None, **environ: str) -> Ran:
        ran = subprocess.run(
            [*(WITHOUT_THE_RIGHT_TO_READ_EVERYTHING if self.is_locked_out else []), *command],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.home,
            env={**self.environ, **environ},
            timeout=COMMAND_WITHIN_S,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def open(self, *arguments: str) -> subprocess.Popen[str]:
        """A command that goes on while the test does something else."""
        opened = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True, env=self.environ)
        self._opened.append(opened)
        return opened

    def close(self) -> None:
        """End what is still open."""
        for opened in self._opened:
            opened.kill()
            opened.communicate()

    def document(self, *arguments: str) -> Any:
        """The answer with --json, of a command that must succeed."""
        ran = self(*arguments, "--json")
        assert ran.status == 0, ran
        return ran.document()

    def plan(self, flag: str, *, stay: str = "10d..20d", watch: str = "2h", measured: str = MEASURED) -> str:
        """A plan file of a flag; by default one that stays in its first phase."""
        path = self.home / f"{flag}.yaml"
        path.write_text(PLAN.format(flag=flag, stay=stay, watch=watch) + measured)
        return str(path)

    def start(self, flag: str, **plan: str) -> Any:
        return self.document("rollout", "start", self.plan(flag, **plan), "--release", "v2", "--reason", "new")


def _can_be_locked_out() -> bool:
    """Whether a directory can be closed to the CLI: by root, which gives it away and lays its powers down."""
    return os.geteuid() == 0 and shutil.which("setpriv") is not None


def _iter_document(lines: Any) -> Iterator[str]:
    """The lines of the first JSON document of a stream that stays open."""
    for line in lines:
        yield line
        if line == "}\n":
            return


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for a file: a command costs a process, and what other commands did there is in nobody's way."""
    data = tmp_path_factory.mktemp("server") / "data"
    data.mkdir(mode=0o700)
    if _can_be_locked_out():
        os.chown(data, 65534, 65534)
    secret = data / "admin.token"
    options = ["--data", str(data), "--edge-port", "0", "--control-port", "0", "--scale", SCALE]
    process = subprocess.Popen(
        [*COMMAND, "serve", *options, "--admin-token-file", str(secret), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    clock = SystemClock()
    try:
        assert process.stdout is not None
        told = json.loads("".join(_iter_document(process.stdout)))
        deadline = clock.monotonic() + SERVER_WITHIN_S
        while not secret.exists():
            assert clock.monotonic() < deadline, "no token of an administrator"
            clock.sleep(timedelta(milliseconds=50))
        yield Server(data, told["control_url"], told["edge_url"], secret.read_text().strip())
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SERVER_WITHIN_S)
    assert process.returncode == 0


@pytest.fixture
def cli(server: Server, tmp_path: Path) -> Iterator[Cli]:
    """Knows a server."""
    with closing(Cli(tmp_path, server.url, server.token)) as made:
        yield made


@pytest.fixture
def lone_cli(tmp_path: Path) -> Cli:
    """Knows an address at which nobody listens."""
    return Cli(tmp_path, "http://127.0.0.1:1", "ebb_operator_" + "x" * 43)


@pytest.fixture
def application(
    cli: Cli, server: Server, ending: ExitStack, eventually: Callable[..., None]
) -> Callable[[str], httpx.Client]:
    """Makes an application of that name: HTTP to the edge with a token of its own, which the edge knows already."""

    def connect(name: str) -> httpx.Client:
        secret = cli("token", "create", "client", "--name", name).out.strip()
        headers = {"authorization": f"Bearer {secret}"}
        edge = ending.enter_context(httpx.Client(base_url=server.edge_url, headers=headers))
        eventually(lambda: edge.post("/v1/events", json=[]).status_code == 200, "the edge to know the token")
        return edge

    return connect


@pytest.fixture
def visit(application: Callable[[str], httpx.Client]) -> Callable[[str], None]:
    """Lets people come by who ask for a flag. Some get its new version: where nobody has, nothing is to be verified."""

    def come(flag: str) -> None:
        edge = application(flag)
        for number in range(100):
            asked = {"context": {"targetingKey": f"user-{number}"}}
            assert edge.post(f"/ofrep/v1/evaluate/flags/{flag}", json=asked).status_code == 200

    return come
