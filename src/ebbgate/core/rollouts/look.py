"""One look at a rollout, as a value: everything that a decision rested on, so that it can be replayed."""

from datetime import datetime

import msgspec

from ebbgate.core.metrics.analysis import Analysis, GoalAnalysis
from ebbgate.core.metrics.blocks import AnyBlock, Assignment
from ebbgate.core.rollouts.health import Health
from ebbgate.core.rollouts.state import RolloutState


class LookInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What a look saw. state: before the decision. blocks: folded in this look, in order. now: plan time."""

    state: RolloutState
    now: datetime
    health: Health
    assignment: Assignment
    analyses: dict[str, Analysis]
    goals: dict[str, GoalAnalysis]
    blocks: list[AnyBlock]
