"""The whole control plane in memory behind its real API, for the tests of the API and of its client.

Imports are inside: most unit tests need no web framework.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest


@pytest.fixture(scope="session")
def stage() -> Iterator[Any]:
    """One app for all tests, as making one takes longer than most tests; each test puts its own services behind it."""
    from litestar.testing import TestClient

    from ebbgate.api import create_app

    behind = _Behind(_services(_a_world()))
    with TestClient(create_app(behind)) as http:  # type: ignore[arg-type]
        yield behind, http


@pytest.fixture
def desk(stage: Any) -> Any:
    """A `ControlDesk` of one's own."""
    behind, http = stage
    made = ControlDesk(http)
    behind.services = made.services
    return made


@pytest.fixture
def desk_alone() -> Iterator[Any]:
    """A `ControlDesk` with an app of its own, for what an app remembers."""
    from litestar.testing import TestClient

    from ebbgate.api import create_app

    made = ControlDesk(None)
    with TestClient(create_app(made.services)) as made.http:
        yield made


class _Behind:
    """The services of the test that runs now."""

    def __init__(self, services: Any) -> None:
        self.services = services

    def __getattr__(self, name: str) -> Any:
        return getattr(self.services, name)


class ControlDesk:
    """The API over the simulation's stores, with a token of each kind, and an HTTP client in process."""

    def __init__(self, http: Any) -> None:
        from ebbgate.control.audit import Actor

        self.http = http
        self.world = _a_world()
        self.services = _services(self.world)
        self.store, self.events, self.clock = self.world.store, self.world.events, self.world.clock
        self.access, self.loop = self.services.access, self.services.loop
        ada = Actor(name="setup", reason="tests")
        kinds = ("client", "server", "operator", "admin")
        made = {kind: self.access.create_token(kind, f"the {kind}", actor=ada) for kind in kinds}
        self.tokens = {kind: secret for kind, (_, secret) in made.items()}
        self.token_ids = {kind: row.id for kind, (row, _) in made.items()}

    def call(self, method: str, path: str, body: Any = None, *, kind: str | None = "operator", **more: Any) -> Any:
        """An HTTP answer. kind: of the token sent; None for none."""
        headers = {"authorization": f"Bearer {self.tokens[kind]}"} if kind else {}
        return self.http.request(method, path, json=body, headers={**headers, **more.pop("headers", {})}, **more)

    def client(self, kind: str = "operator") -> Any:
        """A `ControlClient` that talks to the app in process."""
        from ebbgate.client import ControlClient

        return ControlClient("http://testserver.local", self.tokens[kind], transport=self.http._transport)

    def start(self, **changes: Any) -> str:
        """Start a rollout of `newWidgets` in the world; returns its id."""
        from ebbgate.testing.rollouts import a_plan

        return self.world.start(a_plan(**changes)).id

    def live(self, hours: float) -> None:
        """Let people come by, and the loop look once an hour."""
        for _ in range(round(hours)):
            self.world.pass_time(timedelta(hours=1))

    def build(self, version: str = "v1.0.0", **fields: Any) -> Any:
        """Upload an archive and register a release of the app `dash` for it; returns the release."""
        return self.client("admin").releases.register(self.request(version, **fields))

    def request(self, version: str = "v1.0.0", **fields: Any) -> Any:
        """What registers such a release; its bytes are uploaded already."""
        import hashlib

        from ebbgate.core.releases import Artifact, DeployTerms, Documents, Manifest, TargetTerms, encode_manifest
        from ebbgate.core.releases.requests import RegisterRelease

        def upload(data: bytes) -> str:
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            self.client().releases.upload(digest, [data])
            return digest

        archive = f"archive of {version}".encode()
        digest, length = upload(archive), len(archive)
        artifact = Artifact(digest=digest, archive_bytes=length, content_bytes=0, gzip_bytes=0, files=0)
        manifest = upload(encode_manifest(Manifest(files=())))
        given = {
            "app": "dash",
            "version": version,
            "artifact": artifact,
            "documents": Documents(manifest=manifest),
            "reason": "built",
            "deploy": DeployTerms(to=TargetTerms(directory="/srv/dash")),
        }
        return RegisterRelease(**{**given, **fields})

    def audit(self) -> list[Any]:
        with self.store.transaction() as tx:
            return tx.audit(limit=1_000)


def _a_world() -> Any:
    from ebbgate.simulation.world import World

    return World(seed=1, users=300)


