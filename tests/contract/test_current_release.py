"""What is said to be current is what a real directory target points to, whatever went wrong before (RULES H1, H4)."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ebbgate.adapters.artifacts import FileArtifactStore, pack
from ebbgate.adapters.deploy import LocalDeployer
from ebbgate.control.audit import Actor
from ebbgate.control.deployments import DeploymentService
from ebbgate.control.deployments_worker import DeploymentWorker
from ebbgate.control.redeployment import stage_two
from ebbgate.control.releases import ReleaseService
from ebbgate.control.releases_prune import PruneService
from ebbgate.core.releases import Deployment, DeploymentStatus, DeployTerms, ReleaseState, TargetTerms
from ebbgate.core.releases.requests import ReleaseLine
from ebbgate.simulation.world import World
from ebbgate.testing.clock import MORNING
from ebbgate.testing.releases import a_release
from ebbgate.testing.rollouts import a_plan

ADA = Actor(name="ada", reason="because")
APP = a_plan().app
A, B, C = f"{APP}@v1.0.0", f"{APP}@v2.0.0", f"{APP}@v3.0.0"
SAYS = 'echo "$EBBGATE_DIGEST" > "$EBBGATE_SHARED/says"'
HARM = 'rm -rf "$EBBGATE_DIRECTORY/../{a}"; test -f "$EBBGATE_SHARED/mended"'
"""A restart that fails, and takes the way back with it, until somebody mends it."""


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


class Quay:
    """A directory on a real disk, A deployed there and stable, and what deploys B and C."""

    def __init__(self, top: Path) -> None:
        self.world = World(seed=1, users=5)
        self.store, self.clock = self.world.store, self.world.clock
        self.place = top / "deployed"
        self.artifacts = FileArtifactStore(top / "artifacts", blob_max=1_000_000)
        self.deployer = LocalDeployer(top / "work", self.clock)
        self.service = DeploymentService(self.store, self.clock, iter("abcdefgh").__next__, wake=lambda: None)
        self.releases = ReleaseService(self.store, self.artifacts, self.clock)
        self.pruning = PruneService(self.store, self.artifacts, self.deployer, self.clock)
        self.register(top, "v1.0.0", SAYS, state=ReleaseState.STABLE)
        self.register(top, "v2.0.0", HARM.format(a=A), SAYS)
        self.register(top, "v3.0.0", "echo nothing > /dev/null")  # so that it does not say its own digest
        assert self.deploy(A).status is DeploymentStatus.DONE
        self.agrees(A)

    def register(self, top: Path, version: str, *restart: str, state: ReleaseState = ReleaseState.BUILT) -> None:
        source = top / version
        source.mkdir()
        (source / "text").write_text(version)
        archive = top / f"{version}.tar"
        packed = pack(source, ["."], archive).artifact
        self.artifacts.put(packed.digest, [archive.read_bytes()])
        terms = DeployTerms(
            to=TargetTerms(directory=str(self.place)),
            restart=restart,
            version_run='cat "$EBBGATE_SHARED/says"',
            passes=1,
            within=timedelta(seconds=1),
        )
        stable_at = MORNING if state is ReleaseState.STABLE else None
        fields = {"app": APP, "id": f"{APP}@{version}", "artifact": packed, "deploy": terms}
        with self.store.transaction() as tx:
            tx.put_release(a_release(version, state=state, stable_at=stable_at, **fields))

    def deploy(self, release: str, on_step: Callable[[str], None] = lambda _: None) -> Deployment:
        asked = self.service.deploy(release, actor=ADA, key=f"{release}-{self.clock.monotonic()}")
        self.clock.advance(timedelta(seconds=1))
        self.tick(on_step)
        return self.service.get(asked.id)

    def tick(self, on_step: Callable[[str], None] = lambda _: None) -> None:
        DeploymentWorker(self.store, self.artifacts, self.deployer, self.clock, on_step=on_step).tick()

    def lose(self, release: str) -> None:
        """Its bytes are gone from the store."""
        digest = self.releases.get(release).release.artifact.digest
        assert self.artifacts.delete(digest) > 0

    def there(self) -> str:
        """What the link on the disk points to."""
        return (self.place / "current").resolve().name

    def line(self, release: str) -> ReleaseLine:
        return next(line for line in self.releases.list(APP) if line.id == release)

    def agrees(self, expected: str, *, is_answering: bool = True) -> None:
        """The disk, the list, what is shown, retention and the last stable one."""
        assert self.there() == expected
        current = self.service.current(APP)
        assert current is not None
        assert current.id == expected
        for line in self.releases.list(APP):
            view = self.releases.get(line.id)
            assert (line.is_current, view.is_current) == (line.id == expected,) * 2, line.id
            assert (line.is_answering, view.is_answering) == (line.id == expected and is_answering,) * 2, line.id
            assert (line.is_last_stable, view.is_last_stable) == (line.id == A,) * 2, line.id
        kept = {one.release: one.is_kept for one in self.pruning.prune(APP, keep=1, actor=ADA, is_dry_run=True).keeping}
        assert (kept[expected], kept[A]) == (True, True)

    def way_back(self) -> str | None:
        """The second stage of a rollback of B."""
        state = self.world.rollouts.start(a_plan(), release=B, actor=ADA)
        with self.store.transaction() as tx:
            return stage_two(tx, state).release

    def break_b(self) -> Deployment:
        """B's restart fails after the switch, and A is gone from the disk: the target stays at B."""
        broken = self.deploy(B)
        assert broken.status is DeploymentStatus.BROKEN
        return broken


