"""What users report: tied to the version that they had, counted, and acted on as the plan says (RULES D5, E3)."""

from random import Random
from typing import Any

import msgspec
import pytest

from ebbgate.control.audit import Actor
from ebbgate.control.reports import ReportService
from ebbgate.control.triggers import TriggerService
from ebbgate.core.errors import BadRequestError, NotFoundError
from ebbgate.core.incidents import IncidentKind
from ebbgate.core.rollbacks.reports import AddReport, Arm, Report, ReportTaken, standing
from ebbgate.core.rollouts.plan import Plan, ReportTerms, Response
from ebbgate.core.rollouts.state import Status
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import World
from ebbgate.testing.clock import MORNING

ADA = Actor(name="ada", reason="go on")


class Desk:
    """Support, while a fifth of the people have the new version."""

    def __init__(self, terms: ReportTerms | None = None) -> None:
        self.world = World(seed=6, users=300)
        self.plan = msgspec.structs.replace(short_plan(), reports=terms)
        self.rollout = self.world.start(self.plan).id
        self.world.rollouts.promote(self.rollout, actor=ADA)
        for _ in range(6):
            self.world.pass_time(HOUR)
        triggers = TriggerService(self.world.store, self.world.clock, self.world.snapshots)
        self.reports = ReportService(
            self.world.store, self.world.events, self.world.clock, self.world.snapshots, triggers
        )

    def people(self, variant: str) -> list[str]:
        """Units that saw it last."""
        keys = (person.key for person in self.world.everybody)
        return [key for key in keys if self.seen(key) == variant]

    def seen(self, unit: str) -> str | None:
        return self.world.events.last_variant(environment="production", flag="newWidgets", unit=unit)

    def say(self, **asked: Any) -> ReportTaken:
        given = {"kind": "ticket", "reason": "it hangs", "flag": "newWidgets", **asked}
        return self.reports.add(AddReport(**given), reporter="support")[0]

    @property
    def status(self) -> Status:
        return self.world.rollouts.get(self.rollout).status

    def incidents(self) -> list[Any]:
        with self.world.store.transaction() as tx:
            return tx.incidents()


def test_a_report_counts_for_the_version_that_its_unit_had_and_each_person_once() -> None:
    desk = Desk()
    new, old = desk.people("on")[0], desk.people("off")[0]
    assert desk.say(unit=new).report.arm is Arm.TREATMENT
    assert desk.say(unit=old, app="dashboard", flag="").report.arm is Arm.CONTROL
    assert desk.say(unit=new).report.arm is Arm.TREATMENT
    assert desk.say(unit="a stranger").report.arm is Arm.UNKNOWN
    taken = desk.say(variant="on", count=4)
    assert taken.standing is not None
    assert (taken.standing.treatment, taken.standing.control, taken.standing.unknown) == (5, 1, 1)
    assert desk.reports.standings() == [taken.standing]
    assert [one.text for one in desk.reports.list(limit=2)] == ["it hangs"] * 2
    assert desk.status is Status.RUNNING, "without terms nothing follows"


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"flag": "newChekout"}, "flags there: newWidgets"),
        ({"environment": "prod"}, "environments: production;"),
    ],
)
def test_a_report_of_a_misspelt_name_is_refused_with_the_names_and_is_not_kept_for_nothing(
    wrong: dict[str, Any], names: str
) -> None:
    desk = Desk()
    with pytest.raises(NotFoundError) as refused:
        desk.say(**wrong)
    assert refused.value.hint.startswith(names)
    asked = AddReport(**{"kind": "ticket", "reason": "it hangs", "flag": "newWidgets", **wrong})
    with pytest.raises(NotFoundError) as blind:
        desk.reports.add(asked, reporter="support", may_read=False)
    assert (blind.value.message, blind.value.hint) == (refused.value.message, "correct the name, and send it again")
    assert desk.reports.list() == []


