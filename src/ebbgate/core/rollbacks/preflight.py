"""The pre-launch list: what is in place before a rollout begins, and what is missing."""

from enum import StrEnum
from typing import Annotated

import msgspec

from ebbgate.core.access.view import ReasonText


class Standing(StrEnum):
    GOOD = "good"
    WARN = "warn"  # it can begin, and somebody should know
    BAD = "bad"  # it should not begin


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing on the list. hint: what to do where it is not good."""

    name: str
    standing: Standing
    words: str
    hint: str = ""


class Preflight(msgspec.Struct, frozen=True, kw_only=True):
    """The whole list for one plan and release."""

    app: str
    flag: str
    release: str
    checks: tuple[Check, ...]

    @property
    def is_ready(self) -> bool:
        return all(check.standing is not Standing.BAD for check in self.checks)


class AskPreflight(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Check a plan before it starts. plan: the file's text. tell: send a test message to every channel."""

    plan: Annotated[str, msgspec.Meta(min_length=1)]
    reason: ReasonText
    release: str = ""
    overlay: str | None = None
    tell: bool = True


def good(name: str, words: str) -> Check:
    return Check(name=name, standing=Standing.GOOD, words=words)


def warn(name: str, words: str, hint: str) -> Check:
    return Check(name=name, standing=Standing.WARN, words=words, hint=hint)


def bad(name: str, words: str, hint: str) -> Check:
    return Check(name=name, standing=Standing.BAD, words=words, hint=hint)
