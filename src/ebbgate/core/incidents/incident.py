"""An incident: opened by a rollback or by a person, stable when the harm is over, closed when it is written up."""

from datetime import datetime
from enum import StrEnum

import msgspec

from ebbgate.core.errors import TransitionError


class IncidentKind(StrEnum):
    """What it began with (RULES E3: what people and probes open lies outside of the statistics, and is named so)."""

    HARM = "harm"  # a verdict: worse than the plan tolerates
    CRITICAL_LIMIT = "critical_limit"
    OUTAGE = "outage"  # failed probes
    DATA_CORRUPTION = "data_corruption"
    USER_REPORTS = "user_reports"
    ALERT = "alert"  # from another monitor, such as Alertmanager
    PERSON = "person"  # somebody took the version back, or opened it


class IncidentStatus(StrEnum):
    ACTIVE = "active"
    STABLE = "stable"  # the harm is over; the post-mortem is being written
    CLOSED = "closed"


class IncidentTrigger(StrEnum):
    STABILISE = "stabilise"
    REOPEN = "reopen"
    CLOSE = "close"


class Severity(StrEnum):
    """sev1: people are harmed and nothing of ours stops it. sev2: taken back, or being so. sev3: nobody was harmed."""

    SEV1 = "sev1"
    SEV2 = "sev2"
    SEV3 = "sev3"


class Role(StrEnum):
    COMMANDER = "commander"  # decides
    LIAISON = "liaison"  # talks to those outside
    SCRIBE = "scribe"  # writes notes


class Stage(StrEnum):
    """The stages of a rollback, as the post-mortem judges them."""

    FLAG_OFF = "flag_off"
    PROPAGATION = "propagation"
    RECOVERY = "recovery"
    REDEPLOY = "redeploy"
    VERIFY = "verify"  # recovery after the redeployment


TRANSITIONS: dict[tuple[IncidentStatus, IncidentTrigger], IncidentStatus] = {
    (IncidentStatus.ACTIVE, IncidentTrigger.STABILISE): IncidentStatus.STABLE,
    (IncidentStatus.STABLE, IncidentTrigger.REOPEN): IncidentStatus.ACTIVE,
    (IncidentStatus.STABLE, IncidentTrigger.CLOSE): IncidentStatus.CLOSED,
    (IncidentStatus.CLOSED, IncidentTrigger.REOPEN): IncidentStatus.ACTIVE,
}


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One incident. *_at: machine time, but for plan_opened_at.

    id: `INC-<number>`. rollout, release, flag, environment: what it is about, as far as it is known. began_at: since
    when the version could harm (its phase's start, machine time), None where nothing was being rolled out. trigger:
    the words of what opened it; evidence: API path of its evidence. roles: who has which role; a plan names the
    commander.
    """

    id: str
    app: str
    kind: IncidentKind
    severity: Severity
    title: str
    trigger: str
    opened_by: str
    opened_at: datetime
    plan_opened_at: datetime
    number: int = 0
    revision: int = 1
    status: IncidentStatus = IncidentStatus.ACTIVE
    rollout: str | None = None
    release: str | None = None
    flag: str | None = None
    environment: str = "production"
    evidence: str = ""
    began_at: datetime | None = None
    roles: dict[Role, str] = {}
    stable_at: datetime | None = None
    closed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.status is not IncidentStatus.CLOSED


def move(incident: Incident, trigger: IncidentTrigger, *, at: datetime) -> Incident:
    """The incident after it, with its next revision. at: machine time. Raises TransitionError."""
    after = TRANSITIONS.get((incident.status, trigger))
    if after is None:
        possible = ", ".join(t.value for s, t in TRANSITIONS if s is incident.status)
        raise TransitionError(
            f"incident {incident.id} is {incident.status.value} and cannot {trigger.value}",
            hint=f"possible now: {possible}",
        )
    return msgspec.structs.replace(
        incident,
        status=after,
        revision=incident.revision + 1,
        stable_at=at
        if after is IncidentStatus.STABLE
        else None
        if after is IncidentStatus.ACTIVE
        else incident.stable_at,
        closed_at=at if after is IncidentStatus.CLOSED else None,
    )


def severity_of(kind: IncidentKind, *, is_exposed: bool) -> Severity:
    """How grave it is at first sight. is_exposed: whether users had the new version. A person may say otherwise."""
    if kind in (IncidentKind.OUTAGE, IncidentKind.DATA_CORRUPTION):
        return Severity.SEV1
    return Severity.SEV2 if is_exposed else Severity.SEV3
