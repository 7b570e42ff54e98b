"""An application that helps with nothing, by configuration alone: the plan of examples/claude-code-router (issue 5,
acceptance 3). It tells no digest, its old process answers while the new one is awaited, then nobody does for 0.7 s.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from ebbgate.client import ControlClient
from ebbgate.demo.server import LocalServer

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "claude-code-router" / "ebbgate.yaml"
HOME = "/srv/claude-code-router/home"
DEPLOYED = "/srv/claude-code-router/deployed"

BUILD = """
import { createHash } from 'node:crypto';
import { appendFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
mkdirSync('dist', { recursive: true });
mkdirSync('ui', { recursive: true });
cpSync('src/cli.js', 'dist/cli.js');
const blocks = [];
for (let n = 0; n < 312_500; n += 1) blocks.push(createHash('sha256').update(`${n}`).digest());
writeFileSync('dist/big.wasm', Buffer.concat(blocks)); // 10 MB that no compression makes smaller
appendFileSync('README.md', 'touched by the build\\n');
writeFileSync('ui/tsconfig.tsbuildinfo', '{}');
"""
"""Dirties the tree: a file of the repository, and new ones."""

CLI = """
const { spawn } = require('node:child_process');
const { mkdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { createServer } = require('node:http');
const folder = `${process.env.HOME}/.router`;
const pidFile = `${folder}/router.pid`;
const TEXT = 'one';
const later = (ms, act) => setTimeout(act, ms);

const act = {
  start() {
    if (TEXT === 'sick') process.exit(1);
    mkdirSync(folder, { recursive: true });
    const server = createServer((_, answer) => answer.end(JSON.stringify({ status: 'ok', text: TEXT })));
    // As if nothing had been said: it goes on answering for a while, then drops everything.
    process.on('SIGTERM', () => later(1_200, () => process.exit(0)));
    // The new one comes when nobody has listened for 0.7 s.
    const listen = () => server.listen(Number(process.env.ROUTER_PORT), '127.0.0.1');
    server.on('error', () => later(700, listen));
    server.on('listening', () => writeFileSync(pidFile, `${process.pid}`));
    listen();
  },
  stop() {
    try {
      process.kill(Number(readFileSync(pidFile, 'utf8')));
      rmSync(pidFile);
    } catch {
      console.log('it was not running');
    }
  },
  restart() {
    if (TEXT !== 'sick') act.stop(); // the sick one does not even end the one before it
    spawn('node', [__filename, 'start'], { detached: true, stdio: 'ignore' }).unref();
  },
};
act[process.argv[2]]();
"""


class Router:
    """The repository of such an application, and what runs of it."""

    def __init__(self, top: Path, server: LocalServer, *, port: int) -> None:
        self.repository, self.deployed, self.home = top / "repository", top / "deployed", top / "home"
        self.url = f"http://127.0.0.1:{port}"
        self._server = server
        self._environ = {
            **os.environ,
            "EBBGATE_CONTROL_URL": server.control_url,
            "EBBGATE_TOKEN": server.admin_token,
            "XDG_CACHE_HOME": str(top / "cache"),
        }
        plan = EXAMPLE.read_text().replace("3456", str(port)).replace(DEPLOYED, str(self.deployed))
        plan = plan.replace(f"HOME: {HOME}}}", f'HOME: {self.home}, ROUTER_PORT: "{port}"}}')
        for name, text in {
            "ebbgate.yaml": plan.replace("every: 300ms", "every: 100ms").replace("within: 60s", "within: 6s"),
            "package.json": json.dumps({"scripts": {"build": "node build.mjs"}, "dependencies": {"own": "file:./own"}}),
            "own/package.json": json.dumps({"name": "own", "version": "1.0.0"}),
            "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
            ".gitignore": "node_modules/\ndist/\n",
            "README.md": "A router.\n",
            "build.mjs": BUILD,
            "src/cli.js": CLI,
        }.items():
            path = self.repository / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("init", "-q")
        self.git("config", "user.name", "ada")
        self.git("config", "user.email", "ada@example.com")
        self.git("add", ".")
        self.git("commit", "-q", "-m", "feat: one")

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.repository), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def become(self, text: str) -> None:
        """A commit after which it answers with that text."""
        source = self.repository / "src" / "cli.js"
        source.write_text(CLI.replace("const TEXT = 'one'", f"const TEXT = '{text}'"))
        self.git("commit", "-q", "-a", "-m", f"fix: {text}")

    def ebbgate(self, *words: str) -> tuple[int, Any]:
        command = [sys.executable, "-m", "ebbgate", *words, "--json"]
        done = subprocess.run(command, cwd=self.repository, env=self._environ, capture_output=True, text=True)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def answers(self) -> str | None:
        try:
            return str(httpx.get(f"{self.url}/health", trust_env=False).json()["text"])
        except httpx.HTTPError:
            return None

    @property
    def pid(self) -> int:
        return int((self.home / ".router" / "router.pid").read_text())

    def end(self) -> None:
        """End the application; the server before it, which could start it again."""
        self._server.stop()
        with suppress(OSError, ValueError):
            os.kill(self.pid, signal.SIGKILL)


@pytest.fixture
def router(ending: ExitStack, tmp_path: Path, installed: Callable[..., None]) -> Callable[[LocalServer], Router]:
    """Makes the application of a server."""
    installed("node", "npm")

    def make(server: LocalServer) -> Router:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        made = Router(tmp_path, server, port=port)
        ending.callback(made.end)
        return made

    return make


def test_an_application_that_helps_with_nothing_is_built_deployed_and_taken_back_by_configuration_alone(
    serve: Callable[..., LocalServer],
    administer: Callable[[LocalServer], ControlClient],
    router: Callable[[LocalServer], Router],
    eventually: Callable[..., None],
) -> None:
    server = serve()
    control, app = administer(server), router(server)

    status, first = app.ebbgate("release", "ship", "--first", "--reason", "the first one")
    assert (status, first["deployment"]["proof"]) == (0, "fresh_process"), first
    assert first["release"]["artifact"]["content_bytes"] > 10_000_000
    [risk] = [risk for risk in first["release"]["build"]["risks"] if risk.startswith("unlocked build")]
    assert "pnpm-lock.yaml is there, but npm does not read it" in risk
    assert app.answers() == "one"
    old = app.pid

    app.become("two")
    status, second = app.ebbgate("release", "ship", "--reason", "the next one")
    assert (status, second["deployment"]["proof"]) == (0, "fresh_process"), second
    assert (app.answers(), app.pid == old) == ("two", False)
    end = second["deployment"]["events"][-1]["text"]
    assert f"process {app.pid} was started by this deployment" in end
    waited_s = float(end.partition(" after ")[2].partition(" s")[0])
    assert waited_s > 1.2, "the old process answered so long, and was not taken for the new one"

    control.rollouts.roll_back("newWidgets", reason="it was asked for", redeploy=True)
    eventually(lambda: app.answers() == "one", "the release before to answer")
    eventually(lambda: control.releases.deployments()[0].is_over, "its deployment to end")
    taken_back = control.releases.deployments()[0]
    assert (taken_back.is_rollback, taken_back.status.value, taken_back.release) == (
        True,
        "done",
        first["release"]["id"],
    )

    app.become("sick")
    status, made = app.ebbgate("release", "build")
    assert status == 0, made
    before = app.pid
    status, failed = app.ebbgate("release", "deploy", made["id"], "--reason", "an old process answers all the time")
    assert (status, failed["status"], app.answers()) == (1, "failed", "one"), failed
    assert f"process {before} was there before the restart" in failed["error"]
    assert os.readlink(app.deployed / "current") == f"releases/{first['release']['id']}"
    assert app.git("status", "--porcelain") == ""
    assert app.git("tag").split() == ["v0.1.0", "v0.1.1", "v0.1.2"]
