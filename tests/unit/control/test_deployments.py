"""Deployments over memory stores: the way there, the way back, and a kill at every point (RULES H1)."""

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ebbgate.control.audit import Actor
from ebbgate.control.deployments import DeploymentService
from ebbgate.control.deployments_worker import DeploymentWorker
from ebbgate.control.releases_current import current_of
from ebbgate.control.releases_prune import references
from ebbgate.core.errors import NotFoundError, QuarantineError, StoreUnavailableError
from ebbgate.core.releases import DeploymentStatus, Proof, ReleaseState, condemn
from ebbgate.testing.clock import MORNING, VirtualClock
from ebbgate.testing.memory_artifacts import MemoryArtifactStore
from ebbgate.testing.memory_control import MemoryControlStore
from ebbgate.testing.memory_deployer import MemoryDeployer
from ebbgate.testing.releases import EMPTY, TERMS, a_release, bytes_of, digest_of

ADA = Actor(name="ada", reason="because")
V1, V2 = "dash@v1.0.0", "dash@v2.0.0"
OTHER = "other@v1.0.0"


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


class Yard:
    """A store with a stable v1 and a new v2, and a target in memory."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryControlStore(), VirtualClock()
        self.artifacts, self.deployer = MemoryArtifactStore(), MemoryDeployer()
        self.target = self.deployer.target(TERMS)
        self.words = iter(f"word-{n}" for n in range(1_000))
        self.service = DeploymentService(self.store, self.clock, lambda: next(self.words), wake=lambda: None)
        for data in (bytes_of("v1.0.0"), bytes_of("v2.0.0"), EMPTY):
            self.artifacts.put(digest_of(data), [data])
        with self.store.transaction() as tx:
            tx.put_release(a_release("v1.0.0", state=ReleaseState.STABLE, stable_at=MORNING))
            tx.put_release(a_release("v2.0.0"))

    def worker(self, on_step: Callable[[str], None] = lambda _: None) -> DeploymentWorker:
        return DeploymentWorker(self.store, self.artifacts, self.deployer, self.clock, on_step=on_step)

    def deploy(self, release: str, key: str = "", **more: Any) -> Any:
        asked = self.service.deploy(release, actor=ADA, key=key or f"key-{release}", **more)
        self.worker().tick()
        return self.service.get(asked.id)

    def state_of(self, release: str) -> ReleaseState:
        with self.store.transaction() as tx:
            found = tx.release(release)
        assert found is not None
        return found.state


@pytest.fixture
def yard() -> Yard:
    return Yard()


def test_a_release_that_answers_is_deployed_and_the_way_back_is_placed_first(yard: Yard) -> None:
    yard.deploy(V1)
    done = yard.deploy(V2)
    assert (done.status, done.proof, done.previous) == (DeploymentStatus.DONE, Proof.SERVED_DIGEST, V1)
    assert (yard.target.is_current, yard.state_of(V2)) == (V2, ReleaseState.DEPLOYED)
    assert yard.target.placed() == [V1, V2]


def test_one_that_does_not_answer_leaves_current_as_it_was(yard: Yard) -> None:
    yard.deploy(V1)
    yard.target.sick.add(V2)
    failed = yard.deploy(V2)
    assert (failed.status, failed.proof) == (DeploymentStatus.FAILED, None)
    assert "not 3 good answers" in failed.error
    assert (yard.target.is_current, yard.target.running) == (V1, V1)
    assert yard.state_of(V2) is ReleaseState.BUILT


def test_an_old_process_that_goes_on_answering_is_no_success(yard: Yard) -> None:
    yard.deploy(V1)
    yard.target.restart = lambda shipment: None  # type: ignore[method-assign]  # it says that it restarted
    assert yard.deploy(V2).status is DeploymentStatus.FAILED
    assert yard.target.is_current == V1


def test_when_neither_answers_it_is_broken(yard: Yard) -> None:
    yard.deploy(V1)
    yard.target.sick |= {V1, V2}
    assert yard.deploy(V2).status is DeploymentStatus.BROKEN


def test_after_a_broken_one_nothing_is_said_to_answer_and_pruning_keeps_what_may_run(yard: Yard) -> None:
    """Current is what the target itself calls so; `tests/contract/test_current_release.py` has a real one."""
    yard.deploy(V1)
    yard.target.sick |= {V1, V2}
    broken = yard.deploy(V2)
    assert broken.status is DeploymentStatus.BROKEN
    with yard.store.transaction() as tx:
        why, left = references(tx, "dash"), current_of(tx, "dash")
    assert left.release is not None
    assert (left.release.id, left.is_answering, left.unsettled) == (yard.target.is_current, False, broken)
    assert why == dict.fromkeys((V2, V1), f"deployment {broken.id} is broken: it may be what runs")
    yard.target.sick.clear()
    yard.deploy(V1, "mended")
    current = yard.service.current("dash")
    assert current is not None
    assert current.id == V1
    with yard.store.transaction() as tx:
        assert current_of(tx, "dash").is_answering


def test_a_deployment_that_gave_way_leaves_nothing_that_is_known_to_answer(yard: Yard) -> None:
    """The target points to what was given up until the rollback switches it, or for good if that fails first."""
    yard.deploy(V1)
    yard.target.sick.add(V2)
    yard.service.deploy(V2, actor=ADA, key="forward")

    def ask_back(step: str) -> None:
        if step == "deploy.restart.noted":
            yard.service.redeploy_last_stable("dash", key="back", actor=ADA)
            yard.target.here.clear()
            yard.artifacts.blobs.clear()

    yard.worker(ask_back).tick()
    assert [one.status for one in yard.service.list()[:2]] == [DeploymentStatus.FAILED] * 2
    with yard.store.transaction() as tx:
        left = current_of(tx, "dash")
    assert left.release is not None
    assert left.last_good is not None
    assert (left.release.id, left.is_answering, left.last_good.id) == (yard.target.is_current, False, V1)


def test_without_a_release_before_it_nothing_is_current_after_a_failure(yard: Yard) -> None:
    with yard.store.transaction() as tx:
        tx.put_release(a_release("v9.0.0", app="other", id="other@v9.0.0"))
    yard.artifacts.put(digest_of(bytes_of("v9.0.0")), [bytes_of("v9.0.0")])
    yard.target.sick.add("other@v9.0.0")
    failed = yard.deploy("other@v9.0.0")
    assert (failed.status, yard.target.is_current) == (DeploymentStatus.FAILED, None)


@pytest.mark.parametrize("harm", ["lost", "damaged"])
def test_bytes_that_are_gone_or_damaged_are_found_before_anything_is_touched(yard: Yard, harm: str) -> None:
    yard.deploy(V1)
    digest, done = digest_of(bytes_of("v2.0.0")), list(yard.target.done)
    if harm == "lost":
        del yard.artifacts.blobs[digest]
    else:
        yard.artifacts.blobs[digest] = b"archive of v2.0.1"
    failed = yard.deploy(V2)
    assert failed.status is DeploymentStatus.FAILED
    assert ("gone" if harm == "lost" else "damaged") in failed.error
    assert yard.target.done == done


def test_a_quarantined_release_needs_an_override(yard: Yard) -> None:
    with yard.store.transaction() as tx:
        release = tx.release(V2)
        assert release is not None
        bad = condemn(release, reason="it leaks", actor="ada", at=MORNING)
        tx.put_release(a_release("v2.0.0", state=bad.state, bad=bad.bad, revision=2, number=release.number))
    with pytest.raises(QuarantineError, match="it leaks"):
        yard.service.deploy(V2, actor=ADA, key="one")
    assert yard.deploy(V2, "two", override=True).status is DeploymentStatus.DONE
    assert yard.state_of(V2) is ReleaseState.BAD


def test_the_same_key_is_the_same_deployment(yard: Yard) -> None:
    first = yard.deploy(V1, "once")
    assert yard.deploy(V1, "once") == first
    assert len(yard.service.list()) == 1


def test_the_last_stable_release_comes_back_and_nobody_goes_back_to_a_bad_one(yard: Yard) -> None:
    yard.deploy(V1)
    yard.deploy(V2)
    with yard.store.transaction() as tx:
        release = tx.release(V2)
        assert release is not None
        bad = condemn(release, reason="taken back", actor="ebbgate", at=MORNING)
        tx.put_release(a_release("v2.0.0", state=bad.state, bad=bad.bad, revision=3, number=release.number))
    asked = yard.service.redeploy_last_stable("dash", key="rollback:1", actor=ADA)
    assert (asked.release, asked.is_rollback) == (V1, True)
    yard.worker().tick()
    assert yard.service.get(asked.id).status is DeploymentStatus.DONE
    yard.target.sick.add(V1)
    broken = yard.service.redeploy_last_stable("dash", key="rollback:2", actor=ADA)
    yard.worker().tick()
    assert yard.service.get(broken.id).status is DeploymentStatus.BROKEN
    assert yard.target.is_current == V1, "not back to the bad one"
    with pytest.raises(NotFoundError, match="no stable release"):
        yard.service.redeploy_last_stable("dash", key="rollback:3", actor=ADA, but=V1)


def test_a_waiting_rollback_makes_a_deployment_give_up_its_wait(yard: Yard) -> None:
    yard.deploy(V1)
    yard.target.sick.add(V2)
    forward = yard.service.deploy(V2, actor=ADA, key="forward")
    worker = yard.worker(
        lambda step: (
            yard.service.redeploy_last_stable("dash", key="back", actor=ADA) if step == "deploy.restart.noted" else None
        )
    )
    worker.tick()
    assert "a rollback of this target waits" in yard.service.get(forward.id).error
    assert yard.target.is_current == V1


class Two:
    """Two apps with a target each; both have a deployment that waits, the first app's the older one."""

    def __init__(self, yard: Yard) -> None:
        self.there = msgspec.structs.replace(TERMS, to=msgspec.structs.replace(TERMS.to, directory="/srv/other"))
        with yard.store.transaction() as tx:
            other = a_release("v1.0.0", app="other", id=OTHER, deploy=self.there)
            tx.put_release(msgspec.structs.replace(other, state=ReleaseState.STABLE, stable_at=MORNING))
        self.yard = yard
        self.forward = yard.service.deploy(V1, actor=ADA, key="forward")
        self.back = yard.service.redeploy_last_stable("other", key="back", actor=ADA)

    def status(self, asked: Any) -> DeploymentStatus:
        found = self.yard.service.get(asked.id)
        assert isinstance(found.status, DeploymentStatus)
        return found.status

    def run_until(self, worker: DeploymentWorker, done: Callable[[], bool]) -> bool:
        """Whether it came true within 5 s, while the worker's own thread ran."""
        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        tries = threading.Event()
        came = any(done() or tries.wait(0.02) for _ in range(250))
        worker.stop()
        return came


