"""Commits as notes and version numbers need them."""

import re
from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum

import msgspec


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A commit of the repository. sha: 40 hex digits. body: of its message, without the subject. at: committed."""

    sha: str
    subject: str
    author: str
    at: datetime
    body: str = ""


class Weight(IntEnum):
    """What a commit means for users, by the convention `type(scope)!: subject`."""

    PATCH = 0
    MINOR = 1
    MAJOR = 2


_TYPED = re.compile(r"(?P<type>[A-Za-z]+)(\([^)]*\))?(?P<bang>!)?: (?P<text>.+)")
_HEADINGS = (("feat", "New"), ("fix", "Mended"), ("perf", "Faster"), ("revert", "Taken back"))


def weight(commit: Commit) -> Weight:
    """What one commit asks of the version number."""
    typed = _TYPED.match(commit.subject)
    if (typed and typed["bang"]) or re.search(r"^BREAKING[ -]CHANGE:", commit.body, re.MULTILINE):
        return Weight.MAJOR
    return Weight.MINOR if typed and typed["type"].lower() == "feat" else Weight.PATCH


def release_notes(commits: Sequence[Commit]) -> str:
    """Markdown: what changed, grouped where the subjects say of what kind they are; newest first."""
    groups: dict[str, list[str]] = {}
    breaking = [f"- {_line(commit)}" for commit in commits if weight(commit) is Weight.MAJOR]
    for commit in commits:
        typed = _TYPED.match(commit.subject)
        heading = dict(_HEADINGS).get(typed["type"].lower(), "Other") if typed else "Other"
        groups.setdefault(heading, []).append(f"- {_line(commit)}")
    parts = ["## Breaking", *breaking, ""] if breaking else []
    for heading in (*(title for _, title in _HEADINGS), "Other"):
        if found := groups.get(heading):
            parts += [*([f"## {heading}"] if len(groups) > 1 or breaking else []), *found, ""]
    return "\n".join(parts).strip()


def _line(commit: Commit) -> str:
    return f"{commit.subject} ({commit.sha[:10]})"
