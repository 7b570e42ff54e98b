"""What takes a version back besides the statistics: probes, alerts, corrupted data (RULES E3, F6, F7, G3)."""

import threading
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.control.alert_hooks import AlertHookService
from ebbgate.control.audit import Actor
from ebbgate.control.incidents import IncidentService
from ebbgate.control.probes import ProbeService
from ebbgate.control.triggers import Cause, Pulled, TriggerService
from ebbgate.core.errors import NotFoundError
from ebbgate.core.incidents import EntryKind, IncidentKind, Severity
from ebbgate.core.incidents.alertmanager import AlertmanagerMessage
from ebbgate.core.incidents.requests import OpenIncident
from ebbgate.core.rollouts.plan import Meaning, Mode, Plan, Policy, Probe, Response, ReviewTerms
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import World

ADA = Actor(name="ada", reason="rows are lost")
SECOND = timedelta(seconds=1)
PROBE = Probe(name="outage", url="http://127.0.0.1:1/health", every=10 * SECOND, fails=3)
CAUSE = Cause(kind=IncidentKind.OUTAGE, source="probe:outage")


def corrupted(**asked: Any) -> OpenIncident:
    """What somebody asks for who finds rows missing."""
    given = {"app": "dashboard", "kind": IncidentKind.DATA_CORRUPTION, "title": "rows are lost", "reason": "seen"}
    return OpenIncident(**{**given, **asked})


class Answers:
    """A Prober that says what it is told."""

    def __init__(self) -> None:
        self.wrong = ""
        self.good: set[str] = set()
        self.asked = 0

    def probe(self, probe: Probe) -> str:
        self.asked += 1
        return "" if probe.name in self.good else self.wrong


class Watch:
    """A rollout of a world that has just begun, and what watches it."""

    def __init__(self, **plan: Any) -> None:
        self.world = World(seed=4, users=20)
        self.answers = Answers()
        self.triggers = TriggerService(self.world.store, self.world.clock, self.world.snapshots)
        self.plan = msgspec.structs.replace(short_plan(), **{"probes": (PROBE,), **plan})
        self.rollout = self.world.start(self.plan).id
        self.restart()

    def restart(self) -> None:
        shared = (self.world.store, self.world.clock)
        self.probes = ProbeService(*shared, self.answers, self.triggers)
        self.hooks = AlertHookService(*shared, self.world.snapshots, self.triggers)

    def probe(self, times: int, wrong: str = "") -> None:
        self.answers.wrong = wrong
        for _ in range(times):
            self.probes.tick()
            self.world.clock.advance(10 * SECOND)

    def alert(self, *, status: str = "firing", **labels: str) -> Any:
        body = {
            "version": "4",
            "groupKey": "{}",
            "status": status,
            "receiver": "ebbgate",
            "alerts": [
                {
                    "status": status,
                    "labels": {"alertname": "ApiDown", **labels},
                    "annotations": {"summary": "no instance answers", "runbook": "?"},
                    "startsAt": "2026-03-02T08:00:00Z",
                    "endsAt": "0001-01-01T00:00:00Z",
                    "generatorURL": "http://prometheus/graph",
                    "fingerprint": "ab12",
                    "values": {"A": 1},
                }
            ],
            "truncatedAlerts": 0,
        }
        return self.hooks.receive(msgspec.convert(body, AlertmanagerMessage), sender="prometheus")[0]

    @property
    def state(self) -> RolloutState:
        return self.world.rollouts.get(self.rollout)

    @property
    def incidents(self) -> list[Any]:
        with self.world.store.transaction() as tx:
            return tx.incidents()

    def notes(self) -> list[str]:
        with self.world.store.transaction() as tx:
            return [note.text for one in tx.incidents() for note in tx.notes(one.id)]


def test_so_many_failures_in_a_row_take_the_version_back_as_an_outage() -> None:
    watch = Watch()
    watch.probe(2, "503")
    watch.probe(1)
    watch.probe(2, "503")
    assert watch.state.status is Status.RUNNING, "not three in a row"
    watch.probe(1, "503")
    assert watch.state.status is Status.ROLLING_BACK
    [incident] = watch.incidents
    assert (incident.kind, incident.severity) == (IncidentKind.OUTAGE, Severity.SEV1)
    assert "probe outage failed 3 times in a row since 08:00:30 UTC: 503" in incident.trigger
    assert "last good answer 08:00:20" in incident.trigger
    assert "outside of the statistics" in incident.trigger
    assert b'"targeting"' not in bytes(watch.world.publisher.current["production"].document)


