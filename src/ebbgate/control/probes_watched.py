"""Whose probes are asked: of rollouts that are under way, and of those whose incident is not over (issue 5).

An incident's timeline tells when the application really answers again, however its rollback ended. So probing goes on
while the incident is active; once it is stable, only what fails at that moment is asked on, until it answers.
"""

import msgspec

from ebbgate.control.triggers import ACTIVE
from ebbgate.core.incidents import Incident, IncidentStatus
from ebbgate.core.rollouts.plan import Probe
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.ports.control_store import ControlTransaction

UNDER_WAY = (*ACTIVE, Status.ROLLING_BACK)
_INCIDENTS = 1_000


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout whose probes are asked. is_failing_only: of them only those that fail now."""

    state: RolloutState
    is_failing_only: bool = False


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the world, and how often: rollouts with the same probe share one answer."""

    name: str
    url: str | None
    run: tuple[str, ...]
    every_s: float
    timeout_s: float


def question_of(probe: Probe) -> Question:
    """What a probe asks, whatever follows from the answer."""
    return Question(
        name=probe.name,
        url=probe.url,
        run=probe.run,
        every_s=probe.every.total_seconds(),
        timeout_s=probe.timeout.total_seconds(),
    )


class Watchlist:
    """Reads who is watched. What is over does not change, so that it is read once while its incident is open."""

    def __init__(self) -> None:
        self._over: dict[str, RolloutState] = {}

    def read(self, tx: ControlTransaction) -> list[Watched]:
        """Those under way first."""
        under_way = tx.rollouts(statuses=UNDER_WAY)
        ids = {state.id for state in under_way}
        incidents = [one for one in tx.incidents(open_only=True, limit=_INCIDENTS) if one.rollout not in ids]
        over = [(incident, state) for incident in incidents if (state := self._state(tx, incident)) is not None]
        self._over = {state.id: state for _, state in over}
        return [
            *(Watched(state=state) for state in under_way),
            *(
                Watched(state=state, is_failing_only=incident.status is not IncidentStatus.ACTIVE)
                for incident, state in over
            ),
        ]

    def _state(self, tx: ControlTransaction, incident: Incident) -> RolloutState | None:
        if incident.rollout is None:
            return None
        return self._over.get(incident.rollout) or tx.rollout(incident.rollout)
