"""What people hear of drills, over the real services, in memory (DESIGN section 8)."""

from typing import Any

import pytest

from ebbgate.control.audit import Actor
from ebbgate.control.drills import DrillService
from ebbgate.control.drills_redeploy import Redeployment
from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.rollbacks.drill import DrillStatus
from ebbgate.simulation.world import World
from ebbgate.testing.memory_artifacts import MemoryArtifactStore
from ebbgate.testing.memory_deployer import MemoryDeployer

ADA = Actor(name="ada", reason="before the launch")


class Range:
    """A server whose drills are over when they have begun."""

    def __init__(self) -> None:
        self.world = World(seed=3, users=5)
        shared = (self.world.store, self.world.events, self.world.clock, self.world.flags)
        sandbox = Redeployment(
            self.world.store, MemoryArtifactStore(), MemoryDeployer(), self.world.clock, folder="/sandbox"
        )
        self.drills = DrillService(*shared, sandbox, wake=lambda: None, spawn=lambda _name, work: work())

    def drill(self, *, flag_only: bool) -> DrillStatus:
        begun = self.drills.start("shop", environment="production", actor=ADA, flag_only=flag_only)
        return self.drills.get(begun.id).status

    def told(self) -> list[Any]:
        with self.world.store.transaction() as tx:
            return [row.payload["title"] for row in tx.outbox() if row.topic == "drill"]


@pytest.fixture
def drill_range() -> Range:
    return Range()


def test_a_flag_that_toggled_is_not_told_as_a_drill_that_passed(drill_range: Range) -> None:
    """Preflight toggles a flag each time it is asked; the way back was not walked, and nobody is to believe it was."""
    assert drill_range.drill(flag_only=True) is DrillStatus.PASSED
    assert drill_range.told() == []
    assert [one.status for one in drill_range.drills.list()] == [DrillStatus.PASSED], "the row is kept"


def test_one_of_the_whole_way_is_told_and_so_is_a_flag_that_did_not_toggle(
    drill_range: Range, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert drill_range.drill(flag_only=False) is DrillStatus.PASSED

    def refuse(*_: Any, **__: Any) -> Any:
        raise StoreUnavailableError("no space left on device", hint="make room")

    monkeypatch.setattr(drill_range.world.flags, "kill", refuse)
    assert drill_range.drill(flag_only=True) is DrillStatus.FAILED
    assert drill_range.told() == ["drill-1 of shop passed", "drill-2 of shop failed"]
