"""A post-mortem as Markdown: who says each sentence stands beside it."""

from collections.abc import Sequence

from ebbgate.core.incidents.actions import ActionItem
from ebbgate.core.incidents.draft import moment
from ebbgate.core.incidents.incident import Incident
from ebbgate.core.incidents.postmortem import PostMortem, Section, Sentence
from ebbgate.core.incidents.timeline import Entry, Source

MACHINE_MARK, PERSON_MARK, BLANK_MARK = "[machine]", "[person]", "[to be written]"


def markdown(document: PostMortem, incident: Incident, timeline: Sequence[Entry], actions: Sequence[ActionItem]) -> str:
    """The whole document. Charts are told by their summaries; the HTML shows them."""
    parts = [
        f"# Post-mortem {incident.id}: {_line(incident.title)}",
        _head(document, incident),
        *(_section(section) for section in document.sections if not section.is_judgement),
        _charts(document),
        *(_section(section) for section in document.sections if section.is_judgement),
        _actions(actions),
        _timeline(timeline),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(document: PostMortem, incident: Incident) -> str:
    rows = [
        ("status", document.status.value.replace("_", " ")),
        ("incident", f"{incident.severity.value}, {incident.kind.value.replace('_', ' ')}, {incident.status.value}"),
        ("application", incident.app),
        ("release", incident.release or "none"),
        ("opened", moment(incident.opened_at)),
        ("authors", ", ".join(document.authors) or "none yet"),
        ("reviewer", document.reviewer or "none yet"),
        *((role.value, who) for role, who in sorted(incident.roles.items())),
    ]
    lines = [f"- {name}: {_line(value)}" for name, value in rows]
    marks = f"Each sentence says who says it: {MACHINE_MARK} from stored rows, {PERSON_MARK} written, {BLANK_MARK}."
    return "\n".join([*lines, "", marks])


def _section(section: Section) -> str:
    return "\n".join([f"## {section.title}", "", *(_sentence(sentence) for sentence in section.sentences)])


def _sentence(sentence: Sentence) -> str:
    if sentence.is_blank:
        return f"- {BLANK_MARK} {_line(sentence.text)}"
    mark = MACHINE_MARK if sentence.source is Source.MACHINE else PERSON_MARK
    author = f" ({_line(sentence.author)})" if sentence.author else ""
    return f"- {mark} {_line(sentence.text)}{author}"


def _charts(document: PostMortem) -> str:
    lines = [f"- {MACHINE_MARK} {_line(chart.summary)}" for chart in document.facts.charts if chart.summary]
    return "\n".join(["## Metrics over time", "", *lines]) if lines else ""


def _actions(actions: Sequence[ActionItem]) -> str:
    if not actions:
        return "## Action items\n\nNone yet."
    rows = [
        f"| {item.id} | {_cell(item.text)} | {item.kind.value} | {_cell(item.owner)} | {item.due_on} "
        f"| {item.state.value}{': ' + _cell(item.result) if item.result else ''} |"
        for item in actions
    ]
    head = ["| | what | kind | owner | due | state |", "|---|---|---|---|---|---|"]
    return "\n".join(["## Action items", "", *head, *rows])


def _timeline(timeline: Sequence[Entry]) -> str:
    rows = [
        f"| {entry.at:%Y-%m-%d %H:%M:%S.%f}"[:-3]
        + f" | {entry.kind.value} | {entry.source.value}: {_cell(entry.actor)} "
        + f"| {_cell(entry.words)}{f' (x{entry.times})' if entry.times > 1 else ''} | `{entry.link}` |"
        for entry in timeline
    ]
    head = ["| UTC | what | who says so | | evidence |", "|---|---|---|---|---|"]
    return "\n".join(["## Timeline", "", *head, *rows]) if rows else "## Timeline\n\nNothing was stored."


def _line(text: str) -> str:
    """One line of plain text: a person's words cannot become a heading, a list or a tag."""
    flat = " ".join(text.split())
    return flat.replace("<", "&lt;").replace("`", "'")


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")
