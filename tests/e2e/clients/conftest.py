"""A real server with a rollout and plain flags, and what is known of it inside: for clients that others make."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import duckdb
import pytest
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from ebbgate.client import ControlClient
from ebbgate.core.flags import Bucketing, Evaluator, decode_snapshot
from ebbgate.demo.server import LocalServer

NODE = Path(__file__).parent / "node"
ANSWER_WITHIN_S = 30.0
PLAN = """
app: dashboard
flag: newWidgets
mode: act
commander: devops-lead
phases:
  - {name: half, to: 50%, who: random, stay: 1d..9d}
  - {name: full, to: 100%, who: everyone, watch: 9d}
guardrails:
  errors: {rate: api_error / api_request, worse_by: 5pp}
"""
FLAGS: dict[str, dict[str, Any]] = {
    "greeting": {"formal": "Good day", "short": "Hi"},
    "pageSize": {"large": 50, "small": 10},
    "ratio": {"half": 0.5, "quarter": 0.25},
    "theme": {"dark": {"colour": "black", "sizes": [1, 2]}, "light": {"colour": "white", "sizes": []}},
    "kiosk": {"on": True, "off": False},
}
"""Each serves its first variant. `kiosk` is the one that is toggled."""
CODE_DEFAULTS: dict[str, dict[str, Any]] = {
    "resting": {"state": "DISABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"},
    "undecided": {"state": "ENABLED", "variants": {"on": True, "off": False}},
}
"""Flags that leave the value to the code that asks."""
STRICT = """
import sys
from pathlib import Path
from ebbgate.bootstrap.edge import run_edge
from ebbgate.edge.settings import EdgeSettings

run_edge(
    EdgeSettings(
        data_dir=Path(sys.argv[1]), port=0, grpc_port=0, cors_origins=("*",), rate_burst=4, rate_per_s=0.05
    ),
    log_level="error",
)
"""
"""An edge that answers four requests with one token, and then one every 20 s; its gRPC services need a token."""


class World:
    """A server whose flag `newWidgets` is rolled out to half of the users, and which serves FLAGS beside it."""

    def __init__(self, server: LocalServer, control: ControlClient, wait: Callable[..., None]) -> None:
        self.server = server
        self.control = control
        self._wait = wait
        self.url = server.edge_url
        self.client_token = control.tokens.create("client", "others", reason="to evaluate").secret
        self.server_token = control.tokens.create("server", "edges of others", reason="to read the document").secret
        for key, variants in FLAGS.items():
            self.put(key, variants, next(iter(variants)))
        for key, definition in CODE_DEFAULTS.items():
            control.flags.put(key, definition, reason="for the test")
        control.rollouts.start(PLAN, release="v2.0.0", reason="to see who gets it")

    def put(self, key: str, variants: dict[str, Any], default: str) -> None:
        definition = {"state": "ENABLED", "variants": variants, "defaultVariant": default}
        self.control.flags.put(key, definition, reason="for the test")

    @contextmanager
    def kiosk_off(self) -> Iterator[None]:
        """Meanwhile the flag `kiosk` is off."""
        self.put("kiosk", FLAGS["kiosk"], "off")
        try:
            yield
        finally:
            self.put("kiosk", FLAGS["kiosk"], "on")

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Once all that has happened is in the tables, the server is stopped; afterwards it listens where it did."""
        now = self.control.server.clock().plan_at
        self._wait(lambda: (self.control.observations.totals().watermark or now) > now, "the log to be read")
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()

    def expected(
        self, units: Iterable[str], bucketing: Bucketing | None = None, environment: str = "production"
    ) -> dict[str, str | None]:
        """Who has which variant of `newWidgets`, by the product's own evaluator. bucketing: None = the environment's;
        production has v2.
        """
        path = self.server.data_dir / f"snapshots/{environment}.json"
        evaluator = Evaluator(decode_snapshot(path.read_bytes()), bucketing=bucketing)
        return {unit: evaluator.evaluate("newWidgets", None, {"targetingKey": unit}, None).variant for unit in units}

    def exposures(self, units: str) -> dict[str, str]:
        """Unit to variant in the table of exposures, for units that begin so. The server must be stopped."""
        rows = set(self.exposure_rows(units))
        assert len({unit for unit, _ in rows}) == len(rows), "a unit saw two variants"
        return dict(rows)

    def exposure_rows(self, units: str) -> list[tuple[str, str]]:
        """The rows of that table. The server must be stopped: it alone may hold the file."""
        path = self.server.data_dir / "analysis.duckdb"
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.execute(
                "SELECT unit, variant FROM exposures WHERE flag = 'newWidgets' AND starts_with(unit, ?)", [units]
            ).fetchall()


