"""`ebbgate serve` where something is in its way: a full disk, a taken port, Ctrl-C, other accounts (RULES I3)."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.processes import end, spawn
from ebbgate.bootstrap.settings import Role, ServeSettings
from ebbgate.client import ControlClient
from ebbgate.demo.server import LocalServer

COMMAND = [sys.executable, "-m", "ebbgate"]
FREE_PORTS = ["--edge-port", "0", "--control-port", "0", "--log-level", "error"]
CLOCK = SystemClock()


def wait_until(is_done: Callable[[], bool], what: str, *, seconds: float = 60) -> None:
    end_at = CLOCK.monotonic() + seconds
    while not is_done():
        assert CLOCK.monotonic() < end_at, f"waited too long for {what}"
        CLOCK.sleep(timedelta(milliseconds=5))


def ebbgate(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, **environ}, check=False
    )


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize("role", [Role.EDGE, Role.CONTROL])
def test_a_process_whose_parent_goes_away_the_moment_it_listens_ends(role: Role, tmp_path: Path) -> None:
    data = tmp_path / "data"
    secret = data / "admin.token"
    process = spawn(ServeSettings(data_dir=data, role=role, edge_port=0, control_port=0, admin_token_file=secret))
    try:
        wait_until((data / f"{role.value}.port").exists, f"{role.value} to listen")
        assert process.stdin is not None
        process.stdin.close()
        process.wait(5)  # half of what it has before it is killed
    finally:
        end(process)


def test_what_does_not_stop_when_its_parent_is_gone_is_killed(tmp_path: Path) -> None:
    program = (
        "import signal, threading; from ebbgate.bootstrap import processes; processes.STOP_WITHIN_S = 0.3;"
        "signal.signal(signal.SIGTERM, lambda *_: None); processes.end_with_parent(); threading.Event().wait(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == -signal.SIGKILL


def test_an_admin_token_that_cannot_be_handed_out_is_made_at_the_next_start(tmp_path: Path) -> None:
    data, no_directory = tmp_path / "data", tmp_path / "file"
    no_directory.write_text("x")
    where = str(no_directory / "admin.token")
    ran = ebbgate("serve", "--data", str(data), *FREE_PORTS, "--admin-token-file", where, "--json")
    assert (ran.returncode, json.loads(ran.stdout)["error"]["code"]) == (1, "store_unavailable")
    assert where in ran.stderr

    with LocalServer(data) as server, ControlClient(server.control_url, server.admin_token) as control:
        assert [token.name for token in control.tokens.list()] == ["first admin"]


def test_who_has_lost_every_admin_token_makes_one_on_the_servers_machine(tmp_path: Path) -> None:
    data = tmp_path / "data"
    nowhere = ebbgate("token", "new-admin", "--data", str(data))
    assert (nowhere.returncode, "no server has run" in nowhere.stderr) == (1, True)
    assert not data.exists()

    with LocalServer(data) as server:
        made = ebbgate("token", "new-admin", "--data", str(data), "--reason", "the laptop is gone")
        assert made.returncode == 0, made.stderr
        with ControlClient(server.control_url, made.stdout.strip()) as control:
            assert [token.name for token in control.tokens.list()] == ["first admin", "new admin"]
            last = control.records.audit()[-1]
        assert (last.action, last.actor, last.reason) == (
            "token.create",
            f"local account {os.geteuid()}",
            "the laptop is gone",
        )
        headers = {"authorization": f"Bearer {made.stdout.strip()}"}
        metrics = f"{server.edge_url}/metrics"
        wait_until(lambda: httpx.get(metrics, headers=headers).status_code == 200, "the edge to know the token")


def test_a_process_is_started_again_though_its_number_cannot_be_written(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with LocalServer(data, log_level="error") as server:
        (data / "edge.pid.new").mkdir()  # where the number would be written
        server.kill(Role.EDGE)
        wait_until(lambda: answers(server.edge_url), "the edge to start again")


def test_a_process_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    data, python = tmp_path / "data", tmp_path / "python"
    program = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    python.write_text(program)
    python.chmod(0o700)
    script = (
        "import sys; from pathlib import Path; from ebbgate.bootstrap.serve import Supervisor;"
        "from ebbgate.bootstrap.settings import ServeSettings;"
        f"sys.executable = {str(python)!r}; data = Path({str(data)!r});"
        "Supervisor(ServeSettings(data_dir=data, edge_port=0, control_port=0, log_level='error',"
        " admin_token_file=data / 'admin.token')).run()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: all((data / f"{role}.port").exists() for role in ("edge", "control")), "both to listen")
            python.unlink()
            os.kill(int((data / "edge.pid").read_text()), signal.SIGKILL)
            assert process.stderr is not None
            assert "edge ended with status -9; starts again" in process.stderr.readline()
            assert "edge could not be started" in process.stderr.readline()
            python.write_text(program)
            python.chmod(0o700)
            url = f"http://127.0.0.1:{(data / 'edge.port').read_text()}"
            wait_until(lambda: answers(url), "the edge to start again")
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


class Served:
    """`ebbgate serve --json` in a session of its own, as in a terminal."""

    def __init__(self, data: Path, *options: str, **environ: str) -> None:
        secret = data.with_name("admin.token")
        self.process = subprocess.Popen(
            [
                *COMMAND,
                "serve",
                "--data",
                str(data),
                *FREE_PORTS,
                "--admin-token-file",
                str(secret),
                "--json",
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environ},
            start_new_session=True,
        )
        assert self.process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            line = self.process.stdout.readline()
            assert line, self.process.communicate()
            text += line
        self.told: dict[str, Any] = json.loads(text)
        self.token = secret.read_text()

    def stop(self) -> tuple[int, str]:
        """Status, and what else was printed on standard output."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out