def test_a_probe_that_hangs_delays_no_other_and_its_answer_counts_when_it_comes() -> None:
    """RULES G3: an outage is found in its own time, whatever a slow command beside it does."""
    slow = msgspec.structs.replace(PROBE, name="slow", fails=99)
    watch = Watch(probes=(slow, PROBE))
    let_go, quick = threading.Event(), watch.answers.probe
    asked: list[str] = []

    def probe(one: Probe) -> str:
        asked.append(one.name)
        if one.name == "slow":
            assert let_go.wait(timeout=5)
            return "timed out"
        return quick(one)

    watch.answers.probe = probe  # type: ignore[method-assign]
    try:
        watch.probe(3, "503")
        assert watch.state.status is Status.ROLLING_BACK
        assert asked.count("slow") == 1, "it is asked again only after its answer"
    finally:
        let_go.set()
    watch.probe(1, "503")
    assert {one.name: one.wrong for one in watch.probes.list()}["slow"] == "timed out"


def test_a_probe_may_mean_corrupted_data() -> None:
    watch = Watch(probes=(msgspec.structs.replace(PROBE, means=Meaning.DATA_CORRUPTION, fails=1),))
    watch.probe(1, "3 orders without a customer")
    assert watch.incidents[0].kind is IncidentKind.DATA_CORRUPTION


def test_a_restart_goes_on_counting_and_the_timeline_tells_when_it_answers_again() -> None:
    watch = Watch()
    watch.probe(2, "503")
    watch.restart()
    watch.probe(1, "503")
    assert watch.state.status is Status.ROLLING_BACK
    watch.probe(2, "503")
    watch.probe(1)
    assert watch.notes() == ["probe outage answers well again after 5 failures in 50 s"]
    with watch.world.store.transaction() as tx:
        assert [note.kind for note in tx.notes("INC-1")] == [EntryKind.PROBE]
    [known] = watch.probes.list()
    assert not known.is_failing


def test_it_is_asked_as_often_as_the_plan_says_and_only_while_the_rollout_is_under_way() -> None:
    watch = Watch()
    watch.probes.tick()
    watch.probes.tick()
    assert watch.answers.asked == 1
    watch.world.rollouts.abort(watch.rollout, actor=ADA)
    watch.probe(3, "503")
    assert watch.answers.asked == 1


def test_while_its_incident_is_active_a_rollout_that_is_over_is_still_asked() -> None:
    """The timeline tells when the application really answers again (issue 5), however the rollback ended."""
    # given an outage whose rollback ended with nothing proven
    watch = Watch()
    watch.probe(3, "503")
    watch.world.rollbacks.settle(watch.rollout, actor=ADA)
    assert watch.state.is_over
    # when the application answers again, after a restart of control
    watch.probe(1, "503")
    watch.restart()
    watch.probe(1, "503")
    watch.probe(2)
    # then that is told, and it is asked on until somebody says that the harm is over
    assert watch.notes() == ["probe outage answers well again after 5 failures in 50 s"]
    assert [one.is_failing for one in watch.probes.list()] == [False]
    IncidentService(watch.world.store, watch.world.clock).stabilise("INC-1", actor=ADA)
    asked = watch.answers.asked
    watch.probe(3)
    assert (watch.answers.asked, watch.probes.list()) == (asked, [])


def test_one_that_fails_when_the_incident_is_stable_is_asked_until_it_answers() -> None:
    """What recovered are the metrics; the end of the outage must not be missing in the post-mortem."""
    watch = Watch(probes=(PROBE, msgspec.structs.replace(PROBE, name="other", url="http://127.0.0.1:2/")))
    watch.answers.good = {"other"}
    watch.probe(3, "503")
    watch.world.rollbacks.settle(watch.rollout, actor=ADA)
    IncidentService(watch.world.store, watch.world.clock).stabilise("INC-1", actor=ADA)
    asked = watch.answers.asked
    watch.probe(2, "503")
    assert watch.answers.asked == asked + 2, "the one that fails, and not the other"
    watch.probe(3)
    assert watch.answers.asked == asked + 3
    assert watch.notes() == ["probe outage answers well again after 5 failures in 50 s"]


