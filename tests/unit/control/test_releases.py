"""Releases over memory stores: registering, following rollouts, quarantine, pruning."""

from typing import Any

import msgspec
import pytest

from ebbgate.control.audit import Actor
from ebbgate.control.deployments import DeploymentService
from ebbgate.control.deployments_worker import DeploymentWorker
from ebbgate.control.releases import ReleaseService
from ebbgate.control.releases_follow import ReleaseFollower
from ebbgate.control.releases_prune import PruneService
from ebbgate.core.errors import (
    ArtifactDamagedError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    QuarantineError,
    TransitionError,
)
from ebbgate.core.releases import ReleaseState
from ebbgate.core.releases.requests import RebuildRelease, RegisterRelease
from ebbgate.core.rollouts.state import Status
from ebbgate.testing.memory_artifacts import MemoryArtifactStore
from ebbgate.testing.memory_deployer import MemoryDeployer
from ebbgate.testing.releases import EMPTY, TERMS, a_release, bytes_of, digest_of
from ebbgate.testing.rollouts import a_plan

ADA = Actor(name="ada", reason="because")


class Shelf:
    """The services over one memory store, in a world whose plans are of the app that `a_plan` names."""

    def __init__(self, world: Any) -> None:
        self.world, self.store, self.clock = world, world.store, world.clock
        self.app = a_plan().app
        self.artifacts, self.deployer = MemoryArtifactStore(), MemoryDeployer()
        self.service = ReleaseService(self.store, self.artifacts, self.clock)
        self.pruning = PruneService(self.store, self.artifacts, self.deployer, self.clock)
        self.follower = ReleaseFollower(self.store, self.clock)

    def request(self, version: str, **fields: Any) -> RegisterRelease:
        for data in (bytes_of(version), EMPTY):
            self.artifacts.put(digest_of(data), [data])
        made = a_release(version)
        given = {"artifact": made.artifact, "documents": made.documents, "deploy": TERMS}
        return RegisterRelease(**{"app": self.app, "version": version, "reason": "x", **given, **fields})

    def register(self, version: str, *, is_admin: bool = True, **fields: Any) -> Any:
        return self.service.register(self.request(version, **fields), actor=ADA, is_admin=is_admin)

    def state_of(self, version: str) -> ReleaseState:
        return self.service.get(f"{self.app}@{version}").release.state

    def set_status(self, rollout_id: str, status: Status) -> None:
        with self.store.transaction() as tx:
            state = tx.rollout(rollout_id)
            tx.put_rollout(msgspec.structs.replace(state, status=status, revision=state.revision + 1))


@pytest.fixture
def shelf() -> Shelf:
    from ebbgate.simulation.world import World

    return Shelf(World(seed=1, users=10))


def test_a_release_is_of_bytes_that_are_there_and_are_what_is_said(shelf: Shelf) -> None:
    request = shelf.request("v1.0.0")
    shelf.artifacts.blobs[request.artifact.digest] = b"other"
    with pytest.raises(ArtifactDamagedError):
        shelf.service.register(request, actor=ADA, is_admin=True)
    assert shelf.service.list() == []


def test_a_version_is_registered_once(shelf: Shelf) -> None:
    shelf.register("v1.0.0")
    with pytest.raises(ConflictError, match="there already"):
        shelf.register("v1.0.0")


def test_deploy_terms_that_are_new_to_an_app_need_an_admin(shelf: Shelf) -> None:
    """Their commands run where control runs."""
    with pytest.raises(PermissionDeniedError):
        shelf.register("v1.0.0", is_admin=False)
    shelf.register("v1.0.0")
    shelf.register("v1.1.0", is_admin=False)
    changed = msgspec.structs.replace(TERMS, restart=("rm -rf /",))
    with pytest.raises(PermissionDeniedError):
        shelf.register("v1.2.0", is_admin=False, deploy=changed)


def test_no_rollout_of_a_built_release_without_a_stable_one(shelf: Shelf) -> None:
    """RULES H4."""
    shelf.register("v1.4.0")
    with pytest.raises(TransitionError, match="no stable release"):
        shelf.world.rollouts.start(a_plan(), release="v1.4.0", actor=ADA)
    shelf.register("v1.3.0", is_adopted=True)
    assert shelf.state_of("v1.3.0") is ReleaseState.STABLE
    assert shelf.world.rollouts.start(a_plan(), release="v1.4.0", actor=ADA).release == "v1.4.0"


