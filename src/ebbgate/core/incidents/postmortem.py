"""A post-mortem: facts from stored rows, and blanks where a person must judge. It never names a person as a cause."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from ebbgate.core.errors import PermissionDeniedError, TransitionError
from ebbgate.core.incidents.incident import Stage
from ebbgate.core.incidents.timeline import Source


class PostMortemStatus(StrEnum):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    REVIEWED = "reviewed"
    CLOSED = "closed"


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence or one blank. source: who says it. A blank has no author yet: its text is the question."""

    text: str
    source: Source
    author: str = ""
    is_blank: bool = False


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the document. key: stable name; is_judgement: a person has to write it."""

    key: str
    title: str
    sentences: tuple[Sentence, ...]
    is_judgement: bool = False

    @property
    def is_blank(self) -> bool:
        return all(sentence.is_blank for sentence in self.sentences)


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a chart: values by plan time."""

    name: str
    at: tuple[datetime, ...]
    values: tuple[float, ...]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A metric over time, both versions. marks: (plan time, what happened). summary: the chart in words."""

    metric: str
    unit: str
    series: tuple[Series, ...]
    marks: tuple[tuple[datetime, str], ...] = ()
    summary: str = ""


class MetricFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One metric as (new version, old version), in words with units; None where nothing was measured.

    before: in the look before the evidence crossed; during: in the look that decided; after: in the last look of the
    recovery check.
    """

    metric: str
    before: tuple[str, str] | None
    during: tuple[str, str] | None
    after: tuple[str, str] | None
    words: str = ""


class StageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What one stage of the rollback did. worked None: it was not needed, or it is not known. Machine times."""

    stage: Stage
    began_at: datetime | None
    ended_at: datetime | None
    worked: bool | None
    words: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the stored rows say. Times are machine times; to_* are durations of machine time since `began_at`.

    exposed_from: when the first phase began, from which on users could have the new version; None in drafts that were
    written before it was kept. began_at: when the phase that exposed the harm began. detected_at: the look whose
    evidence crossed, or the trigger. decided_at: the decision that took it back. mitigated_at: the last confirmation
    that the old version is served. recovered_at: recovery proven. exposed: distinct users who saw the new version.
    plan_scale: plan seconds for one machine second.
    """

    began_at: datetime | None
    detected_at: datetime
    decided_at: datetime | None
    mitigated_at: datetime | None
    recovered_at: datetime | None
    exposed: int | None
    metrics: tuple[MetricFacts, ...] = ()
    stages: tuple[StageFacts, ...] = ()
    charts: tuple[Chart, ...] = ()
    plan_scale: float = 1.0
    exposed_from: datetime | None = None

    @property
    def to_detect(self) -> timedelta | None:
        return None if self.began_at is None else self.detected_at - self.began_at

    @property
    def to_decide(self) -> timedelta | None:
        return None if self.decided_at is None else self.decided_at - self.detected_at

    @property
    def to_mitigate(self) -> timedelta | None:
        return None if self.mitigated_at is None else self.mitigated_at - self.detected_at

    @property
    def to_recover(self) -> timedelta | None:
        return None if self.recovered_at is None else self.recovered_at - self.detected_at


class PostMortem(msgspec.Struct, frozen=True, kw_only=True):
    """The document of one incident. author: who wrote the judgements last, and asked for the review; empty in a draft
    that nobody touched. Machine times.
    """

    incident: str
    created_at: datetime
    facts: Facts
    sections: tuple[Section, ...]
    status: PostMortemStatus = PostMortemStatus.DRAFT
    revision: int = 1
    authors: tuple[str, ...] = ()
    reviewer: str = ""
    review_note: str = ""
    submitted_at: datetime | None = None
    reviewed_at: datetime | None = None
    closed_at: datetime | None = None

    @property
    def blanks(self) -> tuple[str, ...]:
        """Keys of the sections that a person has still to write."""
        return tuple(section.key for section in self.sections if section.is_judgement and section.is_blank)


_replace = msgspec.structs.replace


def write(document: PostMortem, key: str, text: str, *, author: str) -> PostMortem:
    """A judgement in a person's words; what the machine found stays as it is. Raises TransitionError."""
    _require(document, "be changed", PostMortemStatus.DRAFT, PostMortemStatus.IN_REVIEW)
    sections = {section.key: section for section in document.sections}
    if key not in sections or not sections[key].is_judgement:
        open_ = ", ".join(k for k, section in sections.items() if section.is_judgement)
        raise TransitionError(f"{key!r} is not for people to write", hint=f"these are: {open_}")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = tuple(Sentence(text=line, source=Source.PERSON, author=author) for line in lines)
    written = _replace(sections[key], sentences=told)
    authors = document.authors if author in document.authors else (*document.authors, author)
    return _replace(
        document,
        sections=tuple(written if section.key == key else section for section in document.sections),
        authors=authors,
        status=PostMortemStatus.DRAFT,
        revision=document.revision + 1,
    )


def submit(document: PostMortem, *, author: str, at: datetime) -> PostMortem:
    """Ask for a review. Raises TransitionError while a judgement is blank."""
    _require(document, "be submitted", PostMortemStatus.DRAFT)
    if document.blanks:
        raise TransitionError(
            f"still blank: {', '.join(document.blanks)}", hint="write each, if only that there is nothing to say"
        )
    authors = document.authors if author in document.authors else (*document.authors, author)
    return _replace(
        document,
        status=PostMortemStatus.IN_REVIEW,
        authors=authors,
        submitted_at=at,
        revision=document.revision + 1,
    )


def review(document: PostMortem, *, reviewer: str, note: str, at: datetime) -> PostMortem:
    """Say that it is right. Raises PermissionDeniedError for one of its authors, TransitionError."""
    _require(document, "be reviewed", PostMortemStatus.IN_REVIEW)
    if reviewer in document.authors:
        raise PermissionDeniedError(f"{reviewer} wrote in it", hint="somebody else has to review it")
    return _replace(
        document,
        status=PostMortemStatus.REVIEWED,
        reviewer=reviewer,
        review_note=note,
        reviewed_at=at,
        revision=document.revision + 1,
    )


def close(document: PostMortem, *, at: datetime) -> PostMortem:
    """Finish it. Raises TransitionError unless it is reviewed."""
    _require(document, "be closed", PostMortemStatus.REVIEWED)
    return _replace(document, status=PostMortemStatus.CLOSED, closed_at=at, revision=document.revision + 1)


def _require(document: PostMortem, verb: str, *allowed: PostMortemStatus) -> None:
    if document.status not in allowed:
        raise TransitionError(
            f"the post-mortem of {document.incident} is {document.status.value.replace('_', ' ')} and cannot {verb}",
            hint=f"that goes while it is {' or '.join(status.value.replace('_', ' ') for status in allowed)}",
        )