@pytest.fixture
def quay(tmp_path: Path) -> Quay:
    return Quay(tmp_path)


def test_a_broken_deployment_leaves_the_target_where_it_is_and_the_way_back_open(quay: Quay) -> None:
    quay.break_b()
    quay.agrees(B, is_answering=False)
    assert quay.way_back() == A


def test_one_that_fails_after_it_before_it_touched_anything_says_nothing_of_what_answers(quay: Quay) -> None:
    """It used to make the broken one count as what is known to answer."""
    quay.break_b()
    quay.lose(C)
    failed = quay.deploy(C)
    assert (failed.status, failed.previous) == (DeploymentStatus.FAILED, B)
    quay.agrees(B, is_answering=False)
    assert quay.way_back() == A


def test_one_that_fails_its_health_brings_back_what_was_there_and_that_answers_or_not(quay: Quay) -> None:
    quay.break_b()
    assert quay.deploy(C).status is DeploymentStatus.BROKEN, "B was started again, and does not answer"
    quay.agrees(B, is_answering=False)
    (quay.place / "shared" / "mended").touch()
    failed = quay.deploy(C)
    assert (failed.status, failed.previous) == (DeploymentStatus.FAILED, B)
    quay.agrees(B)
    assert quay.line(B).state is ReleaseState.DEPLOYED, "it answered at its target"
    assert quay.way_back() == A


@pytest.mark.parametrize("point", ["fetch", "place", "switch", "restart"])
def test_a_kill_in_the_middle_leaves_what_the_disk_says_current(quay: Quay, point: str) -> None:
    """Control is down until its next start; then it goes on, and everybody agrees at each step."""
    (quay.place / "shared" / "mended").touch()

    def kill(step: str) -> None:
        if step == f"deploy.{point}.noted":
            raise Killed

    with pytest.raises(Killed):
        quay.deploy(B, kill)
    is_touched = point in ("switch", "restart")
    quay.agrees(B if is_touched else A, is_answering=point == "fetch")

    def look(step: str) -> None:
        if step.endswith(".noted"):
            quay.agrees(quay.there(), is_answering=step in ("deploy.fetch.noted", "deploy.check.noted"))

    quay.tick(look)
    quay.agrees(B)


def test_a_kill_between_the_switch_and_its_note_is_made_good_before_anything_else_is_done(quay: Quay) -> None:
    (quay.place / "shared" / "mended").touch()

    def kill(step: str) -> None:
        if step == "deploy.switch.acted":
            raise Killed

    with pytest.raises(Killed):
        quay.deploy(B, kill)
    assert quay.there() == B
    assert not any(line.is_answering for line in quay.releases.list(APP)), "whatever is said to be current"
    seen: list[str] = []

    def look(step: str) -> None:
        quay.agrees(B, is_answering=step == "deploy.check.noted")
        seen.append(step)

    quay.tick(look)
    assert seen[0] == "deploy.switch.acted"
