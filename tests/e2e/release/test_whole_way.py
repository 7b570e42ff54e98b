"""The whole way of a release, with real processes: shipped, behind the flag, taken back by itself; and with the flag
path broken, the last stable release deployed again (issue 5, acceptance 1 and 6; RULES H1 to H4).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from ebbgate.client import ControlClient
from ebbgate.core.audiences import unit_bucket
from ebbgate.core.incidents import Facts, PostMortem, Stage
from ebbgate.core.rollouts.state import RollbackOutcome, Status
from ebbgate.core.rollouts.view import RolloutView
from ebbgate.demo.server import LocalServer

SCALE = 600.0
FLAG = "newWidgets"
HALF = 500_000


def test_a_release_is_shipped_taken_back_by_its_flag_and_where_that_fails_by_the_last_stable_release(
    serve: Callable[..., LocalServer],
    administer: Callable[[LocalServer], ControlClient],
    dashboard: Callable[[LocalServer], Any],
    traffic: Callable[[Any], None],
    onlooker: Callable[[str, str], Any],
    eventually: Callable[..., None],
) -> None:
    server = serve(scale=SCALE)
    control = administer(server)
    app = dashboard(server)
    app.tell_secrets(control.tokens.create("server", "dashboard", reason="an application").secret)
    tree = app.git("rev-parse", "HEAD^{tree}")

    first = shipped_first(app)
    assert app.served() == {"version": "v0.1.0", "digest": first["release"]["artifact"]["digest"]}
    assert app.git("rev-parse", "v0.1.0^{tree}") == tree
    traffic(app)

    second, taken_back = taken_back_by_the_flag(app, control, onlooker, eventually)
    control.flags.restore(FLAG, reason="the next release")
    third, redeployed = taken_back_by_the_release(app, control, server, onlooker, eventually)

    assert app.served()["digest"] == first["release"]["artifact"]["digest"]
    assert {line.version: line.state.value for line in control.releases.list()} == {
        "v0.1.0": "stable",
        second: "bad",
        third: "bad",
    }
    assert [one.is_rollback for one in control.releases.deployments()] == [True, False, False, False]
    for rollout in (taken_back, redeployed):
        replayed = control.rollouts.replay(rollout.id)
        assert replayed.is_same, replayed.differences
    assert app.git("status", "--porcelain") == ""
    assert app.git("tag").split() == ["v0.1.0", second, third]
    assert app.git("worktree", "list").count("\n") == 1
    assert app.git("for-each-ref", "--format=%(refname)", "refs/heads").split() == ["refs/heads/main"]


def shipped_first(app: Any) -> Any:
    """Nothing runs yet: a rollout is refused before anything is built, and the first release is the stable one."""
    status, refused = app.ebbgate("release", "ship", "quick.yaml", "--reason", "a test")
    assert (status, refused["error"]["code"]) == (1, "transition_refused")
    assert "--first" in refused["error"]["hint"]
    assert app.git("tag") == ""

    first = app.ship("--first")
    assert (first["done"], first["rollout"]) == (["build", "tag", "deploy", "adopt"], None)
    assert (first["release"]["state"], first["deployment"]["proof"]) == ("stable", "served_digest")
    again = app.ship("--first")
    assert (again["done"], again["deployment"]["id"]) == ([], first["deployment"]["id"])
    return first


def taken_back_by_the_flag(
    app: Any, control: ControlClient, onlooker: Any, eventually: Callable[..., None]
) -> tuple[str, RolloutView]:
    """Planted harm in the new widgets: the flag goes off by itself, and the metrics recover."""
    app.plant(0.6, "fix: new widgets that count wrong")
    shipped = app.ship()
    assert shipped["done"] == ["build", "tag", "deploy", "start"]
    rollout_id = shipped["rollout"]["id"]
    with onlooker(app.url, a_victim(rollout_id)) as harmed:
        eventually(lambda: control.rollouts.get(rollout_id).status is Status.ROLLED_BACK, "the end", timeout_s=180.0)
    ended = control.rollouts.get(rollout_id)
    assert ended.rollback is not None
    assert ended.rollback.outcome is RollbackOutcome.RECOVERED, ended.rollback
    assert ended.rollback.redeploy_from_at is None
    status, waited = app.ebbgate("rollout", "status", rollout_id, "--timeout", "5s")
    assert (status, waited["id"]) == (3, rollout_id)

    facts = drafted(control, rollout_id, eventually).facts
    assert facts.decided_at == ended.rollback.off_at
    _, _, decided_at, mitigated_at, recovered_at = in_order(facts)
    came_back = min(one.at for one in harmed.seen if one.at > max(seen.at for seen in harmed.seen if seen.is_new))
    assert {one.status for one in harmed.seen if one.at < decided_at} == {500}
    assert {one.status for one in harmed.seen if one.at >= came_back} == {200}
    assert decided_at <= mitigated_at <= came_back <= recovered_at, "as it was seen from outside"
    return shipped["release"]["version"], ended


def taken_back_by_the_release(
    app: Any, control: ControlClient, server: LocalServer, onlooker: Any, eventually: Callable[..., None]
) -> tuple[str, RolloutView]:
    """The flag cannot be written: the last stable release is deployed again, and answers with its own digest."""
    app.plant(0.7, "fix: new widgets that count wrong otherwise")
    stable = next(line for line in control.releases.list() if line.is_last_stable)
    shipped = app.ship()
    rollout_id = shipped["rollout"]["id"]
    with onlooker(app.url, a_victim(rollout_id)) as seen:
        with broken(server.data_dir / "snapshots" / "production.json"):
            eventually(lambda: answers_as(app, stable.digest), "the last stable release to answer", timeout_s=180.0)
            assert control.rollouts.get(rollout_id).status is Status.ROLLING_BACK
        eventually(lambda: control.rollouts.get(rollout_id).status is Status.ROLLED_BACK, "the end", timeout_s=180.0)
    ended = control.rollouts.get(rollout_id)
    assert ended.rollback is not None
    assert ended.rollback.redeploy_to == stable.id
    assert ended.rollback.outcome is RollbackOutcome.RECOVERED, ended.rollback

    facts = drafted(control, rollout_id, eventually).facts
    assert (facts.decided_at, facts.mitigated_at) == (ended.rollback.off_at, ended.rollback.redeployed_at)
    _, _, decided_at, mitigated_at, _ = in_order(facts)
    came_back = min(one.at for one in seen.seen if one.digest == stable.digest)
    assert {one.status for one in seen.seen if one.digest != stable.digest} == {500}, "the flag stayed on"
    assert {one.status for one in seen.seen if one.at >= came_back} == {200}
    begun = next(one for one in control.releases.deployments() if one.is_rollback).started_at
    assert begun is not None
    assert decided_at <= begun <= came_back <= mitigated_at, "as it was seen from outside"
    worked = {stage.stage: stage.worked for stage in facts.stages}
    assert (worked[Stage.FLAG_OFF], worked[Stage.REDEPLOY], worked[Stage.VERIFY]) == (False, True, True)
    return shipped["release"]["version"], ended


def a_victim(rollout_id: str) -> str:
    """A user who gets the new widgets in the first phase, and whose every call then fails."""
    return next(
        user
        for user in (f"user-{n}" for n in range(240))
        if unit_bucket(rollout_id, user) < HALF and planted_share(user) < 0.6
    )


def planted_share(user: str) -> float:
    """As server/planted.js has it."""
    found = 2166136261
    for character in user:
        found = ((found ^ ord(character)) * 16777619) & 0xFFFFFFFF
    return (found % 1000) / 1000


def drafted(control: ControlClient, rollout_id: str, eventually: Callable[..., None]) -> PostMortem:
    """The post-mortem, which is drafted when the incident is stable."""

    def is_stable() -> bool:
        return any(one.rollout == rollout_id and one.status.value == "stable" for one in control.incidents.list())

    eventually(is_stable, "the incident to be stable")
    return control.postmortems.get(rollout_id)


def in_order(facts: Facts) -> list[datetime]:
    """When it began, was detected, decided, mitigated, and had recovered: in this order, and all known."""
    times = [facts.began_at, facts.detected_at, facts.decided_at, facts.mitigated_at, facts.recovered_at]
    known = [at for at in times if at is not None]
    assert len(known) == len(times), times
    assert known == sorted(known)
    assert facts.exposed is not None
    assert 30 <= facts.exposed <= 240, "min_units, and all users that there are"
    return known


def answers_as(app: Any, digest: str) -> bool:
    try:
        return bool(app.served().get("digest") == digest)
    except httpx.HTTPError:  # it is being restarted
        return False


@contextmanager
def broken(path: Path) -> Iterator[None]:
    """A folder stands where the flags' document is to be written: what is served stays as it is."""
    path.rename(path.with_suffix(".kept"))
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()
