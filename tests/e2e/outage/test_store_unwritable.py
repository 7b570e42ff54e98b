"""The control store cannot be written while the application is down: people hear of it without the store, and as soon
as it is back the flag goes off (issue 5: the store read-only is a tested path; RULES G3, H1)."""

import http.server
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from ebbgate.core.alerts import ChannelRule
from ebbgate.core.incidents import IncidentKind
from ebbgate.core.rollouts.state import Status
from ebbgate.demo.server import LocalServer

PLAN = """
app: dashboard
flag: newWidgets
mode: act
commander: devops-lead
phases:
  - {{name: half, to: 50%, who: random, stay: 4h..2d}}
  - {{name: full, to: 100%, who: everyone, watch: 4h}}
probes:
  outage: {{url: "{address}/health", every: 200ms, timeout: 2s, fails: 2}}
"""


class Outside(http.server.ThreadingHTTPServer):
    """The application's health, and a channel that takes messages."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.is_well = True
        self.titles: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Outside)
        self.send_response(200 if self.server.is_well else 503)
        self.end_headers()

    def do_POST(self) -> None:
        assert isinstance(self.server, Outside)
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.titles.append(f"{body['title']}: {body['message']}")
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def outside() -> Iterator[Outside]:
    with Outside() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_while_the_store_is_locked_people_are_told_and_then_the_outage_takes_the_version_back(
    outside: Outside, ending: ExitStack, tmp_path: Path, administer: Any, eventually: Callable[..., None]
) -> None:
    channel = ChannelRule(name="pager", url=f"json://127.0.0.1:{outside.port}/")
    server = ending.enter_context(LocalServer(tmp_path / "data", notify=(channel,)))
    control = administer(server)
    plan = PLAN.format(address=f"http://127.0.0.1:{outside.port}")
    rollout = control.rollouts.start(plan, release="v2.0.0", reason="to be taken back").id
    eventually(lambda: any(one.last_ok_at is not None for one in control.observations.probes()), "a good answer")

    with closing(sqlite3.connect(server.data_dir / "control.db", timeout=30.0, isolation_level=None)) as store:
        store.execute("BEGIN IMMEDIATE")  # others can read, and nobody can write
        outside.is_well = False
        failing = "ebbgate's control fails at its work"
        eventually(lambda: any(failing in one for one in outside.titles), "the shout")
        [(status,)] = store.execute("SELECT status FROM rollouts WHERE id = ?", (rollout,)).fetchall()
        assert status == Status.RUNNING.value
        store.execute("ROLLBACK")

    eventually(lambda: control.rollouts.get(rollout).status is Status.ROLLING_BACK, "the rollback")
    [incident] = control.incidents.list()
    assert incident.kind is IncidentKind.OUTAGE
    assert "probe outage failed" in incident.trigger
    assert len([one for one in outside.titles if failing in one]) == 1
    assert control.flags.get("newWidgets").kill is not None
