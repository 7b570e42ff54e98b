"""Kill -9 of the real control in the second stage of a rollback, between effect and journal entry (issue 5: 4).

The walk over every step is `tests/simulation/test_kill_walk.py`; here are a few with processes, files and SQLite.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from ebbgate.adapters.artifacts import pack
from ebbgate.adapters.deploy.hold import FileHold
from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.settings import Role
from ebbgate.client import ControlClient
from ebbgate.core.releases import (
    DeploymentStatus,
    DeployTerms,
    Documents,
    Manifest,
    Proof,
    TargetTerms,
    encode_manifest,
)
from ebbgate.core.releases.requests import RegisterRelease
from ebbgate.core.rollouts.state import RollbackOutcome, RollbackStep, Status
from ebbgate.testing.releases import digest_of

CLOCK = SystemClock()
PLAN = """
app: dashboard
flag: newWidgets
mode: act
commander: devops-lead
tick: 6m
phases:
  - {name: half, to: 50%, who: random, stay: 4h..2d}
  - {name: full, to: 100%, who: everyone, watch: 4h}
verify: {propagation: 10m, recovery: 8h, min_units: 30}
"""
ENDS = ("deploy.switch.acted", "deploy.restart.acted", "rollback.verify")


class Site:
    """A directory that releases are deployed to, by what lies in it."""

    def __init__(self, top: Path) -> None:
        self.top, self.place = top, top / "deployed"
        self.terms = DeployTerms(
            to=TargetTerms(directory=str(self.place)),
            restart=(
                "echo $EBBGATE_VERSION >> $EBBGATE_SHARED/restarts; echo $EBBGATE_DIGEST > $EBBGATE_SHARED/running",
            ),
            version_run="cat $EBBGATE_SHARED/running",
            passes=1,
        )

    @property
    def current(self) -> str:
        """The version that is current, whole."""
        folder = (self.place / "current").resolve()
        version: str = msgspec.json.decode((folder / ".ebbgate-release.json").read_bytes())["version"]
        assert (folder / "page.js").read_text() == f"the page of {version}"
        return version

    @property
    def restarts(self) -> Counter[str]:
        return Counter((self.place / "shared" / "restarts").read_text().split())

    def build(self, control: ControlClient, version: str, *, is_adopted: bool) -> None:
        source = self.top / version
        source.mkdir()
        (source / "page.js").write_text(f"the page of {version}")
        packed = pack(source, ["page.js"], self.top / f"{version}.tar")
        artifact, manifest = packed.artifact, encode_manifest(Manifest(files=packed.files))
        control.releases.upload(artifact.digest, [(self.top / f"{version}.tar").read_bytes()])
        control.releases.upload(digest_of(manifest), [manifest])
        request = RegisterRelease(
            app="dashboard",
            version=version,
            artifact=artifact,
            documents=Documents(manifest=digest_of(manifest)),
            reason="built",
            deploy=self.terms,
            is_adopted=is_adopted,
        )
        control.releases.register(request)


def test_control_killed_again_and_again_in_the_second_stage_brings_the_old_release_back_once(
    roles: Any, control: ControlClient, stores: Any, eventually: Callable[..., None], tmp_path: Path
) -> None:
    site = Site(tmp_path)
    for version in ("v1.0.0", "v2.0.0"):
        site.build(control, version, is_adopted=version == "v1.0.0")
        asked = control.releases.deploy(f"dashboard@{version}", reason="first")
        eventually(lambda asked=asked: control.releases.deployment(asked.id).status is DeploymentStatus.DONE)
    rollout = control.rollouts.start(PLAN, release="v2.0.0", reason="to be taken back").id
    before = site.restarts

    with FileHold(site.place / ".ebbgate-deploy.lock", CLOCK, timeout=timedelta(seconds=5)):
        control.rollouts.roll_back(rollout, reason="it hurts", redeploy=True)
        roles.kill(Role.CONTROL)
    for step in ENDS:
        roles.start(Role.CONTROL, end_at=step)
        roles.wait_killed(Role.CONTROL)
        assert site.current in ("v1.0.0", "v2.0.0"), f"whole, after a kill at {step}"
    roles.start(Role.CONTROL)
    found = stores(roles.directory)
    assert found.rollout(rollout).rollback.step is RollbackStep.VERIFY
    control.rollouts.settle(rollout, reason="nobody comes by")
    replayed = control.rollouts.replay(rollout)
    [incident] = control.incidents.list()
    [deployment] = [one for one in control.releases.deployments() if one.is_rollback]
    roles.stop()

    ended = found.rollout(rollout)
    assert (ended.status, ended.rollback.outcome) == (Status.ROLLED_BACK, RollbackOutcome.UNVERIFIED)
    assert replayed.is_same, replayed.differences
    assert incident.rollout == rollout
    assert (deployment.release, deployment.status, deployment.proof) == (
        "dashboard@v1.0.0",
        DeploymentStatus.DONE,
        Proof.SERVED_DIGEST,
    )
    assert site.current == "v1.0.0"
    again = site.restarts - before
    assert again["v2.0.0"] == 0
    assert again["v1.0.0"] == 2, "killed between the restart and its entry: it is the one that may be done twice"
    actions = [action for action, _ in found.audit(f"rollout:{rollout}")]
    assert actions == [
        *("rollout.start", "rollout.roll_back", "rollback.redeploy"),
        *("rollback.redeployed", "rollback.unverified"),
    ]
    found.assert_told_once(rollout)
    with closing(sqlite3.connect(roles.directory / "control.db")) as store:
        [(unfinished,)] = store.execute("SELECT count(*) FROM journal WHERE done_at IS NULL").fetchall()
    assert unfinished == 0, "each effect has its entry"