def _services(world: Any) -> Any:
    from ebbgate.adapters.plans import read_plan
    from ebbgate.adapters.reports import HtmlPage
    from ebbgate.api.services import ApiServices
    from ebbgate.control.access import AccessService
    from ebbgate.control.alert_hooks import AlertHookService
    from ebbgate.control.deployments import DeploymentService
    from ebbgate.control.deployments_worker import DeploymentWorker
    from ebbgate.control.drills import DrillService
    from ebbgate.control.drills_redeploy import Redeployment
    from ebbgate.control.environments import EnvironmentService
    from ebbgate.control.flags_exchange import FlagExchangeService
    from ebbgate.control.flags_history import FlagHistoryService
    from ebbgate.control.incidents import IncidentService
    from ebbgate.control.notifications import NotificationService
    from ebbgate.control.postmortems import PostMortemService
    from ebbgate.control.preflight import PreflightService
    from ebbgate.control.probes import ProbeService
    from ebbgate.control.releases import ReleaseService
    from ebbgate.control.releases_prune import PruneService
    from ebbgate.control.reports import ReportService
    from ebbgate.control.triggers import TriggerService
    from ebbgate.testing.memory_artifacts import MemoryArtifactStore
    from ebbgate.testing.memory_deployer import MemoryDeployer

    shared = (world.store, world.clock, world.snapshots)
    triggers = TriggerService(*shared)
    artifacts, deployer = MemoryArtifactStore(), MemoryDeployer()
    notifications = NotificationService(world.store, world.clock, [_Mailbox()])
    sandbox = Redeployment(world.store, artifacts, deployer, world.clock, folder="/sandbox")
    drills = DrillService(
        world.store, world.events, world.clock, world.flags, sandbox, wake=lambda: None, spawn=lambda _name, _work: None
    )
    worker = DeploymentWorker(world.store, artifacts, deployer, world.clock)
    return ApiServices(
        rollouts=world.rollouts,
        flags=world.flags,
        flag_history=FlagHistoryService(*shared),
        flag_exchange=FlagExchangeService(*shared),
        environments=EnvironmentService(*shared),
        views=world.views,
        rollbacks=world.rollbacks,
        access=AccessService(world.store, world.clock, _Nowhere(), entropy=_counted_bytes()),
        notifications=notifications,
        incidents=IncidentService(world.store, world.clock),
        triggers=triggers,
        probes=ProbeService(world.store, world.clock, _Well(), triggers),
        alert_hooks=AlertHookService(world.store, world.clock, world.snapshots, triggers),
        reports=ReportService(world.store, world.events, world.clock, world.snapshots, triggers),
        postmortems=PostMortemService(world.store, world.events, world.clock, HtmlPage()),
        drills=drills,
        preflight=PreflightService(
            world.store, world.events, world.clock, artifacts, deployer, notifications, drills, world.views
        ),
        releases=ReleaseService(world.store, artifacts, world.clock),
        deployments=DeploymentService(world.store, world.clock, lambda: "a-word", wake=worker.wake),
        pruning=PruneService(world.store, artifacts, deployer, world.clock),
        artifacts=artifacts,
        deployment_worker=worker,
        loop=_counted_loop(world),
        store=world.store,
        events=world.events,
        clock=world.clock,
        read_plan=lambda text, overlay: read_plan(text, overlay=overlay),
    )


class _Mailbox:
    """A Channel that takes everything."""

    service, problem = "memory", ""

    def __init__(self) -> None:
        from ebbgate.core.alerts import ChannelRule

        self.rule = ChannelRule(name="mailbox", url="memory://")
        self.taken: list[Any] = []

    def send(self, message: Any) -> None:
        self.taken.append(message)


class _Well:
    """A Prober; all is well."""

    def probe(self, probe: Any) -> str:
        return ""


class _Nowhere:
    """An AccessPublisher; there is no edge."""

    def publish(self, access: Any) -> None: ...


def _counted_bytes() -> Callable[[int], bytes]:
    """Different bytes at each call, the same in each run."""
    count = 0

    def draw(size: int) -> bytes:
        nonlocal count
        count += 1
        return count.to_bytes(size, "big")

    return draw


def _counted_loop(world: Any) -> Any:
    """The world's loop, which says how often it was woken."""
    from ebbgate.control.looker import Looker
    from ebbgate.control.loop import ReconcileLoop
    from ebbgate.control.outbox import OutboxService

    class CountedLoop(ReconcileLoop):
        wakes = 0

        def wake(self) -> None:
            self.wakes += 1
            super().wake()

    looker = Looker(world.store, world.events, world.log, world.clock, world.snapshots, world.rollbacks)
    outbox = OutboxService(world.store, world.clock, world.notifier)
    world.loop = CountedLoop(world.store, looker, world.snapshots, outbox, world.clock)
    return world.loop
