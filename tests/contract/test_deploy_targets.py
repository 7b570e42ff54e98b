"""Deploy targets on a real disk with real processes: whole releases only, and no faith in an old process."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ebbgate.adapters.artifacts import pack
from ebbgate.adapters.deploy import LocalDeployer
from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.core.errors import ConflictError, DeployError, StoreUnavailableError
from ebbgate.core.releases import DeployTerms, Proof, TargetTerms
from ebbgate.ports.deployer import Answer, Shipment, Target

CLOCK = SystemClock()
APP = """
import http.server, sys
digest = sys.argv[2]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"build": {"digest": "%s"}}' % digest.encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Dock:
    """A directory target, and releases to send there."""

    def __init__(self, top: Path) -> None:
        self.top, self.place = top, top / "deployed"
        self.deployer = LocalDeployer(top / "work", CLOCK)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.health = f"http://127.0.0.1:{self.port}/"

    def terms(self, **fields: Any) -> DeployTerms:
        return DeployTerms(**{"to": TargetTerms(directory=str(self.place)), **fields})

    def ship(self, version: str, /, **fields: Any) -> tuple[Target, Shipment, Path]:
        """A release with its archive, not placed yet."""
        source = self.top / f"source-{version}"
        source.mkdir(exist_ok=True)
        (source / "app.py").write_text(APP)
        (source / "text").write_text(version)
        archive = self.top / f"{version}.tar"
        digest = pack(source, ["."], archive).artifact.digest
        terms = self.terms(**fields)
        shipment = Shipment(
            deployment=f"deploy-{version}",
            nonce=f"word-{version}",
            app="dash",
            release=f"dash@{version}",
            version=version,
            digest=digest,
            commit=None,
            terms=terms,
        )
        return self.deployer.target(terms), shipment, archive

    def send(self, version: str, /, **fields: Any) -> tuple[Target, Shipment]:
        """Placed, switched, restarted."""
        target, shipment, archive = self.ship(version, **fields)
        target.place(shipment, archive)
        target.switch(shipment)
        target.restart(shipment)
        return target, shipment

    def starting(self, told: str = "$EBBGATE_DIGEST") -> dict[str, Any]:
        """Terms that end what runs and start the release's app. told: the digest that it tells."""
        stop = 'if [ -f "$EBBGATE_SHARED/pid" ]; then kill -9 $(cat "$EBBGATE_SHARED/pid"); fi; sleep 0.1'
        start = f'{sys.executable} app.py {self.port} {told} & echo $! > "$EBBGATE_SHARED/pid"'
        return {"restart": (stop, start), "health": self.health}

    def looked(self, target: Target, shipment: Shipment) -> Answer:
        """The first answer for which somebody listens."""
        answer = target.look(shipment)
        for _ in range(200):
            if "refused" not in answer.text:
                break
            CLOCK.sleep(timedelta(milliseconds=50))
            answer = target.look(shipment)
        return answer

    def end(self) -> None:
        with suppress(OSError, ValueError):
            os.kill(int((self.place / "shared" / "pid").read_text()), 9)


@pytest.fixture
def dock(tmp_path: Path) -> Iterator[Dock]:
    made = Dock(tmp_path)
    yield made
    made.end()


def test_current_is_switched_and_releases_lie_side_by_side(dock: Dock) -> None:
    dock.send("v1")
    target, _ = dock.send("v2")
    assert (target.current(), target.placed()) == ("dash@v2", ["dash@v1", "dash@v2"])
    assert (dock.place / "current" / "text").read_text() == "v2"
    assert oct((dock.place / "releases" / "dash@v2").stat().st_mode)[-3:] == "755"
    target.remove("dash@v2")
    target.remove("dash@v1")
    assert target.placed() == ["dash@v2"], "what is current stays"


def test_an_unfinished_folder_is_no_release(dock: Dock) -> None:
    """What a kill leaves while it unpacks."""
    target, shipment, archive = dock.ship("v1")
    (dock.place / "releases" / ".unfinished-dash@v1").mkdir(parents=True)
    (dock.place / "releases" / "dash@v1").mkdir()
    assert (target.placed(), target.is_placed(shipment)) == ([], False)
    target.place(shipment, archive)
    target.switch(shipment)
    assert (target.placed(), (dock.place / "current" / "text").read_text()) == (["dash@v1"], "v1")


def test_a_release_whose_files_were_changed_is_not_used_again(dock: Dock) -> None:
    target, shipment = dock.send("v1")
    (dock.place / "current" / "text").write_text("changed")
    assert not target.is_placed(shipment)
    target.place(shipment, dock.top / "v1.tar")
    target.switch(shipment)
    assert (dock.place / "current" / "text").read_text() == "v1"


def test_a_current_that_is_not_ours_is_left_alone(dock: Dock) -> None:
    (dock.place / "own").mkdir(parents=True)
    (dock.place / "current").symlink_to("own")
    target, shipment, archive = dock.ship("v1")
    with pytest.raises(DeployError, match="not a link to a release"):
        target.place(shipment, archive)
    assert os.readlink(dock.place / "current") == "own"


