"""Issue 5, acceptance 4: control is ended at every step that the saga tells, and between each effect and its entry.

The real services over memory stores and a real directory that releases are deployed to. One run is not disturbed; then
each of the steps that it told is where another run ends, once, and control starts again over the same stores and files.
"""

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from ebbgate.adapters.artifacts import pack
from ebbgate.adapters.deploy import LocalDeployer
from ebbgate.control.audit import Actor
from ebbgate.control.looker import STEPS as LOOKER_STEPS
from ebbgate.control.replay import ReplayService
from ebbgate.control.rollbacks import STEPS as SAGA_STEPS
from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.flags import Snapshot
from ebbgate.core.releases import Artifact, DeploymentStatus, DeployTerms, Documents, Proof, ReleaseState, TargetTerms
from ebbgate.core.releases.deployment import REPEATABLE
from ebbgate.core.rollouts.state import RollbackOutcome, RolloutState, Status
from ebbgate.ports.control_store import ControlStore
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import World
from ebbgate.simulation.yard import APP, NEW, STABLE, Yard
from ebbgate.testing.clock import MORNING, VirtualClock
from ebbgate.testing.releases import EMPTY, a_release, digest_of

SEED = 20260501
PERSON = Actor(name="ada", reason="it hurts")
DEPLOYMENT = [
    f"deploy.{step}.{moment}"
    for step in ("fetch", "place", "switch", "restart", "check")
    for moment in ("acted", "noted")
]
FIRST_STAGE = [*LOOKER_STEPS, "written", "rollback.recovery", "rollback.done"]
SECOND_STAGE = [*LOOKER_STEPS, "written", *(step for step in SAGA_STEPS if step != "rollback.recovery"), *DEPLOYMENT]


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


class Street(Yard):
    """Releases on a real disk, deployed to a real directory. What answers is told by a file that a restart writes."""

    def __init__(self, top: Path) -> None:
        self.top, self.place = top, top / "deployed"
        self._terms = DeployTerms(
            to=TargetTerms(directory=str(self.place)),
            restart=(
                "echo $EBBGATE_RELEASE >> $EBBGATE_SHARED/restarts; echo $EBBGATE_DIGEST > $EBBGATE_SHARED/running",
            ),
            version_run="cat $EBBGATE_SHARED/running",
            passes=1,
        )
        super().__init__(deployer=LocalDeployer(top / "work", VirtualClock()))

    @property
    def is_new(self) -> bool:
        return self.current == NEW

    @property
    def current(self) -> str:
        """The release that is current, if it is whole. One that is not fails the test."""
        folder = (self.place / "current").resolve()
        told = msgspec.json.decode((folder / ".ebbgate-release.json").read_bytes())
        assert (folder / "dist" / "page.js").read_text() == f"the page of {told['version']}"
        return f"{told['app']}@{told['version']}"

    @property
    def restarts(self) -> Counter[str]:
        return Counter((self.place / "shared" / "restarts").read_text().split())

    def _register(self, store: ControlStore) -> None:
        with store.transaction() as tx:
            if tx.releases(app=APP):
                return
        self.artifacts.put(digest_of(EMPTY), [EMPTY])
        for version in ("v1.0.0", "v2.0.0"):
            stable = {"state": ReleaseState.STABLE, "stable_at": MORNING} if version == "v1.0.0" else {}
            artifact = self._pack(version)
            release = a_release(
                version, id=f"{APP}@{version}", app=APP, artifact=artifact, deploy=self._terms, **stable
            )
            with store.transaction() as tx:
                tx.put_release(msgspec.structs.replace(release, documents=Documents(manifest=digest_of(EMPTY))))

    def _pack(self, version: str) -> Artifact:
        source, archive = self.top / version, self.top / f"{version}.tar"
        (source / "dist").mkdir(parents=True)
        (source / "dist" / "page.js").write_text(f"the page of {version}")
        artifact = pack(source, ["dist"], archive).artifact
        self.artifacts.put(artifact.digest, [archive.read_bytes()])
        return artifact