def test_a_restart_that_takes_long_delays_no_other_targets_rollback(yard: Yard) -> None:
    """RULES H1 is for one target; app B's way back must not wait for app A's."""
    two, let_go, restart = Two(yard), threading.Event(), yard.target.restart
    later: list[Any] = []

    def slow(shipment: Any) -> None:
        later.append(yard.service.redeploy_last_stable("other", key="while it restarts", actor=ADA))
        assert let_go.wait(timeout=20)
        restart(shipment)

    yard.target.restart = slow  # type: ignore[method-assign]
    try:
        came = two.run_until(yard.worker(), lambda: bool(later) and two.status(later[0]) is DeploymentStatus.DONE)
        assert (came, two.status(two.forward)) == (True, DeploymentStatus.RUNNING)
    finally:
        let_go.set()


def test_a_target_that_is_held_is_left_out_and_the_others_go_on(yard: Yard) -> None:
    two = Two(yard)
    yard.deployer.target(two.there).is_held = True
    yard.worker().tick()
    assert (two.status(two.forward), two.status(two.back)) == (DeploymentStatus.DONE, DeploymentStatus.QUEUED)


def test_a_target_that_cannot_be_made_fails_its_own_deployment_alone(yard: Yard) -> None:
    two, find = Two(yard), yard.deployer.target

    def target(terms: Any) -> Any:
        if terms == two.there:
            raise StoreUnavailableError("the folder cannot be made", hint="check space")
        return find(terms)

    yard.deployer.target = target  # type: ignore[method-assign]
    yard.worker().tick()
    assert (two.status(two.forward), two.status(two.back)) == (DeploymentStatus.DONE, DeploymentStatus.FAILED)
    assert "cannot be made" in yard.service.get(two.back.id).error


