"""The first draft of a post-mortem: every fact that the stored rows hold, and a marked blank for every judgement."""

from datetime import datetime, timedelta

from ebbgate.core.incidents.incident import Incident, IncidentKind, Role, Stage
from ebbgate.core.incidents.postmortem import Facts, PostMortem, Section, Sentence
from ebbgate.core.incidents.timeline import Source

JUDGEMENTS = {
    "effect_on_people": ("What people noticed", "How did users notice it, and what did it cost them?"),
    "contributing_factors": (
        "Root causes and contributing factors",
        "What made this possible, and how did it come through build, tests and review? Conditions, not people.",
    ),
    "went_well": ("What went well", "What worked as it was meant to, and should be kept?"),
    "went_wrong": ("What went wrong", "What was slower, harder or less clear than it should have been?"),
    "lucky": ("Where we were lucky", "What could have made it worse, and did not by chance alone?"),
    "documentation": ("Documentation and training", "Which page, runbook or training has to change? None, if so."),
}
"""The sections that a person writes: key to title and question."""


def draft(incident: Incident, facts: Facts, *, at: datetime) -> PostMortem:
    """A draft whose facts are filled in. at: machine time."""
    told = {
        "summary": ("Summary", _summary(incident, facts)),
        "impact": ("Impact", _impact(incident, facts)),
        "detection": ("Trigger and detection", _detection(incident, facts)),
        "resolution": ("What each stage of the rollback did", _resolution(facts)),
        "leading_data": ("The data before, during and after", _data(facts)),
    }
    sections = [
        Section(key=key, title=title, sentences=tuple(_machine(text) for text in texts))
        for key, (title, texts) in told.items()
    ]
    blanks = [
        Section(
            key=key,
            title=title,
            is_judgement=True,
            sentences=(Sentence(text=question, source=Source.PERSON, is_blank=True),),
        )
        for key, (title, question) in JUDGEMENTS.items()
    ]
    return PostMortem(incident=incident.id, created_at=at, facts=facts, sections=(*sections, *blanks))


def span(duration: timedelta) -> str:
    """A duration as people say it: `42 ms`, `3.1 s`, `12 min`, `5.5 h`, `2.0 d`."""
    seconds = duration.total_seconds()
    for unit, size, below in (("ms", 0.001, 1), ("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if abs(seconds) < below:
            value = seconds / size
            return f"{value:.0f} {unit}" if unit == "ms" or value >= 10 else f"{value:.1f} {unit}"
    return f"{seconds / 86_400:.1f} d"


def moment(at: datetime) -> str:
    """A machine time to the second, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _machine(text: str) -> Sentence:
    return Sentence(text=text, source=Source.MACHINE)


def _summary(incident: Incident, facts: Facts) -> list[str]:
    what = f"Release {incident.release}" if incident.release else incident.app
    behind = f" behind flag {incident.flag}" if incident.flag else ""
    lines = [f"{what}{behind} in {incident.environment}: {incident.title}."]
    if facts.recovered_at is not None:
        lines.append(f"Recovery was proven {span(facts.recovered_at - facts.detected_at)} after detection.")
    elif incident.rollout is not None:
        lines.append("Recovery is not proven by the stored data.")
    if commander := incident.roles.get(Role.COMMANDER):
        lines.append(f"Incident commander, as the plan names the role: {commander}.")
    return lines


def _impact(incident: Incident, facts: Facts) -> list[str]:
    lines = []
    if facts.exposed is not None:
        lines.append(f"{facts.exposed:,} distinct users saw the new version.")
    else:
        lines.append("How many users saw the new version is not known.")
    end = facts.mitigated_at or facts.recovered_at
    since = facts.exposed_from or facts.began_at
    if since is not None and end is not None:
        found = "harm shown" if incident.kind in (IncidentKind.HARM, IncidentKind.CRITICAL_LIMIT) else "detected"
        lines.append(
            f"The new version could harm for {span(end - since)} (machine time): exposed since {moment(since)}, "
            f"{found} after {span(facts.detected_at - since)}."
        )
    if incident.rollout is None:
        lines.append("No rollout was under way, so no version was compared with another.")
    return lines


def _detection(incident: Incident, facts: Facts) -> list[str]:
    lines = [f"Opened by {incident.opened_by}: {incident.trigger}."]
    if facts.to_detect is not None:
        lines.append(f"Time to detect: {span(facts.to_detect)}, from the start of the phase ({_at(facts.began_at)}).")
    if facts.began_at is not None and facts.exposed_from is not None and facts.exposed_from < facts.began_at:
        earlier = span(facts.began_at - facts.exposed_from)
        lines.append(f"When that phase began, users had had the new version for {earlier}, in the phases before it.")
    if facts.to_decide is not None:
        lines.append(f"Time to decide: {span(facts.to_decide)}.")
    if facts.to_mitigate is not None:
        lines.append(f"Time to mitigate: {span(facts.to_mitigate)}, until the old version was served.")
    if facts.to_recover is not None:
        lines.append(f"Time to recover: {span(facts.to_recover)}.")
    if facts.plan_scale != 1.0:
        lines.append(f"Plan time ran {facts.plan_scale:g} times as fast as machine time.")
    return lines


def _resolution(facts: Facts) -> list[str]:
    if not facts.stages:
        return ["Nothing was rolled back."]
    return [_stage(stage.stage, stage.worked, stage.began_at, stage.ended_at, stage.words) for stage in facts.stages]


def _stage(stage: Stage, worked: bool | None, began: datetime | None, ended: datetime | None, words: str) -> str:
    says = {True: "worked", False: "did not work", None: "not needed, or not known"}[worked]
    took = f", {span(ended - began)}" if began is not None and ended is not None else ""
    return f"{stage.value.replace('_', ' ').capitalize()}: {says}{took}. {words}".strip()


def _data(facts: Facts) -> list[str]:
    if not facts.metrics:
        return ["No metric was judged."]
    return [
        f"{metric.metric}, new against old: before {_pair(metric.before)}; when it was taken back "
        f"{_pair(metric.during)}; afterwards {_pair(metric.after)}. {metric.words}".strip()
        for metric in facts.metrics
    ]


def _pair(values: tuple[str, str] | None) -> str:
    return "not measured" if values is None else f"{values[0]} against {values[1]}"


def _at(at: datetime | None) -> str:
    return "unknown" if at is None else moment(at)
