"""The example application in a repository of its own, shipped by the command line, with users who keep coming."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.demo.server import LocalServer

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "widget-dashboard"
SHIP_WITHIN_S = 240.0
CLOCK = SystemClock()


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of the application, as seen from outside. at: machine time. is_new: which widgets were served."""

    at: datetime
    digest: str
    status: int
    is_new: bool


class Dashboard:
    """A repository made from the example, its target beside it, and `ebbgate` on both."""

    def __init__(self, top: Path, server: LocalServer, *, port: int) -> None:
        self.repository, self.deployed, self.url = top / "repository", top / "deployed", f"http://127.0.0.1:{port}"
        self._server = server
        self._environ = {
            **os.environ,
            "EBBGATE_CONTROL_URL": server.control_url,
            "EBBGATE_TOKEN": server.admin_token,
            "XDG_CACHE_HOME": str(top / "cache"),
            "npm_config_cache": _npm_cache(),
        }
        ignored = shutil.ignore_patterns("node_modules", "dist", "deployed")
        shutil.copytree(EXAMPLE, self.repository, ignore=ignored)
        plan = self.repository / "quick.yaml"
        plan.write_text(plan.read_text().replace("4180", str(port)).replace("./deployed", str(self.deployed)))
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "ada")
        self.git("config", "user.email", "ada@example.com")
        self.commit("feat: a dashboard")

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.repository), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def commit(self, message: str) -> None:
        self.git("add", ".")
        self.git("commit", "-q", "-m", message)

    def plant(self, share: float, message: str) -> None:
        """A commit in which so many of the new widgets' users fail."""
        planted = self.repository / "server" / "planted.js"
        lines = [
            f"const PLANTED = {share};" if line.startswith("const PLANTED =") else line
            for line in planted.read_text().splitlines()
        ]
        planted.write_text("\n".join(lines) + "\n")
        self.commit(message)

    def tell_secrets(self, token: str) -> None:
        """What belongs in no repository, where the application finds it."""
        shared = self.deployed / "shared"
        shared.mkdir(parents=True)
        (shared / "app.env").write_text(f"FLAGS_URL={self._server.edge_url}\nFLAGS_TOKEN={token}\n")

    def ebbgate(self, *words: str) -> tuple[int, Any]:
        """The exit status, and the JSON document that was printed. A real process, as in a pipeline."""
        command = [sys.executable, "-m", "ebbgate", *words, "--json"]
        done = subprocess.run(
            command, cwd=self.repository, env=self._environ, capture_output=True, text=True, timeout=SHIP_WITHIN_S
        )
        try:
            return done.returncode, json.loads(done.stdout)
        except json.JSONDecodeError:
            raise AssertionError(f"{' '.join(words)} printed no JSON: {done.stdout}\n{done.stderr}") from None

    def ship(self, *words: str) -> Any:
        status, shipped = self.ebbgate("release", "ship", "quick.yaml", "--reason", "a test", *words)
        assert status == 0, shipped
        return shipped

    def served(self) -> dict[str, str]:
        """What the application says that it is."""
        answer: dict[str, str] = httpx.get(f"{self.url}/version", trust_env=False).json()
        return answer

    def end(self) -> None:
        """End the application; the server before it, which could start it again."""
        self._server.stop()
        with suppress(OSError, ValueError):
            os.kill(int((self.deployed / "shared" / "app.pid").read_text()), signal.SIGKILL)


class Onlooker:
    """Somebody outside who asks the application twenty times a second, and writes down what comes."""

    def __init__(self, url: str, user: str) -> None:
        self._url, self._user = url, user
        self.seen: list[Seen] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="onlooker")

    def __enter__(self) -> "Onlooker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(base_url=self._url, trust_env=False, timeout=2.0) as client:
            while not self._stop.wait(0.05):
                with suppress(httpx.HTTPError):  # nobody listens
                    version = client.get("/version")
                    answer = client.get("/api/dashboard", params={"user": self._user})
                    self._note(version, answer)

    def _note(self, version: httpx.Response, answer: httpx.Response) -> None:
        """Two answers that belong together. One that is being stopped answers 503, and is nobody's version."""
        if version.status_code == 200 and (is_new := answer.json().get("isNew")) is not None:
            digest, now = version.json()["digest"], CLOCK.machine_now()
            self.seen.append(Seen(at=now, digest=digest, status=answer.status_code, is_new=is_new))


@pytest.fixture
def dashboard(ending: ExitStack, tmp_path: Path, installed: Callable[..., None]) -> Callable[[LocalServer], Dashboard]:
    """Makes the application of a server."""
    installed("node", "npm")

    def make(server: LocalServer) -> Dashboard:
        made = Dashboard(tmp_path, server, port=_free_port())
        ending.callback(made.end)
        return made

    return make


@pytest.fixture
def traffic() -> Iterator[Callable[[Dashboard], None]]:
    """Starts the example's own users."""
    running: list[subprocess.Popen[bytes]] = []

    def start(dashboard: Dashboard) -> None:
        command = ["node", str(EXAMPLE / "traffic.mjs"), dashboard.url, "240"]
        running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def onlooker() -> type[Onlooker]:
    return Onlooker


def _npm_cache() -> str:
    """The caller's own, so that packages are fetched once."""
    return subprocess.run(["npm", "config", "get", "cache"], check=True, capture_output=True, text=True).stdout.strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
