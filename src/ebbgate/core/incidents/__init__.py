"""Incidents while they happen, and the post-mortems that are written from what was stored."""

from ebbgate.core.incidents.actions import ActionItem, ActionKind, ActionState, is_overdue
from ebbgate.core.incidents.incident import (
    Incident,
    IncidentKind,
    IncidentStatus,
    IncidentTrigger,
    Role,
    Severity,
    Stage,
    move,
    severity_of,
)
from ebbgate.core.incidents.postmortem import (
    Chart,
    Facts,
    MetricFacts,
    PostMortem,
    PostMortemStatus,
    Section,
    Sentence,
    Series,
    StageFacts,
)
from ebbgate.core.incidents.timeline import Entry, EntryKind, Note, Source, merged

__all__ = [
    "ActionItem",
    "ActionKind",
    "ActionState",
    "Chart",
    "Entry",
    "EntryKind",
    "Facts",
    "Incident",
    "IncidentKind",
    "IncidentStatus",
    "IncidentTrigger",
    "MetricFacts",
    "Note",
    "PostMortem",
    "PostMortemStatus",
    "Role",
    "Section",
    "Sentence",
    "Series",
    "Severity",
    "Source",
    "Stage",
    "StageFacts",
    "is_overdue",
    "merged",
    "move",
    "severity_of",
]
