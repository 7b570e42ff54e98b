"""Releases and deployments in every control store."""

import msgspec
import pytest

from ebbgate.core.errors import ConflictError
from ebbgate.core.releases import Deployment, DeploymentStatus
from ebbgate.ports.control_store import ControlStore
from ebbgate.testing.clock import MORNING
from ebbgate.testing.releases import TERMS, a_release
from ebbgate.testing.rollouts import a_rollout


def a_deployment(number: int, **fields: object) -> Deployment:
    release = a_release()
    given = {
        "id": f"deploy-{number}",
        "key": f"key-{number}",
        "app": release.app,
        "release": release.id,
        "version": release.version,
        "digest": release.artifact.digest,
        "terms": TERMS,
        "actor": "ada",
        "reason": "because",
        "nonce": "word",
        "created_at": MORNING,
    }
    return Deployment(**{**given, **fields})  # type: ignore[arg-type]


def test_releases_come_newest_first_and_as_they_were_put(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        old, new = tx.put_release(a_release("v1.0.0")), tx.put_release(a_release("v1.1.0"))
        tx.put_release(a_release("v1.0.0", id="other@v1.0.0", app="other"))
    with control_store.transaction() as tx:
        assert tx.releases(app="dash") == [new, old]
        assert (old.number, new.number, len(tx.releases())) == (1, 2, 3)
        assert tx.release("dash@v9") is None


def test_a_release_is_changed_by_the_next_revision_only(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        first = tx.put_release(a_release())
        second = msgspec.structs.replace(first, is_pinned=True, revision=2)
        assert tx.put_release(second) == second
        for refused in (second, first):
            with pytest.raises(ConflictError):
                tx.put_release(refused)
        assert tx.release(first.id) == second


def test_flags_and_releases_are_many_to_many(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_release(a_release("v1.0.0", flags=("menu", "newWidgets")))
        tx.put_release(a_release("v1.1.0", flags=("menu",)))
        state = msgspec.structs.replace(a_rollout(), release="dash@v1.1.0", revision=1)
        tx.put_rollout(state)
        flag, environment = state.plan.flag, state.plan.environment
        assert tx.flags_of_release("dash@v1.1.0") == sorted({("production", "menu"), (environment, flag)})
        assert tx.releases_of_flag("production", "menu") == ["dash@v1.0.0", "dash@v1.1.0"]
        (mark,) = tx.rollout_marks()
        assert (mark.id, mark.release, mark.revision) == (state.id, "dash@v1.1.0", 1)


def test_deployments_are_found_by_key_app_target_and_status(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.put_release(a_release())
        first, second = tx.put_deployment(a_deployment(1)), tx.put_deployment(a_deployment(2, app="other"))
        done = tx.put_deployment(msgspec.structs.replace(first, status=DeploymentStatus.DONE, revision=2))
        assert tx.deployments() == [second, done]
        assert tx.deployments(app="dash") == [done]
        assert tx.deployments(statuses=(DeploymentStatus.QUEUED,)) == [second]
        assert tx.deployments(target="directory:/elsewhere") == []
        assert (tx.deployment_by_key("key-2"), tx.deployment("deploy-1")) == (second, done)
        for refused in (a_deployment(3, key="key-1"), a_deployment(1, key="new"), done):
            with pytest.raises(ConflictError):
                tx.put_deployment(refused)
