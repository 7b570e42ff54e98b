"""What an act that was taken back came to, in one line; every figure from stored rows, through the public API."""

from datetime import timedelta

import msgspec

from ebbgate.client import ControlClient
from ebbgate.core.errors import NotFoundError
from ebbgate.core.incidents import Incident
from ebbgate.core.rollouts.decision import Code
from ebbgate.core.rollouts.state import RollbackOutcome
from ebbgate.core.rollouts.view import RolloutView
from ebbgate.ports.clock import Clock

_WITHIN_S = 10.0
_POLL = timedelta(milliseconds=200)


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The incident of an act, and what was written about it. postmortem: status; empty while there is none.
    followed: who had followed the flag-off, such as `31/32`, when that was all that there was. redeploy_proof: what
    shows that the release that went back answers; empty where none did.
    """

    incident: str = ""
    incident_status: str = ""
    postmortem: str = ""
    followed: str = ""
    redeploy_proof: str = ""


def read_ending(control: ControlClient, view: RolloutView, clock: Clock) -> Ending:
    """The incident of a rollout that was taken back. Where it recovered, a post-mortem follows within seconds."""
    if view.rollback is None:
        return Ending()
    until = clock.monotonic() + _WITHIN_S
    while True:
        found = _read(control, view)
        is_whole = found.postmortem or (found.incident and view.rollback.outcome is not RollbackOutcome.RECOVERED)
        if is_whole or clock.monotonic() > until:
            return found
        clock.sleep(_POLL)


def _read(control: ControlClient, view: RolloutView) -> Ending:
    try:
        incident: Incident = control.incidents.get(view.id)
    except NotFoundError:
        return Ending()
    try:
        written = control.postmortems.get(incident.id).status.value
    except NotFoundError:
        written = ""
    return Ending(
        incident=incident.id,
        incident_status=incident.status.value,
        postmortem=written,
        followed=_followed(control, view),
        redeploy_proof=_redeploy_proof(control, view),
    )


def _followed(control: ControlClient, view: RolloutView) -> str:
    """From the row that ended the wait for evaluators: later on the processes are others, or are heard no more."""
    rows = control.rollouts.decisions(view.id, limit=1_000)
    for row in rows:
        if row.decision.code in (Code.PROPAGATED, Code.REDEPLOY):
            facts = control.rollouts.explain(view.id, sequence=row.sequence).inputs.rollback
            if facts is not None and facts.proof is not None:
                return f"{facts.proof.confirmed}/{facts.proof.expected}"
    assert view.rollback is not None
    return f"{view.rollback.confirmed}/{view.rollback.expected}"


def _redeploy_proof(control: ControlClient, view: RolloutView) -> str:
    """In words, of the newest deployment, if it is one that takes this rollout back."""
    if view.rollback is None or view.rollback.redeployed_at is None:
        return ""
    newest = control.releases.deployments(app=view.app, limit=1)
    is_it = newest and newest[0].is_rollback and newest[0].release == view.rollback.redeploy_to
    return newest[0].proof.value.replace("_", " ") if is_it and newest[0].proof is not None else ""


def story(view: RolloutView, ending: Ending, *, harmed: int) -> str:
    """Such as `caught after 41 users, off on 32/32 in 38 ms, recovered, post-mortem written (INC-1)`."""
    rollback = view.rollback
    assert rollback is not None and rollback.outcome is not None
    off = f"off on {ending.followed}"
    if view.push is not None and view.push.ms_max is not None:
        off += f" in {view.push.ms_max:.0f} ms"
    parts = [f"caught after {harmed:,} users", off]
    if rollback.redeployed_at is not None and rollback.redeploy_from_at is not None:
        took = (rollback.redeployed_at - rollback.redeploy_from_at).total_seconds()
        back = (rollback.redeploy_to or "").rpartition("@")[2]
        shown = "answers with its own digest" if ending.redeploy_proof == "served digest" else "is back"
        parts.append(f"so {back} was deployed again and {shown} after {took:.1f} s")
    parts.append(rollback.outcome.value)
    parts.append(f"post-mortem written ({ending.incident})" if ending.postmortem else f"incident {ending.incident}")
    return ", ".join(parts)
