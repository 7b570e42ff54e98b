"""What a drill rehearses and what people hear of it, over the real services, in memory (DESIGN section 8)."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.control.audit import Actor
from ebbgate.control.drills import DrillService
from ebbgate.control.drills_redeploy import Redeployment
from ebbgate.core.errors import NotFoundError, StoreUnavailableError, TransitionError
from ebbgate.core.releases import Release, ReleaseState
from ebbgate.core.rollbacks.drill import Drill, DrillStatus, PartName
from ebbgate.core.rollouts.plan import PreflightTerms
from ebbgate.simulation.world import World
from ebbgate.testing.memory_artifacts import MemoryArtifactStore
from ebbgate.testing.memory_deployer import MemoryDeployer
from ebbgate.testing.releases import TERMS, a_release
from ebbgate.testing.rollouts import a_plan

ADA = Actor(name="ada", reason="before the launch")


class Range:
    """A server whose drills are over when they have begun."""

    def __init__(self) -> None:
        self.world = World(seed=3, users=5)
        shared = (self.world.store, self.world.events, self.world.clock, self.world.flags)
        sandbox = Redeployment(
            self.world.store, MemoryArtifactStore(), MemoryDeployer(), self.world.clock, folder="/sandbox"
        )
        self.drills = DrillService(*shared, sandbox, wake=self.wake, spawn=lambda _name, work: work())
        self.is_heard = False

    def wake(self) -> None:
        """The applications' evaluators follow and say so, once somebody hears them."""
        if self.is_heard:
            self.world.pass_time(timedelta(milliseconds=10))

    def connect(self) -> None:
        self.is_heard = True
        self.wake()
        self.wake()

    def drill(self, *, flag_only: bool, app: str = "shop") -> DrillStatus:
        return self.walk(app, flag_only=flag_only).status

    def walk(self, app: str, *, flag_only: bool = False) -> Drill:
        begun = self.drills.start(app, environment="production", actor=ADA, flag_only=flag_only)
        return self.drills.get(begun.id)

    def register(self, release: Release) -> None:
        with self.world.store.transaction() as tx:
            tx.put_release(release)

    def told(self) -> list[Any]:
        with self.world.store.transaction() as tx:
            return [row.payload["title"] for row in tx.outbox() if row.topic == "drill"]


@pytest.fixture
def drill_range() -> Range:
    return Range()


def test_a_flag_that_toggled_is_not_told_as_a_drill_that_passed(drill_range: Range) -> None:
    """Preflight toggles a flag each time it is asked; the way back was not walked, and nobody is to believe it was."""
    assert drill_range.drill(flag_only=True) is DrillStatus.SHOWS_NOTHING
    drill_range.connect()
    assert drill_range.drill(flag_only=True) is DrillStatus.PASSED
    assert drill_range.told() == []
    kept = [DrillStatus.PASSED, DrillStatus.SHOWS_NOTHING]
    assert [one.status for one in drill_range.drills.list()] == kept, "the rows are kept"


def test_a_drill_that_nobody_could_confirm_shows_nothing_and_has_not_passed(drill_range: Range) -> None:
    """RULES H4: neither stage was tried, so that nothing can be said of the way back."""
    shown = drill_range.walk("shop")
    assert (shown.status, shown.confirmed, shown.expected) == (DrillStatus.SHOWS_NOTHING, 0, 0)
    assert "no evaluator is connected" in shown.parts[1].words
    assert drill_range.told() == ["drill-1 of shop shows nothing"]
    assert drill_range.drills.last_passed("shop") is None
    drill_range.register(a_release(app="shop", id="shop@v1.0.0", state=ReleaseState.STABLE))
    assert drill_range.walk("shop").status is DrillStatus.FAILED, "its bytes are not there, which was tried"


