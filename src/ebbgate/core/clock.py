"""Two clocks (RULES A1): plan time, which may be scaled, and machine time, which never is."""

from datetime import datetime, timedelta

import msgspec


class ClockMapping(msgspec.Struct, frozen=True, kw_only=True):
    """How plan time follows machine time: `plan = plan_origin_at + (machine - origin_at) * scale` (RULES A2).

    origin_at: machine time at which the mapping began. plan_origin_at: plan time at that moment.
    scale: plan seconds for one machine second, > 0; 1 outside demos and simulations.
    """

    origin_at: datetime
    plan_origin_at: datetime
    scale: float = 1.0

    def plan_time(self, machine_at: datetime) -> datetime:
        """The plan time of a machine time (both aware UTC)."""
        return self.plan_origin_at + (machine_at - self.origin_at) * self.scale

    def machine_time(self, plan_at: datetime) -> datetime:
        """The machine time at which the plan clock shows `plan_at`."""
        return self.origin_at + (plan_at - self.plan_origin_at) / self.scale

    def machine_duration(self, plan: timedelta) -> timedelta:
        """How long a plan duration lasts on the machine clock."""
        return plan / self.scale
