"""The second stage in a sandbox: the last stable release's own bytes, unpacked, switched, started and asked."""

from collections.abc import Callable, Iterator

import msgspec

from ebbgate.control.deployments_ship import Voyage
from ebbgate.control.deployments_steps import StepRunner
from ebbgate.control.releases_find import has_target
from ebbgate.core.errors import EbbgateError
from ebbgate.core.releases import DeployStep, DeployTerms, Proof, Release, TargetTerms, last_stable
from ebbgate.core.rollbacks.drill import Drill, PartName
from ebbgate.ports.artifacts import ArtifactStore
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore
from ebbgate.ports.deployer import Deployer, Shipment, Target

Act = Callable[[], tuple[str, bool | None]]
_STEPS = {
    PartName.PLACE: (DeployStep.FETCH, DeployStep.PLACE),
    PartName.SWITCH: (DeployStep.SWITCH,),
    PartName.RESTART: (DeployStep.RESTART,),
    PartName.CHECK: (DeployStep.CHECK,),
}


class SandboxPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What would be deployed where. why_not: nothing is, and why; is_optional: and that is no failure."""

    release: str | None = None
    sandbox: str = ""
    shipment: Shipment | None = None
    why_not: str = ""
    is_optional: bool = False


class Redeployment:
    """Deploys into a sandbox, over the same ports as the real thing. folder: for sandboxes whose plan names none."""

    def __init__(
        self, store: ControlStore, artifacts: ArtifactStore, deployer: Deployer, clock: Clock, *, folder: str
    ) -> None:
        self._store = store
        self._deployer = deployer
        self._runner = StepRunner(artifacts, clock)
        self._folder = folder

    def plan(self, drill: Drill) -> SandboxPlan:
        """What this drill would deploy."""
        with self._store.transaction() as tx:
            is_deployed, release = has_target(tx, drill.app), last_stable(tx.releases(app=drill.app))
        if not is_deployed:
            why = f"no redeployment was rehearsed: nothing of {drill.app} is deployed by ebbgate"
            return SandboxPlan(why_not=why, is_optional=True)
        if release is None:
            return SandboxPlan(why_not=f"{drill.app} has no stable release")
        terms = self._terms(release)
        return SandboxPlan(
            release=release.id,
            sandbox=terms.to.key,
            shipment=Shipment(
                deployment=drill.id,
                nonce=drill.id,
                app=release.app,
                release=release.id,
                version=release.version,
                digest=release.artifact.digest,
                commit=release.commit,
                terms=terms,
            ),
        )

    def parts(self, drill: Drill, plan: SandboxPlan) -> Iterator[tuple[PartName, Act]]:
        """Each part with what does it: returns its words, and whether it worked (None: left out). The act raises
        EbbgateError where it failed.
        """
        assert plan.shipment is not None
        target = self._deployer.target(plan.shipment.terms)
        for name, steps in _STEPS.items():
            yield name, self._act(name, steps, target, plan.shipment)

    def stop(self, drill: Drill, plan: SandboxPlan) -> None:
        """End what the sandbox started, as its plan says."""
        if plan.shipment is None or not plan.shipment.terms.stop:
            return
        stopping = msgspec.structs.replace(plan.shipment.terms, restart=plan.shipment.terms.stop)
        shipment = msgspec.structs.replace(plan.shipment, terms=stopping)
        try:
            self._deployer.target(stopping).restart(shipment)
        except EbbgateError:
            return  # it may have ended by itself; the sandbox is nobody's service

    def _act(self, name: PartName, steps: tuple[DeployStep, ...], target: Target, shipment: Shipment) -> Act:
        def act() -> tuple[str, bool | None]:
            told: list[str] = []
            proof: Proof | None = None
            for step in steps:
                words, proof = self._runner.run(step, target, Voyage(there=shipment, back=None), lambda: False)
                told.append(words)
            if name is PartName.RESTART and not shipment.terms.restart:
                return "left out: the plan has no `drill.restart` under `deploy`", None
            if name is PartName.CHECK and proof is Proof.NONE:
                return "left out: the plan has no `drill.health` under `deploy`", None
            return "; ".join(told), True

        return act

    def _terms(self, release: Release) -> DeployTerms:
        """The plan's own sandbox, or a folder in which nothing is started."""
        given = release.deploy.drill if release.deploy is not None else None
        return given or DeployTerms(to=TargetTerms(directory=f"{self._folder}/{release.app}"))