def test_a_misspelt_release_does_not_walk_round_the_quarantine_and_the_second_stage(shelf: Shelf) -> None:
    """RULES H4: the letter O is no zero, and a name that nobody registered has no way back."""
    plan = a_plan()
    shelf.register("v1.3.0", is_adopted=True)
    for name in ("v1.3.O", "v1.4.0"):
        with pytest.raises(NotFoundError) as refused:
            shelf.world.rollouts.start(plan, release=name, actor=ADA, override=True)
        assert "releases: v1.3.0" in refused.value.hint
    assert shelf.world.rollouts.list() == []


def test_where_nothing_is_registered_a_name_is_the_callers_own_unless_the_plan_builds_or_deploys(shelf: Shelf) -> None:
    plan = a_plan()
    with pytest.raises(NotFoundError, match="has no release 'v1'"):
        shelf.world.rollouts.start(msgspec.structs.replace(plan, deploy=TERMS), release="v1", actor=ADA)
    started = shelf.world.rollouts.start(plan, release="v1", actor=ADA)
    shelf.world.rollouts.abort(started.id, actor=ADA)
    assert shelf.world.rollouts.retry(started.id, actor=ADA).release == "v1"


def test_pruning_an_app_without_a_release_is_refused_with_those_that_have_some(shelf: Shelf) -> None:
    shelf.register("v1.0.0")
    with pytest.raises(NotFoundError, match="no app 'dashbord' has releases") as refused:
        shelf.pruning.prune("dashbord", keep=1, actor=ADA, is_dry_run=True)
    assert refused.value.hint == f"apps: {shelf.app}"


def test_the_first_release_that_answers_is_adopted_on_a_persons_word(shelf: Shelf) -> None:
    """RULES H4: nothing ran before it that it could be compared with."""
    shelf.register("v1.0.0")
    with pytest.raises(TransitionError, match="not what answers"):
        shelf.service.adopt("v1.0.0", actor=ADA)
    deployed(shelf, "v1.0.0")
    adopted = shelf.service.adopt("v1.0.0", actor=ADA)
    assert (adopted.state, adopted.is_adopted) == (ReleaseState.STABLE, True)
    assert shelf.service.adopt("v1.0.0", actor=ADA) == adopted, "asked twice"

    shelf.register("v1.1.0")
    deployed(shelf, "v1.1.0")
    with pytest.raises(TransitionError, match="is stable already"):
        shelf.service.adopt("v1.1.0", actor=ADA)


def deployed(shelf: Shelf, version: str) -> None:
    worker = DeploymentWorker(shelf.store, shelf.artifacts, shelf.deployer, shelf.clock)
    service = DeploymentService(shelf.store, shelf.clock, lambda: "a-word", wake=worker.wake)
    service.deploy(version, actor=ADA, key=f"to-{version}")
    worker.tick()
    assert shelf.service.get(version).is_current


def test_a_release_follows_its_rollout_to_stable(shelf: Shelf) -> None:
    shelf.register("v1.3.0", is_adopted=True)
    shelf.register("v1.4.0")
    started = shelf.world.rollouts.start(a_plan(), release="1.4.0", actor=ADA)
    for status, expected in (
        (Status.RUNNING, ReleaseState.BUILT),
        (Status.WATCHING, ReleaseState.WATCHING),
        (Status.SUCCEEDED, ReleaseState.STABLE),
    ):
        shelf.set_status(started.id, status)
        shelf.follower.follow()
        assert shelf.state_of("v1.4.0") is expected
    stable = shelf.service.last_stable(shelf.app)
    assert stable is not None
    assert stable.version == "v1.4.0"


def test_a_release_that_is_taken_back_is_quarantined_and_cannot_be_started_again(shelf: Shelf) -> None:
    shelf.register("v1.3.0", is_adopted=True)
    shelf.register("v1.4.0")
    started = shelf.world.rollouts.start(a_plan(), release="v1.4.0", actor=ADA)
    shelf.set_status(started.id, Status.ROLLED_BACK)
    shelf.follower.follow()
    assert shelf.state_of("v1.4.0") is ReleaseState.BAD
    with pytest.raises(QuarantineError, match="taken back"):
        shelf.world.rollouts.start(a_plan(), release="v1.4.0", actor=ADA)
    with pytest.raises(QuarantineError):
        shelf.world.rollouts.retry(started.id, actor=ADA)
    shelf.world.rollouts.start(a_plan(), release="v1.4.0", actor=ADA, override=True)


def test_a_mark_that_a_person_took_away_does_not_come_back_after_a_restart(shelf: Shelf) -> None:
    shelf.register("v1.3.0", is_adopted=True)
    shelf.register("v1.4.0")
    started = shelf.world.rollouts.start(a_plan(), release="v1.4.0", actor=ADA)
    shelf.set_status(started.id, Status.ROLLED_BACK)
    shelf.follower.follow()
    shelf.service.clear(f"{shelf.app}@v1.4.0", actor=ADA)
    ReleaseFollower(shelf.store, shelf.clock).follow()
    assert shelf.state_of("v1.4.0") is ReleaseState.BUILT


