"""Closing incidents, over the real services, in memory (DESIGN section 8)."""

from datetime import timedelta

import msgspec
import pytest

from ebbgate.adapters.reports import HtmlPage
from ebbgate.control.audit import Actor
from ebbgate.control.incident_facts import facts_of
from ebbgate.control.incident_timeline import timeline
from ebbgate.control.incidents import IncidentService, require_incident
from ebbgate.control.postmortems import PostMortemService
from ebbgate.control.triggers import TriggerService
from ebbgate.core.errors import ConflictError, NotFoundError, TransitionError
from ebbgate.core.incidents import EntryKind, IncidentKind, IncidentStatus
from ebbgate.core.incidents.requests import OpenIncident
from ebbgate.simulation.plans import short_plan
from ebbgate.simulation.world import World

ADA = Actor(name="ada", reason="it leaks")


@pytest.fixture
def world() -> World:
    return World(seed=3, users=5)


def test_a_rollbacks_incident_is_not_closed_before_its_post_mortem_is_there_and_reviewed(world: World) -> None:
    """Between "stable" and the tick that drafts it, too."""
    state = world.start(short_plan())
    world.rollouts.roll_back(state.id, actor=ADA)
    incidents = IncidentService(world.store, world.clock)
    incident = incidents.stabilise(state.id, actor=ADA)
    with pytest.raises(TransitionError, match="has no post-mortem yet"):
        incidents.close(incident.id, actor=ADA)
    PostMortemService(world.store, world.events, world.clock, HtmlPage()).follow()
    with pytest.raises(TransitionError, match="the post-mortem of INC-1 is draft"):
        incidents.close(incident.id, actor=ADA)
    assert incidents.get(incident.id).status is IncidentStatus.STABLE


def test_an_incident_is_found_by_the_name_of_its_flag_the_newest_that_is_open_first(world: World) -> None:
    """As a rollout is: at night nobody knows its number."""
    incidents = IncidentService(world.store, world.clock)
    with pytest.raises(NotFoundError, match="no incident 'newWidgets'"):
        incidents.get("newWidgets")
    for environment in ("production", "staging"):
        world.snapshots.ensure((environment,))
        state = world.start(msgspec.structs.replace(short_plan(), environment=environment))
        world.rollouts.roll_back(state.id, actor=ADA)
        if environment == "production":
            assert incidents.get("newWidgets").rollout == state.id
    with pytest.raises(ConflictError, match=r"INC-1 \(production\), INC-2 \(staging\)"):
        incidents.get("newWidgets")


def test_a_post_mortem_and_its_timeline_begin_with_the_first_phase_not_with_the_last(world: World) -> None:
    state = world.start(short_plan())
    started_at = world.clock.machine_now()
    for change in (world.rollouts.pause, world.rollouts.resume, world.rollouts.promote):
        world.pass_time(timedelta(hours=1))
        change(state.id, actor=ADA)
    promoted_at = world.clock.machine_now()
    world.pass_time(timedelta(hours=1))
    world.rollouts.roll_back(state.id, actor=ADA)
    with world.store.transaction() as tx:
        incident = require_incident(tx, state.id)
        facts = facts_of(tx, world.events, world.clock, incident)
        told = [entry.words.partition(":")[0] for entry in timeline(tx, incident) if entry.kind is EntryKind.ROLLOUT]
    assert (facts.exposed_from, facts.began_at) == (started_at, promoted_at)
    assert told == [f"rollout {verb}" for verb in ("start", "pause", "resume", "promote", "roll back")]


def test_one_that_took_nothing_back_needs_none(world: World) -> None:
    incidents = IncidentService(world.store, world.clock)
    asked = OpenIncident(app="shop", kind=IncidentKind.PERSON, title="the mail is late", reason="seen")
    opened = TriggerService(world.store, world.clock, world.snapshots).open(asked, actor=ADA)
    incidents.stabilise(opened.id, actor=ADA)
    assert incidents.close(opened.id, actor=ADA).status is IncidentStatus.CLOSED