def test_rollouts_with_the_same_probe_share_its_answers() -> None:
    """An incident that is active, and a rollout of another flag of the application: one question at a time."""
    watch = Watch()
    watch.probe(3, "503")
    watch.world.rollbacks.settle(watch.rollout, actor=ADA)
    other = watch.world.start(msgspec.structs.replace(watch.plan, flag="cart", mode=Mode.ACT))
    asked = watch.answers.asked
    watch.probe(2, "503")
    assert watch.answers.asked == asked + 2
    assert {one.rollout: one.fails for one in watch.probes.list()} == {watch.rollout: 5, other.id: 2}
    watch.probe(1, "503")
    assert watch.world.rollouts.get(other.id).status is Status.ROLLING_BACK, "each counts for itself"


def test_where_the_mode_asks_the_commander_is_asked_once_and_acted_for_after_the_deadline() -> None:
    terms = ReviewTerms(deadline=2 * HOUR, then=Response.ROLLBACK)
    watch = Watch(mode=Mode.RECOMMEND, when=Policy(harm_terms=terms))
    watch.probe(6, "503")
    state = watch.state
    assert state.status is Status.REVIEW
    assert state.review is not None
    assert (state.review.code, state.review.proposes, state.review.owner) == ("outage", "rollback", "devops-lead")
    with watch.world.store.transaction() as tx:
        reviews = [row for row in tx.outbox(limit=1000) if row.payload.get("action") == "rollout.review"]
    assert len(reviews) == 1
    for _ in range(4):
        watch.world.pass_time(HOUR)
    assert watch.state.status is Status.ROLLING_BACK
    assert watch.incidents[0].kind is IncidentKind.OUTAGE


def test_who_resumes_is_not_asked_about_the_same_again() -> None:
    watch = Watch(mode=Mode.RECOMMEND)
    watch.probe(3, "503")
    watch.world.rollouts.resume(watch.rollout, actor=ADA)
    watch.probe(3, "503")
    assert watch.state.status is Status.RUNNING


def test_where_the_mode_only_observes_it_is_said_once() -> None:
    watch = Watch(mode=Mode.OBSERVE)
    watch.probe(6, "503")
    assert watch.state.status is Status.RUNNING
    with watch.world.store.transaction() as tx:
        said = [row.payload["words"] for row in tx.outbox(limit=1000) if row.topic == "rollback"]
    assert len(said) == 1
    assert said[0].startswith("would take it back: probe outage failed")


def test_what_cannot_be_reversed_is_frozen_and_paged_once() -> None:
    """RULES F7."""
    fixed = tuple(msgspec.structs.replace(phase, reversible=False) for phase in short_plan().phases)
    watch = Watch(phases=fixed)
    watch.probe(6, "503")
    assert watch.state.status is Status.PAUSED
    [incident] = watch.incidents
    assert incident.severity is Severity.SEV1
    assert "cannot be reversed" in incident.title
    with watch.world.store.transaction() as tx:
        assert not tx.kills("production")
        assert len([row for row in tx.outbox(limit=1000) if row.topic == "page"]) == 1


def test_what_is_taken_back_already_is_not_taken_back_again() -> None:
    watch = Watch()
    assert watch.triggers.pull(watch.rollout, CAUSE, actor=ADA) is Pulled.TAKEN_BACK
    assert watch.triggers.pull(watch.rollout, CAUSE, actor=ADA) is Pulled.NOTHING
    assert watch.triggers.pull("no-such", CAUSE, actor=ADA) is Pulled.NOTHING


def test_corrupted_data_take_every_running_rollout_of_the_app_back_whatever_the_mode() -> None:
    watch = Watch(mode=Mode.OBSERVE)
    other: Plan = msgspec.structs.replace(short_plan(), app="shop", flag="cart", mode=Mode.ACT)
    watch.world.start(other)
    incident = watch.triggers.open(corrupted(severity=Severity.SEV2), actor=ADA)
    assert (incident.rollout, incident.kind) == (watch.rollout, IncidentKind.DATA_CORRUPTION)
    assert (incident.taken_back, incident.frozen, incident.left) == ((watch.rollout,), (), ())
    assert (incident.severity, watch.incidents[0].severity) == (Severity.SEV2, Severity.SEV2)
    assert watch.state.status is Status.ROLLING_BACK
    assert watch.world.rollouts.get("cart").status is Status.RUNNING


@pytest.mark.parametrize("wrong", [{"app": "dashbord"}, {"environment": "prod"}])
def test_corrupted_data_of_a_misspelt_app_or_environment_are_refused_with_the_names_and_nothing_is_opened(
    wrong: dict[str, Any],
) -> None:
    """An incident of nothing would look as if the version had been taken back."""
    watch = Watch()
    for kind in (IncidentKind.DATA_CORRUPTION, IncidentKind.OUTAGE):
        with pytest.raises(NotFoundError) as refused:
            watch.triggers.open(corrupted(**wrong, kind=kind), actor=ADA)
        assert ("dashboard" if "app" in wrong else "production") in refused.value.hint
    assert (watch.incidents, watch.state.status) == ([], Status.RUNNING)


