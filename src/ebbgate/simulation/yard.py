"""Where a simulated application's releases lie and run: a stable v1, the v2 that is rolled out, and one target."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ebbgate.control.deployments import DeploymentService
from ebbgate.control.deployments_worker import DeploymentWorker
from ebbgate.core.releases import ReleaseState
from ebbgate.ports.artifacts import ArtifactStore
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore
from ebbgate.ports.deployer import Deployer
from ebbgate.testing.clock import MORNING
from ebbgate.testing.memory_artifacts import MemoryArtifactStore
from ebbgate.testing.memory_deployer import MemoryDeployer
from ebbgate.testing.releases import EMPTY, TERMS, a_release, bytes_of, digest_of

APP = "dashboard"
STABLE, NEW = f"{APP}@v1.0.0", f"{APP}@v2.0.0"


class Connected(NamedTuple):
    """Services over one store, as one process has them."""

    deployments: DeploymentService
    worker: DeploymentWorker


class Yard:
    """Outlives restarts of control, as disks and targets do. new, stable: fields of the releases in place of the
    usual; has_releases: whether any is registered. `target` is in memory unless a deployer is given.
    """

    def __init__(
        self,
        *,
        has_releases: bool = True,
        new: dict[str, Any] | None = None,
        stable: dict[str, Any] | None = None,
        artifacts: ArtifactStore | None = None,
        deployer: Deployer | None = None,
    ) -> None:
        self.artifacts = artifacts or MemoryArtifactStore()
        self.memory = MemoryDeployer()
        self._deployer = deployer or self.memory
        self.target = self.memory.target(TERMS)
        self._fields = {"v1.0.0": stable or {}, "v2.0.0": new or {}}
        self._versions = ("v1.0.0", "v2.0.0") if has_releases else ()
        self._words = 0
        if deployer is None:
            self._runs()

    def connected(self, store: ControlStore, clock: Clock, *, on_step: Callable[[str], None]) -> Connected:
        """Deployments over a store, in which the releases are, from the first time on."""
        self._register(store)
        worker = DeploymentWorker(store, self.artifacts, self._deployer, clock, on_step=on_step)
        return Connected(DeploymentService(store, clock, self._word, wake=worker.wake), worker)

    @property
    def is_new(self) -> bool:
        """Whether the new release is what runs."""
        return self.target.running == NEW

    def _runs(self) -> None:
        """The new release was deployed before its flag's rollout, and lies there."""
        self.target.here[NEW] = digest_of(bytes_of("v2.0.0"))
        self.target.is_current = self.target.running = NEW

    def _register(self, store: ControlStore) -> None:
        with store.transaction() as tx:
            if tx.releases(app=APP):
                return
            for version in self._versions:
                is_old = version == "v1.0.0"
                given: dict[str, Any] = {"id": f"{APP}@{version}", "app": APP, **self._fields[version]}
                if is_old:
                    given = {"state": ReleaseState.STABLE, "stable_at": MORNING, **given}
                tx.put_release(a_release(version, **given))
        for data in (bytes_of("v1.0.0"), bytes_of("v2.0.0"), EMPTY):
            self.artifacts.put(digest_of(data), [data])

    def _word(self) -> str:
        self._words += 1
        return f"word-{self._words}"
