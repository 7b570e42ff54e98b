"""The stored looks of an act, given to the rules of others."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from ebbgate.client import ControlClient
from ebbgate.core.metrics.blocks import ProportionBlock
from ebbgate.core.rollouts.explain import DecisionView
from ebbgate.core.rollouts.state import Status
from ebbgate.demo.harm import HarmLog
from ebbgate.demo.others import RULES, Counts, acts_at, looks_until

METRIC = "errors"
"""Of the demo's plan: what gets worse in a broken version."""

_PAGE = 1_000


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One stored look at the metric that breaks. machine_at: of the decision."""

    sequence: int
    machine_at: datetime
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


def read_looks(control: ControlClient, rollout: str) -> list[Look]:
    """Every look up to the decision that took it back, or to the end; only those in which the metric had units."""
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
            found.append(Look(sequence=row.sequence, machine_at=row.machine_at, counts=counts))
    return found


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
    since = next((i for i, look in enumerate(looks) if broken_at is not None and look.machine_at >= broken_at), None)
    stream = [look.counts for look in looks]
    found = []
    for name, make in RULES.items():
        other = Other(rule=name, looks=len(stream))
        at = acts_at(make(), stream)
        if at is not None and (since is None or at < since):
            other = msgspec.structs.replace(other, false_alarm_at=at + 1)
        elif at is not None:
            other = msgspec.structs.replace(other, harmed=harm.at(looks[at].sequence))
        elif since is not None and (more := looks_until(make, stream, since, seed=seed)) is not None:
            harmed = min(users, round(harm.total * more / (len(stream) - since)))
            other = msgspec.structs.replace(other, harmed=harmed, is_projected=True)
        found.append(other)
    return found
