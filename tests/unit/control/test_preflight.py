"""The pre-launch list says what is in place, over the real services, in memory (DESIGN section 8)."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec
import pytest

from ebbgate.adapters.plans import read_plan
from ebbgate.control.audit import Actor
from ebbgate.control.drills import DrillService
from ebbgate.control.drills_redeploy import Redeployment
from ebbgate.control.notifications import NotificationService
from ebbgate.control.preflight import PreflightService
from ebbgate.core.errors import TransitionError
from ebbgate.core.events import Record, TrackedEvent
from ebbgate.core.releases import Artifact, Documents, Release, ReleaseState
from ebbgate.core.rollbacks.drill import Drill, DrillPart, DrillStatus, PartName
from ebbgate.core.rollbacks.preflight import Check, Standing
from ebbgate.core.rollouts.plan import PreflightTerms
from ebbgate.simulation.world import World
from ebbgate.testing.memory_artifacts import MemoryArtifactStore
from ebbgate.testing.memory_deployer import MemoryDeployer

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ADA = Actor(name="ada", reason="before the launch")
PLAN_TEXT = """
app: shop
flag: newCheckout
commander: on-call
users: 20000
deploy: {to: {directory: /srv/shop}}
phases: [{to: 50%, who: random, stay: 1d..5d}, {to: 100%, who: everyone, watch: 14d}]
guardrails: {errors: {rate: api_error / api_request, baseline: 1%, worse_by: 1.5pp}}
"""
PLAN = read_plan(PLAN_TEXT)


class Desk:
    """A server where nothing was built, deployed or drilled."""

    def __init__(self) -> None:
        self.world, self.plan = World(seed=3, users=5), PLAN
        self.artifacts, deployer = MemoryArtifactStore(), MemoryDeployer()
        shared = (self.world.store, self.world.events, self.world.clock)
        sandbox = Redeployment(self.world.store, self.artifacts, deployer, self.world.clock, folder="/sandbox")
        drills = DrillService(*shared, self.world.flags, sandbox, wake=lambda: None, spawn=lambda _name, _work: None)
        told = NotificationService(self.world.store, self.world.clock, [])
        self.service = PreflightService(*shared, self.artifacts, deployer, told, drills, self.world.views)

    def check(self, name: str) -> Check:
        found = self.service.check(self.plan, release="", actor=ADA, tell=False).checks
        return next(check for check in found if check.name == name)

    def send(self, *names: str) -> None:
        """One event of each name reaches the server."""
        now = self.world.clock.plan_now()
        events = [TrackedEvent(id=name, unit="ada", name=name, occurred_at=now, sent_at=now) for name in names]
        record = Record(received_at=now, machine_at=self.world.clock.machine_now(), entries=[*events])
        self.world.events.ingest([(1, record)])

    def adopt(self, *, has_target: bool) -> None:
        digest = f"sha256:{sha256(b'what runs').hexdigest()}"
        self.artifacts.put(digest, [b"what runs"])
        with self.world.store.transaction() as tx:
            tx.put_release(
                Release(
                    id="shop@v1.0.0",
                    app="shop",
                    version="v1.0.0",
                    state=ReleaseState.STABLE,
                    artifact=Artifact(digest=digest, files=1, content_bytes=9, archive_bytes=9, gzip_bytes=9),
                    documents=Documents(manifest=digest),
                    created_at=NOON,
                    deploy=PLAN.deploy if has_target else None,
                )
            )

    def drilled(self, *left_out: PartName, number: int = 9) -> None:
        parts = tuple(
            DrillPart(name=name, worked=None if name in left_out else True, took=timedelta(seconds=1), words="-")
            for name in PartName
        )
        drill = Drill(
            id=f"drill-{number}", app="shop", environment="production", actor="ada", reason="-", started_at=NOON
        )
        with self.world.store.transaction() as tx:
            tx.put_drill(
                msgspec.structs.replace(drill, number=number, status=DrillStatus.PASSED, parts=parts, ended_at=NOON)
            )


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_notes_of_the_lint_are_no_warnings(desk: Desk) -> None:
    check = desk.check("plan")
    assert check.standing is Standing.GOOD, check.words
    assert "notes" in check.words


def test_a_last_stable_release_without_a_target_is_no_way_back(desk: Desk) -> None:
    """The second stage would end with a page at once (RULES H4)."""
    desk.adopt(has_target=False)
    check = desk.check("last stable")
    assert check.standing is Standing.BAD, check.words
    assert "names no target" in check.words
    assert "release adopt" in check.hint


def test_one_with_a_target_and_its_bytes_is(desk: Desk) -> None:
    desk.adopt(has_target=True)
    assert desk.check("last stable").standing is Standing.GOOD


def test_a_drill_that_left_something_out_passed_and_says_what(desk: Desk) -> None:
    desk.drilled(PartName.FLAG_OFF, PartName.CHECK)
    check = desk.check("drill")
    assert check.standing is Standing.WARN, check.words
    assert "left out: flag off, check" in check.words


def test_a_drill_of_the_whole_way_is_good(desk: Desk) -> None:
    desk.drilled()
    assert desk.check("drill").standing is Standing.GOOD


@pytest.mark.parametrize("left_out", [PartName.FLAG_OFF, PartName.CHECK])
def test_a_drill_that_nobody_confirmed_or_that_asked_nothing_is_not_what_the_plan_asks_for(
    desk: Desk, left_out: PartName
) -> None:
    """RULES H4: `drill_within` is met by a drill that has shown both stages of the way back."""
    desk.plan = msgspec.structs.replace(PLAN, preflight=PreflightTerms(drill_within=timedelta(days=30)))
    desk.drilled(left_out)
    check = desk.check("drill")
    assert check.standing is Standing.BAD, check.words
    assert check.words == f"drill-9 passed without {left_out.value.replace('_', ' ')}, which does not count as a drill"
    with pytest.raises(TransitionError, match="no drill of shop"):
        desk.world.rollouts.start(desk.plan, release="", actor=ADA)
    desk.drilled(PartName.RESTART, number=30)
    assert "drill-30 passed on" in desk.check("drill").words


def test_a_drill_without_a_redeployment_is_good_where_nothing_is_deployed(desk: Desk) -> None:
    """A drill rehearses what the application has; what is said of it tells what was not rehearsed."""
    desk.plan = msgspec.structs.replace(PLAN, deploy=None, preflight=PreflightTerms(drill_within=timedelta(days=30)))
    desk.adopt(has_target=False)
    second = (PartName.PLACE, PartName.SWITCH, PartName.RESTART, PartName.CHECK)
    desk.drilled(PartName.FLAG_OFF, *second)
    check = desk.check("drill")
    assert check.standing is Standing.BAD, check.words
    assert check.words == "drill-9 passed without flag off, which does not count as a drill"
    desk.drilled(*second, number=30)
    check = desk.check("drill")
    assert check.standing is Standing.GOOD, check.words
    assert check.words.endswith("; no redeployment was rehearsed, as nothing of shop is deployed by ebbgate")


def test_a_goal_whose_event_never_arrives_is_a_warning_as_goals_hold_no_phase() -> None:
    desk = Desk()
    text = "goals: {clicks: {share: widget_click / widget_view, goal: +10%, baseline: 30%}}"
    desk.plan = msgspec.structs.replace(read_plan(f"{PLAN_TEXT}{text}"), preflight=PLAN.preflight)
    desk.send("api_request", "api_error", "widget_click")
    check = desk.check("events")
    assert check.standing is Standing.WARN
    assert "`widget_view` never arrives, and goal clicks needs it" in check.words
    desk = Desk()
    desk.send("widget_click")
    assert desk.check("events").standing is Standing.BAD
