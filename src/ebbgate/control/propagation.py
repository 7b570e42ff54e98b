"""Who serves a version, by what evaluators said and when they were last heard (RULES H2, B7). Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from ebbgate.core.events.roster import HEARD_FOR
from ebbgate.core.rollouts.recovery import Propagation
from ebbgate.ports.event_store import EvaluatorStatus

CONFIRMING = frozenset({"sdk", "stream"})
"""Kinds of evaluators that say which version they serve; the others stay unproven."""


def is_connected(evaluator: EvaluatorStatus, now: datetime) -> bool:
    """Whether it is there. now: machine time. One that died together with the edge has no `disconnected` to its name,
    so that silence counts as well.
    """
    return evaluator.is_connected and now - evaluator.last_seen_at <= HEARD_FOR


def prove(
    evaluators: Iterable[EvaluatorStatus], version: int, *, environment: str, server_lost: timedelta, now: datetime
) -> Propagation:
    """The proof that `version` or a later one is served in an environment. now: machine time.

    One that is connected and serves less is a straggler. One that is not connected may go on serving what it has until
    its lease ends: until then it is unproven, by name; from then on whoever holds a lease serves control. The last sign
    of the server may have reached it as much later than its last report reached us as reports are apart.
    One that was closed cleanly has given its leases back, and counts nowhere. An evaluator that does not say its
    environment counts in each.
    """
    confirmed = polling = 0
    stragglers: list[str] = []
    unheard: list[str] = []
    for evaluator in evaluators:
        if evaluator.is_closed or evaluator.environment not in (None, environment):
            continue
        is_gone = now - evaluator.last_seen_at > server_lost + HEARD_FOR
        name = evaluator.name or evaluator.evaluator
        if evaluator.kind not in CONFIRMING:
            polling += not is_gone
        elif evaluator.snapshot_version is not None and evaluator.snapshot_version >= version:
            confirmed += is_connected(evaluator, now)
        elif is_connected(evaluator, now):
            stragglers.append(name)
        elif not is_gone:
            unheard.append(name)
    return Propagation(
        confirmed=confirmed,
        expected=confirmed + len(stragglers),
        unproven=polling + len(unheard),
        stragglers=tuple(sorted(stragglers)),
        unheard=tuple(sorted(unheard)),
        lag_s_max=server_lost.total_seconds() if unheard and not polling else None,
    )