def test_a_report_of_a_known_flag_is_kept_also_when_nothing_is_rolled_out() -> None:
    desk = Desk()
    desk.world.rollouts.abort(desk.rollout, actor=ADA)
    assert desk.say().standing is None
    assert len(desk.reports.list()) == 1


def test_so_many_reports_open_an_incident_and_ask_for_a_rollback() -> None:
    desk = Desk(ReportTerms(rollback_at=3))
    people = desk.people("on")
    assert desk.say(unit=people[0]).outcome == desk.say(unit=people[1]).outcome == ""
    taken = desk.say(unit=people[2])
    assert (taken.outcome, taken.incident) == ("asked", "INC-1")
    assert desk.status is Status.REVIEW
    [incident] = desk.incidents()
    assert incident.kind is IncidentKind.USER_REPORTS
    assert "3 reports from the new version" in incident.trigger
    assert "outside of the statistics" in incident.trigger
    assert desk.say(unit=people[3]).outcome == "", "it is asked already"
    assert len(desk.incidents()) == 1


def test_so_many_reports_take_it_back_where_the_plan_says_so() -> None:
    desk = Desk(ReportTerms(rollback_at=2, then=Response.ROLLBACK))
    desk.say(variant="on")
    assert desk.say(variant="on").outcome == "taken_back"
    assert desk.status is Status.ROLLING_BACK
    assert desk.incidents()[0].kind is IncidentKind.USER_REPORTS
    desk.say(unit=desk.people("on")[0])
    with desk.world.store.transaction() as tx:
        assert [note.text for note in tx.notes("INC-1")] == ["ticket reported (treatment)"]


def test_more_reports_than_its_share_of_the_people_are_evidence() -> None:
    desk = Desk(ReportTerms(alpha=0.01, then=Response.ROLLBACK))
    outcomes = [desk.say(unit=unit).outcome for unit in desk.people("on")[:12]]
    assert "taken_back" in outcomes
    assert "more reports from the new version than its share" in desk.incidents()[0].trigger


def test_a_report_about_nothing_that_runs_is_kept_and_one_about_nothing_is_refused() -> None:
    desk = Desk()
    assert desk.say(app="shop", flag="").standing is None
    desk.world.snapshots.ensure(("staging",))
    assert desk.say(environment="staging").standing is None
    with pytest.raises(BadRequestError):
        desk.say(flag="")
    with pytest.raises(BadRequestError):
        desk.say(unit="ada", count=2)


def a_plan() -> Plan:
    return msgspec.structs.replace(short_plan(), reports=ReportTerms(alpha=0.05))


def reported(random: Random, *, odds: float, share: float, count: int, variant: str = "on") -> list[Report]:
    """Reports of people drawn at random: odds times as many of each with the new version."""
    chance = odds * share / (odds * share + 1 - share)
    common = {"at": MORNING, "app": "a", "environment": "e", "kind": "k", "text": "t", "reporter": "r", "share": share}
    return [
        Report(**common, unit=f"u{n}", variant=variant if random.random() < chance else "off")  # type: ignore[arg-type]
        for n in range(count)
    ]


def test_reports_that_come_from_both_alike_hardly_ever_alarm_however_often_one_looks() -> None:
    """400 histories of 60 reports each, looked at after every one: at most alpha of them, and some room for chance."""
    random = Random(8)
    alarms = sum(
        standing(a_plan(), "r", reported(random, odds=1.0, share=0.2, count=60)).is_alarming for _ in range(400)
    )
    assert alarms <= 32  # 0.05 * 400, and 2.7 standard deviations


def test_three_times_as_many_are_found_among_sixty() -> None:
    random = Random(9)
    found = sum(standing(a_plan(), "r", reported(random, odds=4.0, share=0.2, count=60)).is_alarming for _ in range(40))
    assert found >= 36


def test_who_chose_to_have_the_new_version_is_counted_and_proves_nothing() -> None:
    """RULES D5."""
    reports = reported(Random(1), odds=1e9, share=0.2, count=60, variant="on_audience")
    now = standing(a_plan(), "r", reports)
    assert (now.e_value, now.is_alarming) == (1.0, False)
