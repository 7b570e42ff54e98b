"""What each step of a deployment does, over the target's port. Each may be done again after a kill in its middle."""

from collections.abc import Callable
from datetime import timedelta

from ebbgate.control.deployments_ship import Voyage
from ebbgate.core.errors import ArtifactDamagedError, ArtifactMissingError, DeployError
from ebbgate.core.releases import DeployStep, Proof
from ebbgate.ports.artifacts import ArtifactStore
from ebbgate.ports.clock import Clock
from ebbgate.ports.deployer import Shipment, Target

GaveWay = Callable[[], bool]
"""Whether a rollback of the same target waits."""


class GaveWayError(DeployError):
    """A deployment is given up, as a rollback of the same target waits."""


class StepRunner:
    """Does one step; returns what to say of it, and the proof where there is one. Raises DeployError and what the
    artifact store raises: the step failed.
    """

    def __init__(self, artifacts: ArtifactStore, clock: Clock) -> None:
        self._artifacts = artifacts
        self._clock = clock

    def run(self, step: DeployStep, target: Target, voyage: Voyage, gave_way: GaveWay) -> tuple[str, Proof | None]:
        there, back = voyage.there, voyage.back
        if step is DeployStep.FETCH:
            return self._fetch(target, there), None
        if step is DeployStep.PLACE:
            return self._place(target, there, back), None
        if step is DeployStep.CHECK:
            return self._check(target, there, gave_way)
        if step in (DeployStep.SWITCH, DeployStep.RESTART):
            return self._put(step, target, there), None
        if back is None:
            target.switch_off()
            return "nothing is current, as before", None
        if step is DeployStep.CHECK_BACK:
            return self._check(target, back, lambda: False)
        return self._put(step, target, back), None

    def _fetch(self, target: Target, shipment: Shipment) -> str:
        if target.is_placed(shipment):
            return f"{shipment.release} lies there already, whole and unchanged"
        length = self._artifacts.verify(shipment.digest)
        return f"{length:,} bytes are what {shipment.digest} says"

    def _place(self, target: Target, there: Shipment, back: Shipment | None) -> str:
        self._put_there(target, there)
        if back is None:
            return f"{there.release} is placed; there is nothing to go back to"
        try:
            self._put_there(target, back)
        except (ArtifactMissingError, ArtifactDamagedError) as error:
            return f"{there.release} is placed; there is no way back to {back.release}: {error.message}"
        return f"{there.release} is placed, and so is {back.release}, the way back"

    def _put_there(self, target: Target, shipment: Shipment) -> None:
        if target.is_placed(shipment):
            return
        with self._artifacts.checked_file(shipment.digest) as archive:
            target.place(shipment, archive)

    def _put(self, step: DeployStep, target: Target, shipment: Shipment) -> str:
        if step in (DeployStep.SWITCH, DeployStep.SWITCH_BACK):
            target.switch(shipment)
            return f"{shipment.release} is current"
        if not shipment.terms.restart:
            return "nothing to restart"
        target.restart(shipment)
        return f"restarted: {' && '.join(shipment.terms.restart)}"

    def _check(self, target: Target, shipment: Shipment, gave_way: GaveWay) -> tuple[str, Proof | None]:
        """So many good answers in a row, within the time."""
        terms = shipment.terms
        if not terms.is_checked:
            return "the plan names nothing to ask", Proof.NONE
        began = self._clock.monotonic()
        in_row, last = 0, "nothing was asked"
        while True:
            answer = target.look(shipment)
            in_row, last = (in_row + 1 if answer.is_good else 0), answer.text
            if in_row >= terms.passes:
                took = self._clock.monotonic() - began
                return f"{in_row} good answers in a row after {took:.1f} s: {last}", answer.proof
            if gave_way():
                raise GaveWayError("given up: a rollback of this target waits", hint="see the rollback's deployment")
            if self._clock.monotonic() - began >= terms.within.total_seconds():
                raise DeployError(
                    f"not {terms.passes} good answers in a row within {terms.within.total_seconds():g} s; last: {last}",
                    hint="see what the application logs; `within` and `passes` are in the plan's `deploy`",
                )
            self._clock.sleep(max(terms.every, timedelta(milliseconds=1)))