@pytest.mark.parametrize("where", ["restart", "hold"])
def test_an_unforeseen_error_that_stays_ends_broken_and_somebody_is_paged(yard: Yard, where: str) -> None:
    two, worker = Two(yard), yard.worker()

    def defect(*_: Any, **__: Any) -> Any:
        raise ValueError("no such thing was thought of")

    setattr(yard.target, where, defect)
    for _ in range(4):
        worker.tick()
    assert not yard.service.get(two.forward.id).is_over, "it may have been a hiccup"
    assert two.status(two.back) is DeploymentStatus.DONE
    worker.tick()
    ended = yard.service.get(two.forward.id)
    assert ended.status is DeploymentStatus.BROKEN
    assert "an unforeseen error 5 times: ValueError: no such thing was thought of" in ended.error
    with yard.store.transaction() as tx:
        pages = [row for row in tx.outbox() if row.topic == "page"]
    assert [row.subject for row in pages] == [ended.id]


POINTS = [
    f"deploy.{step}.{moment}"
    for step in ("fetch", "place", "switch", "restart", "check", "switch_back", "restart_back", "check_back")
    for moment in ("acted", "noted")
]


@pytest.mark.parametrize("is_sick", [False, True], ids=["healthy", "sick"])
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_ends_in_the_same_state(yard: Yard, point: str, is_sick: bool) -> None:
    """Issue 5, acceptance 4: between effect and journal entry, too."""
    yard.deploy(V1)
    if is_sick:
        yard.target.sick.add(V2)
    before = len(yard.target.done)
    asked = yard.service.deploy(V2, actor=ADA, key="killed")

    def kill(step: str) -> None:
        if step == point:
            yard.target.is_held = False  # the system frees the lock of a process that is gone
            raise Killed

    try:
        yard.worker(kill).tick()
        was_killed = False
    except Killed:
        was_killed = True
    assert was_killed == (is_sick or "back" not in point)
    yard.worker().tick()
    ended = yard.service.get(asked.id)
    expected = (DeploymentStatus.FAILED, V1) if is_sick else (DeploymentStatus.DONE, V2)
    assert (ended.status, yard.target.is_current) == expected
    assert yard.target.running == yard.target.is_current
    counts = [yard.target.done[before:].count(("restart", release)) for release in (V1, V2)]
    assert max(counts) <= 2, "repeated at most once"
    if "restart" not in point:
        assert counts == [int(is_sick), 1], "only restarts are repeatable"