class Walk:
    """A rollback from the decision to its end. breaks: the flag cannot be written until the old release is back."""

    def __init__(self, top: Path, *, breaks: bool) -> None:
        self.street = Street(top)
        self.world = World(seed=11, users=150, yard=self.street)
        self.told: list[str] = []
        self.end_at = ("", 0)
        self.kills = 0
        self._deploy()
        plan = short_plan()
        if not breaks:  # then nothing is redeployed, whatever the metrics show
            plan = msgspec.structs.replace(plan, when=msgspec.structs.replace(plan.when, flag_fails="page"))
        self.rollout = self.world.start(plan).id
        self.world.rollouts.promote(self.rollout, actor=PERSON)
        self.world.pass_time(HOUR)
        if breaks:
            self._break_flag()
        self.restarts = self.street.restarts
        self.world.on_step = self._on_step

    def run(self) -> RolloutState:
        """Switch the flag off, which the loop then takes back, to the end. A kill is followed by a start, at once."""
        self._protected(lambda: self.world.flags.kill("production", "newWidgets", actor=PERSON))
        for _ in range(60):
            self._protected(lambda: self.world.pass_time(HOUR))
            state = self.world.rollouts.get(self.rollout)
            if state.is_over:
                self._protected(self._look)  # what the last step left undone
                return self.world.rollouts.get(self.rollout)
        raise AssertionError("it does not end")

    def summary(self) -> dict[str, Any]:
        """What must not depend on where control was killed."""
        state = self.world.rollouts.get(self.rollout)
        assert state.rollback is not None
        with self.world.store.transaction() as tx:
            deployments = [d for d in tx.deployments(app=APP) if d.is_rollback]
            outbox = [row for row in tx.outbox(limit=100_000) if row.topic not in ("decision", "flag")]
            audit = tx.audit(limit=10_000)
            decisions = [row.decision.code.value for row in tx.decisions(state.id) if row.decision.code != "recovering"]
            assert len(tx.incidents()) == 1
            journal = [tx.journal(f"publish:production:{tx.latest_version()}")]
        assert len({row.key for row in outbox}) == len(outbox)
        assert all(row is not None and row.done_at is not None for row in journal)
        return {
            "status": state.status,
            "outcome": state.rollback.outcome,
            "redeployed": state.rollback.redeploy_to,
            "deployments": [(d.release, d.status, d.proof) for d in deployments],
            "current": self.street.current,
            "outbox": sorted((row.topic, row.payload.get("action", "")) for row in outbox),
            "audit": sorted(row.action for row in audit),
            "codes": [code for code in decisions if code not in ("too_young", "undecided")],
        }

    def _deploy(self) -> None:
        assert self.world.deployments is not None
        assert self.world.worker is not None
        for release in (STABLE, NEW):
            self.world.deployments.deploy(release, actor=PERSON, key=f"first-{release}")
            self.world.worker.tick()
        assert self.street.is_new

    def _break_flag(self) -> None:
        write = self.world.publisher.publish

        def publish(snapshot: Snapshot) -> None:
            if self.street.is_new:
                raise StoreUnavailableError("no space left on device", hint="make room")
            write(snapshot)

        self.world.publisher.publish = publish  # type: ignore[method-assign]

    def _on_step(self, name: str) -> None:
        self.told.append(name)
        assert self.street.current  # whole, at every moment
        if (name, self.told.count(name)) == self.end_at:
            self.kills += 1
            raise Killed

    def _look(self) -> None:
        assert self.world.worker is not None
        self.world.worker.tick()
        self.world.loop.tick()

    def _protected(self, act: Any) -> None:
        try:
            act()
        except Killed:
            self.world.restart()
            self._look()


@pytest.mark.parametrize(("breaks", "points"), [(False, FIRST_STAGE), (True, SECOND_STAGE)], ids=["flag", "redeploy"])
def test_wherever_control_is_killed_the_saga_ends_in_the_same_state(
    tmp_path: Path, breaks: bool, points: list[str]
) -> None:
    quiet = Walk(tmp_path / "quiet", breaks=breaks)
    ended = quiet.run()
    assert ended.status is Status.ROLLED_BACK
    assert ended.rollback is not None
    assert set(quiet.told) == set(points), "the walk passes every step that can be told on this way"
    expected = quiet.summary()
    assert expected["current"] == (STABLE if breaks else NEW)
    assert expected["deployments"] == ([(STABLE, DeploymentStatus.DONE, Proof.SERVED_DIGEST)] if breaks else [])
    assert expected["outcome"] is not RollbackOutcome.FAILED

    random = Random(SEED)
    for name in sorted(set(points)):
        nth = random.randint(1, min(4, quiet.told.count(name)))  # the first few are those of the decision
        walk = Walk(tmp_path / f"{name}-{nth}", breaks=breaks)
        walk.end_at = (name, nth)
        walk.run()
        hint = f"killed at {name}, time {nth}"
        assert walk.kills == 1, hint
        assert walk.summary() == expected, hint
        again = walk.street.restarts - walk.restarts
        is_repeated = again[STABLE] == 2
        assert again[NEW] == 0, hint
        assert again[STABLE] in ((1, 2) if breaks else (0,)), hint
        assert not is_repeated or name.split(".")[1] in {step.value for step in REPEATABLE}, hint
        replayed = ReplayService(walk.world.store).replay(walk.rollout)
        assert replayed.is_same, (hint, replayed.differences)
        assert replayed.state_is_same, hint
