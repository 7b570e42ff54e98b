"""One look at a rollout, as a value: everything that a decision rested on, so that it can be replayed."""

from datetime import datetime

import msgspec

from ebbgate.core.metrics.analysis import Analysis, GoalAnalysis
from ebbgate.core.metrics.arrivals import ArrivalBlock, VolumeBlock
from ebbgate.core.metrics.blocks import AnyBlock, Assignment
from ebbgate.core.metrics.broken import Broken
from ebbgate.core.metrics.late import LateBlock
from ebbgate.core.metrics.readings import ReadingBlock, SourceFailure
from ebbgate.core.releases import DeploymentStatus, Proof
from ebbgate.core.rollouts.health import Health
from ebbgate.core.rollouts.recovery import Propagation
from ebbgate.core.rollouts.state import RolloutState

EDITION = 2
"""How evidence is made (EVIDENCE_EDITION), and what is said beside it is written, now. 1: values with their units;
what is only read after a rollback, too, and its limits with the value instead of a share; of surveys the shares that
answered, where they differ; of means that few values carry most of the spread. 2: evidence alone."""


class LookData(msgspec.Struct, frozen=True, kw_only=True):
    """What closed since the last look, each in the order in which it is folded. clustered: of rates, all requests of
    each unit (RULES D3). parts: of derived metrics. readings: of releases and sources. broken: what could not be read.
    """

    blocks: list[AnyBlock]
    late: list[LateBlock] = []
    arrivals: list[ArrivalBlock] = []
    volume: VolumeBlock | None = None
    clustered: list[AnyBlock] = []
    parts: list[AnyBlock] = []
    readings: list[ReadingBlock] = []
    failures: list[SourceFailure] = []  # sources that do not answer; nothing is folded of them
    broken: list[Broken] = []


class StageTwo(msgspec.Struct, frozen=True, kw_only=True):
    """What redeployment could do. release: id of the last stable release, None where there is no second stage; why:
    the reason for that.
    """

    release: str | None = None
    why: str = "this control process deploys nothing"


class DeploymentSeen(msgspec.Struct, frozen=True, kw_only=True):
    """How the redeployment stands. proof: what shows that the release answers. error: why it cannot be asked for, or
    how it failed. release: its id.
    """

    release: str | None
    status: DeploymentStatus | None
    proof: Proof | None = None
    error: str = ""


class RollbackFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a step of a rollback rested on. proof: who serves the off version; None where a person ended it. returned,
    harm_bounds: as `judge_recovery` takes them. look: sequence of the last look before the rollback, 0 if there was
    none. actor: who ended it by hand. flag_error: why the off version could not be published, empty when it was.
    is_late: whether the proof's deadline had passed (machine time). deployment: of the second stage. exposed_units: as
    `judge_recovery` takes it; None of versions that did not count them.
    """

    proof: Propagation | None = None
    returned: dict[str, Analysis] = {}
    harm_bounds: dict[str, float] = {}
    look: int = 0
    actor: str | None = None
    flag_error: str = ""
    is_late: bool = False
    stage_two: StageTwo = StageTwo()
    deployment: DeploymentSeen | None = None
    exposed_units: int | None = None


class LookFacts(LookData, frozen=True, kw_only=True):
    """What a look saw, apart from the rollout's state. now: plan time. rollback: of its steps alone. edition: with
    which it was stored.
    """

    now: datetime
    health: Health
    assignment: Assignment
    analyses: dict[str, Analysis]
    goals: dict[str, GoalAnalysis]
    rollback: RollbackFacts | None = None
    edition: int = 0


class LookInputs(LookFacts, frozen=True, kw_only=True):
    """What a look saw. state: before the decision."""

    state: RolloutState
