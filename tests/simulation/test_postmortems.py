"""Issue 5: the incident is written down while it happens, and the draft says what the stored rows say."""

from datetime import timedelta

import pytest

from ebbgate.adapters.reports import HtmlPage
from ebbgate.control.audit import Actor
from ebbgate.control.decisions import facts_of
from ebbgate.control.postmortems import PostMortemService
from ebbgate.core.errors import TransitionError
from ebbgate.core.incidents import EntryKind, IncidentKind, IncidentStatus, Source
from ebbgate.core.incidents.document import BLANK_MARK
from ebbgate.core.metrics.analysis import Analysis
from ebbgate.core.rollouts.state import RollbackOutcome
from ebbgate.simulation.people import Harm
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import World


@pytest.fixture(scope="module")
def world() -> World:
    """A harmful release that was taken back and recovered."""
    made = World(seed=3, users=5000, harm=Harm(error_rate=3.0))
    rollout = made.start(short_plan())
    made.run(rollout.id, until=timedelta(days=8), step=HOUR)
    return made


@pytest.fixture(scope="module")
def service(world: World) -> PostMortemService:
    made = PostMortemService(world.store, world.events, world.clock, HtmlPage())
    made.follow()
    return made


def test_the_rollback_opened_its_incident_and_recovery_settled_it(world: World, service: PostMortemService) -> None:
    with world.store.transaction() as tx:
        (incident,) = tx.incidents()
    state = world.rollouts.get("newWidgets")
    assert state.rollback is not None
    assert state.rollback.outcome is RollbackOutcome.RECOVERED, world.replay_hint()
    assert (incident.id, incident.rollout, incident.kind) == ("INC-1", state.id, IncidentKind.HARM)
    assert incident.status is IncidentStatus.STABLE
    assert incident.opened_at == state.rollback.off_at
    assert service.follow() == 0, "one draft, however often it is asked for"


def test_the_draft_has_the_times_of_the_stored_rows(world: World, service: PostMortemService) -> None:
    facts = service.get("INC-1").facts
    rollback = world.rollouts.get("newWidgets").rollback
    assert rollback is not None
    assert rollback.ended_at is not None
    assert facts.decided_at == facts.detected_at == rollback.off_at
    assert facts.recovered_at == world.clock.mapping.machine_time(rollback.ended_at)
    assert facts.mitigated_at is not None
    assert facts.began_at is not None
    assert facts.began_at < facts.detected_at <= facts.mitigated_at <= facts.recovered_at
    assert facts.exposed == len(world.touched), "distinct users who saw the new version"


def test_metrics_are_told_before_during_and_after_and_drawn(service: PostMortemService) -> None:
    facts = service.get("INC-1").facts
    errors = next(metric for metric in facts.metrics if metric.metric == "errors")
    assert errors.before is not None
    assert errors.during is not None
    assert errors.after is not None
    chart = next(chart for chart in facts.charts if chart.metric == "errors")
    assert {series.name for series in chart.series} == {"new", "old"}
    assert "taken back" in {words for _, words in chart.marks}


def test_every_entry_of_the_timeline_has_its_evidence_and_a_hand(service: PostMortemService) -> None:
    entries = service.timeline("INC-1")
    assert entries == sorted(entries, key=lambda entry: entry.at)
    assert {EntryKind.DECISION, EntryKind.INCIDENT, EntryKind.PROOF} <= {entry.kind for entry in entries}
    assert all(entry.link.startswith("/api/v1/") and entry.words and entry.actor for entry in entries)
    decided = [entry for entry in entries if entry.kind is EntryKind.DECISION]
    assert any(entry.words.startswith("rollback (harm)") for entry in decided)


def test_judgements_are_blank_and_facts_are_the_machines(service: PostMortemService) -> None:
    document = service.get("INC-1")
    assert set(document.blanks) == {section.key for section in document.sections if section.is_judgement}
    told = [sentence for section in document.sections if not section.is_judgement for sentence in section.sentences]
    assert all(sentence.source is Source.MACHINE and not sentence.is_blank for sentence in told)
    text = service.markdown("INC-1")
    assert text.count(BLANK_MARK) == len(document.blanks) + 1, "each blank, and the line that explains the marks"


def test_the_page_is_one_file_with_charts_and_nothing_to_run(service: PostMortemService) -> None:
    page = service.html("INC-1")
    assert page.count("<svg") == len(service.get("INC-1").facts.charts) > 0
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org/", "").replace("http://purl.org/", "").replace(
        "http://creativecommons.org/", ""
    )


def test_a_version_that_a_person_took_back_is_told_as_it_was_then_not_as_it_was_afterwards() -> None:
    """No look found harm, so that none decided: the last one before the person did is what was known (DESIGN 8)."""
    # given a version that did no harm, and that a person takes back all the same
    world = World(seed=5, users=3000)
    rollout = world.start(short_plan())
    world.run(rollout.id, until=timedelta(hours=30), step=HOUR)
    world.rollouts.roll_back(rollout.id, actor=Actor(name="ada", reason="support is overrun"))
    # when it has ended, and the draft is asked for
    world.run(rollout.id, until=timedelta(days=8), step=HOUR)
    service = PostMortemService(world.store, world.events, world.clock, HtmlPage())
    service.follow()
    facts = service.draft("INC-1", actor=Actor(name="ada", reason="now")).facts
    # then it was detected when it was decided, and each value is of its own time
    assert facts.to_decide == timedelta(0)
    with world.store.transaction() as tx:
        rows = tx.decisions(rollout.id, limit=1_000)
    looks = [one for row in rows if (one := facts_of(row)).rollback is None]
    steps = [one for row in rows if (one := facts_of(row)).rollback is not None and "errors" in one.analyses]
    errors = next(metric for metric in facts.metrics if metric.metric == "errors")
    assert errors.words == looks[-1].analyses["errors"].words
    assert errors.during == _shown(looks[-1].analyses["errors"]), world.replay_hint()
    assert errors.after == _shown(steps[-1].analyses["errors"]), world.replay_hint()
    assert errors.during != errors.after, "or this shows nothing"


def test_what_was_written_in_a_review_makes_a_draft_whose_facts_can_be_filled_in_anew() -> None:
    # given a document in review, in which somebody writes, so that it is a draft again
    ada = Actor(name="ada", reason="now")
    world = World(seed=5, users=20)
    world.rollouts.roll_back(world.start(short_plan()).id, actor=ada)
    service = PostMortemService(world.store, world.events, world.clock, HtmlPage())
    for key in service.draft("INC-1", actor=ada).blanks:
        service.write("INC-1", key, "Nothing.", actor=ada)
    service.submit("INC-1", actor=ada)
    with pytest.raises(TransitionError, match="in review"):
        service.draft("INC-1", actor=ada)
    service.write("INC-1", "lucky", "It was at noon.", actor=ada)
    # when its facts are asked for anew, then they come, and what people wrote stays
    document = service.draft("INC-1", actor=ada)
    assert document.blanks == ()
    assert "It was at noon." in service.markdown("INC-1")


def _shown(analysis: Analysis) -> tuple[str, str]:
    assert analysis.treatment_value is not None
    assert analysis.control_value is not None
    return f"{analysis.treatment_value:.2%}", f"{analysis.control_value:.2%}"
