"""The stored looks of an act, given to the rules of others."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import msgspec

from ebbgate.client import ControlClient
from ebbgate.core.metrics.blocks import ProportionBlock
from ebbgate.core.rollouts.explain import DecisionView
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.state import Status
from ebbgate.demo.harm import HarmLog
from ebbgate.demo.others import RULES, Counts, acts_at, looks_until

METRIC = "errors"
"""Of the demo's plan: what gets worse in a broken version."""

_PAGE = 1_000


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One stored look at the metric that breaks. machine_at: of the decision. seen_from: machine time from which on its
    units were observed: a window and its lateness have to pass before they count.
    """

    sequence: int
    machine_at: datetime
    seen_from: datetime
    counts: Counts


class Other(msgspec.Struct, frozen=True, kw_only=True):
    """How one rule would have decided. looks: that it was asked.

    false_alarm_at: look, from 1, at which it would have taken a good version back; None: at none of them.
    harmed: people who had met the broken version when it would have acted; None: it would not have, or nothing broke.
    is_projected: not within the looks that there were; the stream went on as it was, by calculation.
    """

    rule: str
    looks: int
    false_alarm_at: int | None = None
    harmed: int | None = None
    is_projected: bool = False


def read_looks(control: ControlClient, rollout: str, *, scale: float) -> list[Look]:
    """Every look up to the decision that took it back, or to the end; only those in which the metric had units. scale:
    plan seconds for one machine second.
    """
    found = []
    for row in _decisions(control, rollout):
        inputs = control.rollouts.explain(rollout, sequence=row.sequence).inputs
        blocks = [b for b in inputs.blocks if isinstance(b, ProportionBlock) and b.metric == METRIC and b.phase >= 0]
        if any(block.treatment_n or block.control_n for block in blocks):
            counts = Counts(
                treatment_n=sum(b.treatment_n for b in blocks),
                treatment_y=sum(b.treatment_y for b in blocks),
                control_n=sum(b.control_n for b in blocks),
                control_y=sum(b.control_y for b in blocks),
            )
            delay = row.looked_at - min(block.opened_at for block in blocks) + _delay(inputs.state.plan)
            seen_from = row.machine_at - delay / scale
            found.append(Look(sequence=row.sequence, machine_at=row.machine_at, seen_from=seen_from, counts=counts))
    return found


def _delay(plan: Plan) -> timedelta:
    """From an observation to the close of its block."""
    metric = next(guardrail.metric for guardrail in plan.guardrails if guardrail.metric.name == METRIC)
    return metric.window + metric.lateness


def _decisions(control: ControlClient, rollout: str) -> Iterator[DecisionView]:
    after = 0
    while rows := control.rollouts.decisions(rollout, after=after, limit=_PAGE):
        for row in rows:
            yield row
            if row.status_after is Status.ROLLING_BACK:
                return
        after = rows[-1].sequence


def compare(looks: list[Look], harm: HarmLog, *, broken_at: datetime | None, users: int, seed: int) -> list[Other]:
    """Each rule over the looks. broken_at: machine time; None if the version stayed good. users: more cannot be
    harmed.
    """
    stream = [look.counts for look in looks]
    at_break = _first(looks, lambda look: broken_at is not None and look.machine_at >= broken_at)
    since = _first(looks, lambda look: broken_at is not None and look.seen_from >= broken_at)
    found = []
    for name, make in RULES.items():
        other = Other(rule=name, looks=len(stream))
        at = acts_at(make(), stream)
        if at is not None and (at_break is None or at < at_break):
            other = msgspec.structs.replace(other, false_alarm_at=at + 1)
        elif at is not None:
            other = msgspec.structs.replace(other, harmed=harm.at(looks[at].sequence))
        elif at_break is not None:
            start = at_break if since is None else since
            if (more := looks_until(make, stream, start, seed=seed)) is not None:
                harmed = min(users, round(harm.total * (1 + more / (len(stream) - at_break))))
                other = msgspec.structs.replace(other, harmed=harmed, is_projected=True)
        found.append(other)
    return found


def _first(looks: list[Look], is_it: Callable[[Look], bool]) -> int | None:
    return next((index for index, look in enumerate(looks) if is_it(look)), None)
