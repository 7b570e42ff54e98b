"""Who is compared for late harm, by the plan (RULES D1, E3)."""

import msgspec

from ebbgate.core.metrics.contrast import TOTAL_PPM
from ebbgate.core.rollouts.state import RolloutState


class LateUnits(msgspec.Struct, frozen=True, kw_only=True):
    """has_treated: whether anybody had the new version before. has_control: whether anybody never has it. with_new:
    whether the phase's own new units belong to the treated: in the last phase, in which nothing else compares them.
    """

    has_treated: bool
    has_control: bool
    with_new: bool

    @property
    def is_compared(self) -> bool:
        return self.has_treated and self.has_control


def late_units(state: RolloutState) -> LateUnits:
    """Of the rollout's current phase."""
    record = state.record
    with_new = state.is_last_phase
    return LateUnits(
        has_treated=(record.hash_to if with_new else record.hash_from) > 0,
        has_control=record.hash_to < TOTAL_PPM or (state.plan.holdout > 0 and state.holdout_ended_at is None),
        with_new=with_new,
    )