@pytest.mark.parametrize("status", [Status.ROLLING_BACK, Status.ROLLED_BACK])
@pytest.mark.parametrize("name", ["v1.4.0", "1.4.0"])
def test_one_that_becomes_known_after_it_was_taken_back_is_quarantined_at_once(
    shelf: Shelf, status: Status, name: str
) -> None:
    """DESIGN section 8: a rollout may name a version that is built or adopted here only later."""
    # given a rollout of a version that nobody registered, as no release of the app was, taken back and looked at
    started = shelf.world.rollouts.start(a_plan(), release=name, actor=ADA)
    shelf.register("v1.3.0", is_adopted=True)
    shelf.set_status(started.id, status)
    shelf.follower.follow()
    # when it is registered, by whichever way
    registered = shelf.register("v1.4.0", is_adopted=True)
    # then it is quarantined before anybody could start it, and the audit says why
    assert (registered.state, shelf.state_of("v1.4.0")) == (ReleaseState.BAD, ReleaseState.BAD)
    assert registered.bad.reason == f"rollout {started.id} was taken back: {started.reason}"
    stable = shelf.service.last_stable(shelf.app)
    assert stable is not None
    assert stable.version == "v1.3.0"
    shelf.set_status(started.id, Status.ROLLED_BACK)
    with pytest.raises(QuarantineError, match="taken back"):
        shelf.world.rollouts.start(a_plan(), release="v1.4.0", actor=ADA)
    shelf.world.rollouts.start(a_plan(), release="v1.4.0", actor=ADA, override=True)
    with shelf.store.transaction() as tx:
        assert "release.mark_bad" in [row.action for row in tx.audit()]
    # and whoever takes the mark away is not overruled
    shelf.service.clear(registered.id, actor=ADA)
    ReleaseFollower(shelf.store, shelf.clock).follow()
    assert shelf.state_of("v1.4.0") is ReleaseState.BUILT
    assert started.id in shelf.service.get(registered.id).rollouts


def test_another_apps_version_of_the_same_name_is_none_of_its_business(shelf: Shelf) -> None:
    started = shelf.world.rollouts.start(a_plan(), release="v1.4.0", actor=ADA)
    shelf.set_status(started.id, Status.ROLLED_BACK)
    assert shelf.register("v1.4.0", app="other").state is ReleaseState.BUILT


def test_lost_bytes_come_back_marked_and_other_bytes_only_when_that_is_said(shelf: Shelf) -> None:
    """RULES H4: rebuilding is a marked last resort."""
    release = shelf.register("v1.0.0")
    other = shelf.request("v1.0.1")
    again = RebuildRelease(artifact=other.artifact, documents=other.documents, reason="x")
    with pytest.raises(ConflictError, match="rebuilt bytes"):
        shelf.service.rebuild(release.id, again, actor=ADA)
    accepted = msgspec.structs.replace(again, accept_other_bytes=True)
    (mark,) = shelf.service.rebuild(release.id, accepted, actor=ADA).rebuilds
    assert (mark.is_same, mark.digest_before) == (False, release.artifact.digest)


def test_a_changed_byte_is_found(shelf: Shelf) -> None:
    release = shelf.register("v1.0.0")
    assert shelf.service.verify(release.id).is_good
    shelf.artifacts.blobs[release.artifact.digest] = b"archive of v1.0.9"
    found = shelf.service.verify(release.id)
    assert [one.what for one in found.findings if not one.is_good] == ["archive"]


def test_pruning_frees_what_nothing_needs_and_leaves_shared_bytes(shelf: Shelf) -> None:
    shelf.register("v1.0.0")
    shelf.register("v1.1.0", artifact=shelf.request("v1.3.0").artifact)
    shelf.register("v1.2.0", is_adopted=True)
    shelf.register("v1.3.0")
    dry = shelf.pruning.prune(shelf.app, keep=1, actor=ADA, is_dry_run=True)
    assert [line.release for line in dry.keeping if not line.is_kept] == [f"{shelf.app}@v1.1.0", f"{shelf.app}@v1.0.0"]
    done = shelf.pruning.prune(shelf.app, keep=1, actor=ADA)
    assert done.freed_bytes == len(bytes_of("v1.0.0")), "v1.1.0 has the bytes of v1.3.0"
    assert not shelf.artifacts.has(digest_of(bytes_of("v1.0.0")))
    assert shelf.service.get(f"{shelf.app}@v1.0.0").release.are_bytes_pruned