def test_an_old_process_that_answers_is_not_believed(dock: Dock) -> None:
    """The restart did nothing, and health is answered as ever."""
    target, first = dock.send("v1", **dock.starting())
    answer = dock.looked(target, first)
    assert (answer.is_good, answer.proof) == (True, Proof.FRESH_PROCESS)
    target, second = dock.send("v2", restart=("true",), health=dock.health)
    assert "was there before the restart" in dock.looked(target, second).text
    target, second = dock.send("v2", **dock.starting())
    assert dock.looked(target, second).proof is Proof.FRESH_PROCESS


def test_a_process_that_somebody_else_started_is_believed_by_its_folder_alone(dock: Dock) -> None:
    """A service manager gives it no word of ours."""
    terms = {"restart": ("true",), "health": dock.health}
    target, shipment = dock.send("v1", **terms)
    places = {"right": dock.place / "current", "wrong": dock.top / "source-v1"}
    for name, folder in places.items():
        command = [sys.executable, "app.py", str(dock.port), "x"]
        with subprocess.Popen(command, cwd=folder.resolve()) as process:
            answer = dock.looked(target, shipment)
            process.kill()
        assert answer.is_good == (name == "right"), answer.text


def test_an_app_that_tells_another_digest_is_not_the_release(dock: Dock) -> None:
    asking = {"version": dock.health}
    target, shipment = dock.send("v1", **dock.starting("sha256:0"), **asking)
    assert "tells sha256:0, not sha256:" in dock.looked(target, shipment).text
    target, shipment = dock.send("v1", **dock.starting(), **asking)
    assert dock.looked(target, shipment).proof is Proof.SERVED_DIGEST


@pytest.mark.parametrize("kind", ["directory", "command"])
def test_what_goes_back_is_started_as_its_own_plan_says(dock: Dock, kind: str) -> None:
    """The release that failed may have a restart that cannot work; the one before it has its own."""
    to = TargetTerms(directory=str(dock.place)) if kind == "directory" else TargetTerms(command="true")
    said = dock.top / "said"
    _, first = dock.send("v1", to=to, restart=(f'echo "$EBBGATE_VERSION" > {said}',))
    target, second, archive = dock.ship("v2", to=to, restart=("exit 3",))
    target.place(second, archive)
    target.switch(second)
    said.unlink()
    target.switch(first)
    target.restart(first)
    assert (said.read_text(), target.current()) == ("v1\n", "dash@v1")


def test_a_restart_that_fails_says_so_with_its_last_lines(dock: Dock) -> None:
    with pytest.raises(DeployError, match="ended with status 3") as caught:
        dock.send("v1", restart=("echo out of paint; exit 3",))
    assert "out of paint" in caught.value.message
    with pytest.raises(DeployError, match="took longer"):
        dock.send("v1", restart=("sleep 9",), timeout=timedelta(milliseconds=100))


def test_a_full_disk_of_controls_own_is_said_and_nothing_is_restarted(dock: Dock) -> None:
    """An error that nobody foresaw would be tried again for ever, and hold up every other deployment (RULES H1)."""
    target, shipment, archive = dock.ship("v1", restart=('touch "$EBBGATE_SHARED/restarted"',))
    target.place(shipment, archive)
    target.switch(shipment)
    (folder,) = (dock.top / "work").iterdir()
    (folder / "restarted").mkdir()  # as a disk that takes no file
    with pytest.raises(StoreUnavailableError):
        target.restart(shipment)
    assert not (dock.place / "shared" / "restarted").exists()


def test_commands_do_not_see_what_control_knows(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EBBGATE_TOKEN", "secret")
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    dock.send("v1", restart=('env > "$EBBGATE_SHARED/env"',))
    assert "secret" not in (dock.place / "shared" / "env").read_text()


def test_a_command_target_gets_the_archive_and_is_asked_what_runs(dock: Dock) -> None:
    to = TargetTerms(command='tar -xf "$EBBGATE_ARTIFACT" && echo "$EBBGATE_DIGEST" > which', folder=str(dock.top))
    target, shipment, archive = dock.ship("v1", to=to, version_run="cat which")
    assert target.current() is None
    target.place(shipment, archive)
    target.switch(shipment)
    assert ((dock.top / "text").read_text(), target.current()) == ("v1", "dash@v1")
    assert target.look(shipment).proof is Proof.SERVED_DIGEST
    assert not target.look(msgspec.structs.replace(shipment, digest="sha256:" + "0" * 64)).is_good


@pytest.mark.parametrize("kind", ["directory", "command"])
def test_one_deployment_at_a_time_has_a_target(dock: Dock, kind: str) -> None:
    dock.place.mkdir()
    to = TargetTerms(directory=str(dock.place)) if kind == "directory" else TargetTerms(command="true")

    def hold() -> Any:
        return dock.deployer.target(dock.terms(to=to)).hold(timeout=timedelta(0))

    with hold(), pytest.raises(ConflictError, match="holds"), hold():
        pass
    with hold():
        pass