def test_an_app_that_nothing_is_known_of_has_an_incident_on_purpose_and_what_goes_on_is_told() -> None:
    watch = Watch()
    new = watch.triggers.open(corrupted(app="ledger", is_new_app=True), actor=ADA)
    assert (new.app, new.rollout, new.taken_back, new.left) == ("ledger", None, (), ())
    by_hand = watch.triggers.open(corrupted(kind=IncidentKind.PERSON), actor=ADA)
    assert (by_hand.rollout, by_hand.taken_back, by_hand.left) == (None, (), (watch.rollout,))


def test_of_corrupted_data_what_cannot_be_reversed_and_what_others_serve_is_told_apart() -> None:
    """RULES F7; asked twice, too."""
    frozen = Watch(phases=tuple(msgspec.structs.replace(one, reversible=False) for one in short_plan().phases))
    external = Watch(is_external=True)
    for _ in range(2):
        assert frozen.triggers.open(corrupted(), actor=ADA).frozen == (frozen.rollout,)
        told = external.triggers.open(corrupted(), actor=ADA)
        assert (told.rollout, told.taken_back, told.left) == (None, (), (external.rollout,))


def test_a_critical_alert_that_asks_for_it_takes_the_version_back_once() -> None:
    watch = Watch()
    taken = watch.alert(severity="critical", app="dashboard", ebbgate="rollback")
    assert (taken.outcome, taken.rollouts, taken.incident) == ("taken_back", (watch.rollout,), "INC-1")
    assert watch.incidents[0].kind is IncidentKind.ALERT
    assert "alert ApiDown: no instance answers" in watch.incidents[0].trigger
    assert watch.alert(severity="critical", app="dashboard", ebbgate="rollback").outcome == "known"
    assert len(watch.incidents) == 1
    assert watch.alert(status="resolved", app="dashboard").outcome == "resolved"
    assert watch.notes() == ["alert ApiDown: no instance answers: resolved"]
    assert watch.alert(status="resolved", app="dashboard").outcome == "known"


@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [
        (Response.ROLLBACK, "taken_back", Status.ROLLING_BACK),
        (Response.REVIEW, "asked", Status.REVIEW),
        (Response.HOLD, "incident", Status.RUNNING),
    ],
)
def test_the_plan_says_what_a_critical_alert_does(answer: Response, outcome: str, status: Status) -> None:
    watch = Watch(when=Policy(alert=answer))
    assert watch.alert(severity="critical", flag="newWidgets").outcome == outcome
    assert watch.state.status is status


def test_any_other_alert_is_told_in_one_incident_of_the_app() -> None:
    watch = Watch(when=Policy(alert=Response.ROLLBACK))
    assert watch.alert(severity="warning", app="dashboard").outcome == "incident"
    assert watch.alert(severity="warning", app="shop", alertname="Slow").outcome == "known", "the same fingerprint"
    watch.hooks.receive(
        msgspec.convert(
            {"alerts": [{"status": "firing", "labels": {"app": "dashboard", "alertname": "Slow"}}]}, AlertmanagerMessage
        ),
        sender="prometheus",
    )
    [incident] = watch.incidents
    assert (incident.kind, incident.severity, incident.flag) == (IncidentKind.ALERT, Severity.SEV3, "newWidgets")
    assert watch.notes() == ["alert Slow: no summary; outside of the statistics"]
    assert watch.state.status is Status.RUNNING


def test_an_alert_about_nothing_of_ours_says_why_it_led_to_nothing() -> None:
    watch = Watch()
    taken = watch.alert(severity="critical", instance="db-1")
    assert (taken.outcome, bool(taken.why)) == ("unmatched", True)
    assert watch.alert(severity="critical", environment="staging", flag="newWidgets").outcome == "unmatched"
    assert not watch.incidents


def test_a_store_that_fails_leaves_the_alert_to_be_posted_again() -> None:
    watch = Watch()
    watch.world.store.is_read_only = True
    with pytest.raises(Exception, match="only be read"):
        watch.alert(severity="critical", app="dashboard", ebbgate="rollback")
    watch.world.store.is_read_only = False
    assert watch.alert(severity="critical", app="dashboard", ebbgate="rollback").outcome == "taken_back"
