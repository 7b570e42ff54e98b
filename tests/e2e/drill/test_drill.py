"""Issue 5, acceptance 6: a drill over a real server, 200 connected SDKs and a real small application."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ebbgate import Client
from ebbgate.client import ControlClient
from ebbgate.core.rollbacks.drill import SCRATCH_FLAG
from ebbgate.demo.server import LocalServer

SDKS = 200

APP = """
import http.server, json, os, pathlib, signal, sys
here = pathlib.Path(__file__).resolve().parent
release = json.loads((here / ".ebbgate-release.json").read_text())
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"digest": release["digest"], "version": release["version"]}).encode()
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
pathlib.Path(os.environ["EBBGATE_SHARED"], "pid").write_text(str(os.getpid()))
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
server.serve_forever()
"""

PLAN = """
app: board
flag: newBoard
commander: platform
users: 20000
phases: [{{to: 50%, who: random, stay: 1d..2d}}, {{to: 100%, who: everyone, watch: 1d}}]
guardrails: {{errors: {{rate: api_error / api_request, baseline: 1%, worse_by: 1pp}}}}
preflight: {{drill_within: 30d, approvals: 1}}
deploy:
  to: {{directory: ./live}}
  drill:
    to: {{directory: ./sandbox}}
    restart: ["{python} app.py {port} >app.log 2>&1 &"]
    stop: ['kill "$(cat "$EBBGATE_SHARED/pid")"']
    health: {{url: "http://127.0.0.1:{port}/", within: 20s, passes: 2, every: 100ms}}
    version: "http://127.0.0.1:{port}/"
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan whose drills start the application on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "ebbgate.yaml"
    path.write_text(PLAN.format(python=sys.executable, port=port), encoding="utf-8")
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "app.py").write_text(APP, encoding="utf-8")
    return path


def run(server: LocalServer, *arguments: str, ok: tuple[int, ...] = (0,)) -> Any:
    """A command with --json; what it said."""
    command = [str(Path(sys.executable).parent / "ebbgate"), *arguments, "--json"]
    command += ["--url", server.control_url, "--token", server.admin_token]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode in ok, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_a_drill_measures_the_whole_way_back_and_leaves_nothing(
    serve: Callable[..., LocalServer],
    administer: Callable[[LocalServer], ControlClient],
    connect: Callable[..., Client],
    eventually: Callable[..., None],
    plan: Path,
) -> None:
    server = serve()
    admin = administer(server)
    run(
        server, "release", "adopt", str(plan.parent / "v1"), "--plan", str(plan), "--version", "v1.0.0", "--reason", "x"
    )
    token = admin.tokens.create("server", "app", reason="test").secret
    for number in range(SDKS):
        connect(server.edge_url, token, name=f"app-{number}")
    eventually(lambda: len(admin.observations.evaluators()) == SDKS, "all SDKs are known", 60.0)

    before = run(server, "preflight", str(plan), "--release", "v1.0.0", ok=(1,))
    standing = {check["name"]: check["standing"] for check in before["checks"]}
    assert standing["flag toggles"] == "good", before
    assert standing["drill"] == standing["approvals"] == standing["events"] == standing["channels"] == "bad"

    drill = run(server, "rollback", "drill", "board", "--reason", "before the launch")
    assert drill["status"] == "passed", drill
    assert (drill["confirmed"], drill["expected"]) == (SDKS, SDKS)
    assert 0 < drill["off_ms_p50"] <= drill["off_ms_p99"] <= drill["off_ms_max"]
    parts = {part["name"]: part for part in drill["parts"]}
    assert list(parts) == ["flag_on", "flag_off", "place", "switch", "restart", "check", "recovery"]
    assert all(part["worked"] for part in parts.values())
    assert "tells sha256:" in parts["check"]["words"], "the release's own digest answered in the sandbox"

    assert SCRATCH_FLAG not in {flag.key for flag in admin.flags.list()}
    assert not (plan.parent / "live").exists(), "what people use was not touched"
    pid = int((plan.parent / "sandbox" / "shared" / "pid").read_text())
    eventually(lambda: not Path(f"/proc/{pid}").exists(), "what the sandbox started has ended")
    after = run(server, "preflight", str(plan), "--release", "v1.0.0", "--quiet-channels", ok=(1,))
    assert {check["name"]: check["standing"] for check in after["checks"]}["drill"] == "good"