def test_ctrl_c_lets_the_edge_answer_what_it_was_asked(tmp_path: Path) -> None:
    """A terminal interrupts every process of its session at once."""
    served = Served(tmp_path / "data")
    port = int(served.told["edge_url"].rsplit(":", 1)[1])
    headers = {"authorization": f"Bearer {served.token}"}
    url = f"{served.told['edge_url']}/readyz"
    wait_until(lambda: httpx.get(url, headers=headers).status_code == 200, "the edge to be ready")
    with socket.create_connection(("127.0.0.1", port)) as client:
        head = (
            f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token}\r\nContent-Length: 2\r\n\r\n"
        )
        client.sendall(head.encode() + b"[")
        CLOCK.sleep(timedelta(milliseconds=300))
        os.killpg(served.process.pid, signal.SIGINT)
        CLOCK.sleep(timedelta(milliseconds=700))
        client.sendall(b"]")
        client.settimeout(30)
        answer = client.recv(4096)
    served.process.communicate(timeout=60)
    assert answer.startswith(b"HTTP/1.1 ")
    assert served.process.returncode == 0


def test_settings_are_not_on_the_command_line_that_every_account_sees(tmp_path: Path) -> None:
    served = Served(tmp_path / "data", EBBGATE_PUBLIC_URL="http://name:PASSWORD@edge.example")
    try:
        listed = subprocess.run(
            ["ps", "--ppid", str(served.process.pid), "-o", "args="], capture_output=True, text=True, check=True
        ).stdout
    finally:
        assert served.stop() == (0, "")
    assert listed.count("ebbgate.bootstrap.worker") == 2
    assert "PASSWORD" not in listed


def test_what_the_server_writes_is_closed_to_other_accounts(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with LocalServer(data, log_level="error") as server:
        wait_until(lambda: httpx.get(f"{server.edge_url}/readyz").status_code == 200, "the edge to be ready")
        found = {path: stat.S_IMODE(path.stat().st_mode) for path in [data, *data.rglob("*")]}
        assert {path.name: oct(mode) for path, mode in found.items() if mode & 0o077} == {}
        assert modes_of(data)["finding"] == "ok"
        data.chmod(0o755)
        (data / "control.db").chmod(0o644)
        wide = modes_of(data)
    assert (wide["finding"], "control.db" in wide["detail"], wide["hint"]) == (
        "warning",
        True,
        f"close it: chmod 700 {data}",
    )


def modes_of(data: Path) -> dict[str, str]:
    checks = json.loads(ebbgate("doctor", "--data", str(data), "--json").stdout)
    return next(check for check in checks if check["name"] == "modes")


@pytest.mark.parametrize(("role", "option"), [("edge", "--edge-port"), ("all", "--edge-port"), ("all", "--grpc-port")])
def test_a_taken_port_ends_the_server_with_one_document_that_says_so(
    role: str, option: str, taken_port: int, tmp_path: Path
) -> None:
    ports = {"--edge-port": 0, "--control-port": 0, option: taken_port}
    options = ["--role", role, *(str(part) for pair in ports.items() for part in pair), "--log-level", "error"]
    secret = ["--admin-token-file", str(tmp_path / "admin.token")]
    ran = ebbgate("serve", "--data", str(tmp_path / "data"), *options, *secret, "--json")
    assert ran.returncode == 1
    error = json.loads(ran.stdout)["error"]
    assert (error["code"], str(taken_port) in error["message"], option in error["hint"]) == (
        "store_unavailable",
        True,
        True,
    )


def test_a_setting_that_cannot_be_used_ends_the_server_as_a_wrong_command(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with LocalServer(data, scale=60.0, log_level="error"):
        pass
    ran = ebbgate("serve", "--data", str(data), *FREE_PORTS, "--scale", "30")
    assert (ran.returncode, "has the scale 60, not 30" in ran.stderr) == (2, True), ran


def test_a_second_server_on_the_same_directory_ends_and_leaves_the_first_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with LocalServer(data, log_level="error") as server:
        ran = ebbgate("serve", "--data", str(data), *FREE_PORTS)
        assert (ran.returncode, "another `ebbgate serve` runs" in ran.stderr) == (1, True), ran
        assert (data / "edge.port").read_text() == str(server.edge_port)


def test_an_ipv6_address_stands_in_brackets(tmp_path: Path) -> None:
    try:
        with closing(socket.create_server(("::1", 0), family=socket.AF_INET6)):
            pass
    except OSError:
        pytest.skip("this machine has no IPv6")
    served = Served(tmp_path / "data", "--host", "::1")
    try:
        assert served.told["edge_url"].startswith("http://[::1]:")
        assert answers(served.told["edge_url"])
    finally:
        assert served.stop() == (0, "")