class NodeProcess:
    """A node program that answers each JSON line with one JSON line. A failed call is an assertion."""

    def __init__(self, program: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            ["node", program, *arguments],
            cwd=NODE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
            text=True,
        )
        self._answers: Queue[str] = Queue()
        Thread(target=self._read, name="answers of node", daemon=True).start()

    def ask(self, do: str, **fields: Any) -> Any:
        """Raises AssertionError if the program fails, or does not answer in time."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
        self._process.stdin.flush()
        try:
            answer = json.loads(self._answers.get(timeout=ANSWER_WITHIN_S))
        except Empty:
            raise AssertionError(f"node did not answer {do!r}; it ended with {self._process.poll()}") from None
        assert "failure" not in answer, answer["failure"]
        return answer["answer"]

    def close(self) -> None:
        """End of input is the program's sign to end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, eventually: Callable[..., None]) -> Iterator[World]:
    """One server for all these tests. Each has users of its own, and leaves flags and server as it found them."""
    with (
        LocalServer(
            tmp_path_factory.mktemp("others") / "data", cors_origins=("*",), grpc_port=0, grpc_without_token=True
        ) as server,
        ControlClient(server.control_url, server.admin_token, timeout=30.0) as control,
    ):
        yield World(server, control, eventually)


HURRIED = ("python", "node", "web")


class StrictEdge:
    """Where STRICT listens. tokens: of clients, by name; each has a rate of its own."""

    def __init__(self, data_dir: Path, tokens: dict[str, str]) -> None:
        self.tokens = tokens
        self.url = f"http://127.0.0.1:{(data_dir / 'edge.port').read_text()}"
        self.grpc_port = int((data_dir / "edge.grpc.port").read_text())


@pytest.fixture(scope="session")
def strict(
    world: World, tmp_path_factory: pytest.TempPathFactory, eventually: Callable[..., None]
) -> Iterator[StrictEdge]:
    """A second edge with the same flags and the tokens of the first, which lets nobody ask often."""
    data_dir = tmp_path_factory.mktemp("strict")
    create = world.control.tokens.create
    tokens = {name: create("client", f"{name}, in a hurry", reason="to be refused").secret for name in HURRIED}
    eventually(lambda: b"undecided" in (world.server.data_dir / "snapshots/production.json").read_bytes(), "the flags")
    shutil.copytree(world.server.data_dir / "snapshots", data_dir / "snapshots")
    shutil.copy(world.server.data_dir / "access.json", data_dir)
    process = subprocess.Popen([sys.executable, "-c", STRICT, str(data_dir)])
    try:
        eventually(lambda: (data_dir / "edge.grpc.port").exists(), "the edge to listen")
        yield StrictEdge(data_dir, tokens)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def node(installed: Callable[..., None]) -> Iterator[Callable[..., NodeProcess]]:
    """Starts programs of the folder `node`; left out where node or its packages are missing."""
    installed("node")
    if not (NODE / "node_modules").is_dir():
        pytest.skip("not installed: the packages of tests/e2e/clients/node (tests/node-packages.sh does it)")
    with ExitStack() as stack:

        def start(program: str, *arguments: str) -> NodeProcess:
            process = NodeProcess(program, *arguments)
            stack.callback(process.close)
            return process

        yield start


@pytest.fixture
def assert_every_type() -> Callable[[OpenFeatureClient], None]:
    """Through Python's OpenFeature, flags of every type come with variant, reason and metadata."""

    def check(client: OpenFeatureClient) -> None:
        anybody = EvaluationContext("py-anybody")
        boolean = client.get_boolean_details("kiosk", False, anybody)
        assert (boolean.value, boolean.variant, boolean.reason) == (True, "on", Reason.STATIC)
        assert boolean.flag_metadata["flagSetId"] == "production"
        assert client.get_string_value("greeting", "", anybody) == "Good day"
        assert client.get_integer_value("pageSize", 0, anybody) == 50
        assert client.get_float_value("ratio", 0.0, anybody) == 0.5
        assert client.get_object_value("theme", {}, anybody) == {"colour": "black", "sizes": [1, 2]}
        missing = client.get_boolean_details("no such flag", True, anybody)
        assert (missing.value, missing.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)

    return check