def test_an_app_that_nothing_is_known_of_is_no_drills_and_a_plans_preflight_makes_it_known(drill_range: Range) -> None:
    """A misspelt one deploys nothing, and its drill would say that all is well."""
    drill_range.connect()
    drill_range.register(a_release(app="shop", id="shop@v1.0.0", deploy=None, state=ReleaseState.STABLE))
    with pytest.raises(NotFoundError, match="nothing is known of an app 'shopp'") as refused:
        drill_range.drill(flag_only=True, app="shopp")
    assert refused.value.hint.startswith("apps: shop;")
    assert drill_range.drills.list() == []
    drill_range.drills.start("web", environment="production", actor=ADA, flag_only=True, is_preflight=True)
    assert drill_range.drill(flag_only=False, app="web") is DrillStatus.PASSED
    assert [one.is_preflight for one in drill_range.drills.list()] == [False, True]


def test_one_of_the_whole_way_is_told_and_so_is_a_flag_that_did_not_toggle(
    drill_range: Range, monkeypatch: pytest.MonkeyPatch
) -> None:
    drill_range.connect()
    assert drill_range.drill(flag_only=False) is DrillStatus.PASSED

    def refuse(*_: Any, **__: Any) -> Any:
        raise StoreUnavailableError("no space left on device", hint="make room")

    monkeypatch.setattr(drill_range.world.flags, "kill", refuse)
    assert drill_range.drill(flag_only=True) is DrillStatus.FAILED
    assert drill_range.told() == ["drill-1 of shop passed", "drill-2 of shop failed"]


def test_an_app_that_deploys_nothing_rehearses_what_it_has_and_may_start(drill_range: Range) -> None:
    """Its way back is the flag alone. The drill says that no redeployment was rehearsed, and why."""
    # given an application whose plan asks for a drill, and deploys nothing; what runs was recorded
    wanted = PreflightTerms(drill_within=timedelta(days=30))
    plan = msgspec.structs.replace(a_plan(), deploy=None, preflight=wanted)
    drill_range.register(a_release(app=plan.app, id=f"{plan.app}@v1.0.0", deploy=None, state=ReleaseState.STABLE))
    # when nobody confirms, it is no drill of anything
    drill_range.walk(plan.app)
    with pytest.raises(TransitionError, match="no drill of"):
        drill_range.world.rollouts.start(plan, release="", actor=ADA)
    # and when the evaluators are there
    drill_range.connect()
    drill = drill_range.walk(plan.app)
    worked = {part.name: part.worked for part in drill.parts}
    assert worked == {PartName.FLAG_ON: True, PartName.FLAG_OFF: True, PartName.PLACE: None, PartName.RECOVERY: True}
    assert drill.parts[2].words == f"no redeployment was rehearsed: nothing of {plan.app} is deployed by ebbgate"
    assert (drill.status, drill.confirmed, drill.release) == (DrillStatus.PASSED, 4, None)
    # then it is what a plan that deploys nothing asks for, and not what one asks for that does
    with pytest.raises(TransitionError, match="no drill of"):
        drill_range.world.rollouts.start(msgspec.structs.replace(plan, deploy=TERMS), release="", actor=ADA)
    assert drill_range.world.rollouts.start(plan, release="", actor=ADA).plan == plan


def test_with_a_release_that_names_a_target_the_flag_alone_is_no_drill(drill_range: Range) -> None:
    """RULES H4: there is a second stage by now, and nobody has tried it."""
    wanted = PreflightTerms(drill_within=timedelta(days=30))
    plan = msgspec.structs.replace(a_plan(), deploy=None, preflight=wanted)
    drill_range.connect()
    drill_range.walk(plan.app)
    drill_range.register(a_release(app=plan.app, id=f"{plan.app}@v1.0.0"))
    with pytest.raises(TransitionError, match="no drill of"):
        drill_range.world.rollouts.start(plan, release="", actor=ADA)
    assert drill_range.walk(plan.app).status is DrillStatus.FAILED, "there is no stable release to go back to"
