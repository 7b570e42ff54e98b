"""An outbox row in words for people. Most rows are for programs: they give no message."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class Topic(StrEnum):
    """What a message is about; a channel names those that it wants."""

    ROLLOUT = "rollout"  # started, advanced, paused, succeeded, ended
    REVIEW = "review"  # a person must look
    APPROVAL = "approval"  # a person must say yes (RULES F6)
    ENVIRONMENT = "environment"  # both versions fail, or the data are unfit
    ROLLBACK = "rollback"  # a version is being taken back, and how that ended
    PAGE = "page"  # somebody must act now
    INCIDENT = "incident"
    RELEASE = "release"  # built, deployed, bad
    DRILL = "drill"
    TEST = "test"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one channel is to say. group: messages of one group are said at most once in `QUIET`; empty = each is
    said.
    """

    topic: Topic
    severity: Severity
    title: str
    words: str
    group: str = ""


_ROLLOUT: dict[str, tuple[Topic, Severity, str]] = {
    "start": (Topic.ROLLOUT, Severity.INFO, "has started"),
    "advance": (Topic.ROLLOUT, Severity.INFO, "went on"),
    "promote": (Topic.ROLLOUT, Severity.INFO, "was promoted"),
    "pause": (Topic.ROLLOUT, Severity.WARNING, "is paused"),
    "resume": (Topic.ROLLOUT, Severity.INFO, "goes on"),
    "abort": (Topic.ROLLOUT, Severity.WARNING, "was aborted"),
    "review": (Topic.REVIEW, Severity.WARNING, "needs a person"),
    "roll_back": (Topic.ROLLBACK, Severity.CRITICAL, "is being taken back"),
    "rollback": (Topic.ROLLBACK, Severity.CRITICAL, "is being taken back"),
}
_ROLLBACK: dict[str, tuple[Severity, str]] = {
    "redeploy": (Severity.CRITICAL, "the flag was not enough: the last stable release goes back"),
    "redeployed": (Severity.WARNING, "the last stable release answers"),
    "propagated": (Severity.INFO, "the flag is off"),
    "recovered": (Severity.INFO, "has recovered"),
    "unverified": (Severity.CRITICAL, "was taken back, and recovery is not proven"),
    "failed": (Severity.CRITICAL, "was taken back, and the harm persists"),
}


def message_of(*, topic: str, subject: str, payload: Any) -> Message | None:
    """The message of an outbox row; None where people need not hear of it.

    Rows of topic `rollout` are told by their action, holds by their `notify`; of any other topic, those that carry
    `words` (one plain sentence), with `severity` and `title` where they differ from the usual.
    """
    if not isinstance(payload, Mapping):
        return None
    if topic == "rollout":
        return _of_rollout(subject, payload)
    if topic == "decision":
        return _of_hold(subject, payload)
    words = payload.get("words")
    if not isinstance(words, str) or topic not in set(Topic):
        return None
    default = Severity.CRITICAL if topic == Topic.PAGE else Severity.WARNING
    return Message(
        topic=Topic(topic),
        severity=_severity(payload.get("severity"), default),
        title=str(payload.get("title") or f"{subject}: {topic}"),
        words=words,
        group=str(payload.get("group") or ""),
    )


def _of_rollout(subject: str, payload: Mapping[str, Any]) -> Message | None:
    noun, _, verb = str(payload.get("action", "")).partition(".")
    reason = str(payload.get("reason") or "")
    if noun == "rollout" and verb in _ROLLOUT:
        topic, severity, says = _ROLLOUT[verb]
        if payload.get("status") == "succeeded":
            severity, says = Severity.INFO, "has succeeded"
        if verb == "review" and payload.get("proposes") == "rollback":
            topic, severity, says = Topic.PAGE, Severity.CRITICAL, "harms: somebody has to decide on a rollback"
        elif topic is Topic.REVIEW and reason.startswith("recommends to"):
            topic = Topic.APPROVAL
    elif noun == "rollback" and verb in _ROLLBACK:
        topic = Topic.ROLLBACK
        severity, says = _ROLLBACK[verb]
    else:
        return None
    phase, actor = payload.get("phase"), payload.get("actor")
    where = f" (phase {phase}; by {actor})" if phase and actor else ""
    return Message(topic=topic, severity=severity, title=f"{subject} {says}", words=f"{reason}{where}".strip())


def _of_hold(subject: str, payload: Mapping[str, Any]) -> Message | None:
    """A hold that somebody should hear of; it is decided anew at each look, so it is told once in a while."""
    if payload.get("decision") != "hold" or not payload.get("notify"):
        return None
    code = str(payload.get("code", ""))
    return Message(
        topic=Topic.PAGE if code == "irreversible" else Topic.ENVIRONMENT,
        severity=Severity.CRITICAL if code == "irreversible" else Severity.WARNING,
        title=f"{subject} holds: {code.replace('_', ' ')}",
        words=str(payload.get("reason") or ""),
        group=f"{subject}:{code}",
    )


def _severity(given: Any, default: Severity) -> Severity:
    return Severity(given) if given in set(Severity) else default
