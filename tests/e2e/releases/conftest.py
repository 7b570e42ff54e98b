"""A real repository with a tiny application, the commands on it, and a server that deploys it on loopback."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from ebbgate.cli.root import run
from ebbgate.demo.server import LocalServer

APP = """
import http.server, json, sys
text = open("dist/text").read().strip()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if text == "sick" else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"text": text}).encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer.allow_reuse_address = True
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
"""It tells nothing of its version: who answers has to be seen by the process."""

RESTART = """#!/bin/sh
if [ -f "$EBBGATE_SHARED/pid" ]; then
  kill "$(cat "$EBBGATE_SHARED/pid")" 2>/dev/null
  while kill -0 "$(cat "$EBBGATE_SHARED/pid")" 2>/dev/null; do sleep 0.05; done
fi
{python} app.py {port} &
echo $! > "$EBBGATE_SHARED/pid"
"""

PLAN = """
app: tiny
flag: newThing
build:
  run: ["mkdir dist && cp text dist/text", "echo junk > junk"]
  keep: [dist, app.py, restart.sh]
  budgets: [{{files: "dist/**", growth: "< 1KB"}}, {{total: "< 100KB"}}]
deploy:
  to: {{directory: ../deployed}}
  restart: ./restart.sh
  health: {{url: "http://127.0.0.1:{port}/health", passes: 2, within: 4s, every: 50ms}}
phases: [{{to: 100%, who: everyone, watch: 1h}}]
guardrails: {{errors: {{rate: api_error / api_request, worse_by: 1pp}}}}
"""


class Workbench:
    """A repository, a target beside it, and `ebbgate` on both."""

    def __init__(self, top: Path, port: int, capture: Any) -> None:
        self.repository, self.deployed = top / "repository", top / "deployed"
        self.port = port
        self._capture = capture
        self.repository.mkdir()
        self.git("init", "-q")
        (self.repository / "app.py").write_text(APP)
        restart = self.repository / "restart.sh"
        restart.write_text(RESTART.format(python=sys.executable, port=port))
        restart.chmod(0o755)
        (self.repository / "ebbgate.yaml").write_text(PLAN.format(port=port))
        self.commit("one", "feat: one")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
        command = ["git", "-C", str(self.repository), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def commit(self, text: str, message: str) -> None:
        (self.repository / "text").write_text(text)
        self.git("add", ".")
        self.git("commit", "-q", "-m", message)

    def run(self, *words: str) -> tuple[int, Any]:
        """The exit status, and the JSON document that was printed."""
        self._capture.readouterr()
        status = run([*words, "--json"])
        return status, msgspec.json.decode(self._capture.readouterr().out)

    def build(self, *words: str) -> Any:
        status, made = self.run("release", "build", *words)
        assert status == 0, made
        return made

    def deploy(self, release: str) -> tuple[int, Any]:
        return self.run("release", "deploy", release, "--reason", "test")

    def served(self) -> Any:
        return httpx.get(f"http://127.0.0.1:{self.port}/", trust_env=False).json()

    @property
    def current(self) -> str:
        return os.readlink(self.deployed / "current").removeprefix("releases/")

    def end(self) -> None:
        with suppress(OSError, ValueError):
            os.kill(int((self.deployed / "shared" / "pid").read_text()), signal.SIGKILL)


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def bench(
    tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[LocalServer], Workbench]]:
    """Makes the workbench of a server."""
    made: list[Workbench] = []

    def make(server: LocalServer) -> Workbench:
        monkeypatch.setenv("EBBGATE_CONTROL_URL", server.control_url)
        monkeypatch.setenv("EBBGATE_TOKEN", server.admin_token)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        workbench = Workbench(tmp_path, free_port, capsys)
        monkeypatch.chdir(workbench.repository)
        made.append(workbench)
        return workbench

    yield make
    for one in made:
        one.end()
