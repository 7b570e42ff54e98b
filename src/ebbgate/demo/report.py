"""The table at the end: every number read from stored rows, through the public API."""

from datetime import datetime, timedelta

import msgspec

from ebbgate.core.metrics.analysis import Verdict
from ebbgate.core.rollouts.replay import ReplayView
from ebbgate.core.rollouts.state import RollbackOutcome
from ebbgate.core.rollouts.view import RolloutView
from ebbgate.demo.comparing import Other
from ebbgate.demo.ending import Ending


class ActReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an act came to. phase: in which it ended. exposed: distinct units that saw the new version. detection: from
    the beginning of that phase to the decision, in plan time. push_*: milliseconds from the commit of the flag-off to
    the confirmations.
    harmed: people who met the version while it was broken; None if it never was. story: what happened, in one line.
    redeployed: id of the release that went back, with redeploy_proof of what shows it. kills: of the control process;
    replayed, replay_differs: decisions computed again afterwards, and values that came out otherwise.
    """

    act: int
    release: str
    rollout: str
    expected: tuple[str, ...]
    ended: str
    phase: str
    looks: int
    exposed: int | None
    detection: timedelta | None = None
    detected_by: str = ""
    push_confirmed: str = ""
    push_ms_p50: float | None = None
    push_ms_p99: float | None = None
    recovery: str = ""
    goals: dict[str, str] = {}
    was_broken: bool = False
    harmed: int | None = None
    story: str = ""
    incident: str = ""
    incident_status: str = ""
    postmortem: str = ""
    redeployed: str | None = None
    redeploy_proof: str = ""
    others: tuple[Other, ...] = ()
    kills: int = 0
    replayed: int | None = None
    replay_differs: int | None = None

    @property
    def is_right(self) -> bool:
        """As it should have ended, with nothing lost, and written down where something was taken back."""
        is_written = not self.recovered or bool(self.incident and self.postmortem)
        return self.ended in self.expected and not self.replay_differs and is_written

    @property
    def recovered(self) -> bool:
        return self.ended.endswith(f"({RollbackOutcome.RECOVERED.value})")


class DemoReport(msgspec.Struct, frozen=True, kw_only=True):
    """units, events, duplicates: totals of the event store. visits: what the drivers say they did."""

    seed: int
    users: int
    units: int
    events: int
    exposures: int
    duplicates: int
    visits: int
    machine_s: float
    acts: tuple[ActReport, ...]

    @property
    def is_right(self) -> bool:
        return bool(self.acts) and all(act.is_right for act in self.acts)


def report_act(
    view: RolloutView,
    *,
    act: int,
    expected: tuple[str, ...],
    ended: str,
    story: str,
    ending: Ending,
    harmed: int | None,
    others: list[Other],
    kills: int,
    replay: ReplayView | None,
) -> ActReport:
    """The act's numbers from the rollout's view, and from what was read beside it."""
    rollback, push = view.rollback, view.push
    found = [a for a in view.analyses if a.verdict is Verdict.HARM]
    return ActReport(
        act=act,
        release=view.release,
        rollout=view.id,
        expected=expected,
        ended=ended,
        phase=view.phase,
        looks=view.looks,
        exposed=view.exposed_units,
        detection=rollback.started_at - phase_began(view) if rollback is not None else None,
        detected_by=", ".join(a.metric for a in found) or (view.decision.code.value if view.decision else ""),
        push_confirmed=ending.followed,
        push_ms_p50=push.ms_p50 if push is not None else None,
        push_ms_p99=push.ms_p99 if push is not None else None,
        recovery=rollback.outcome_reason if rollback is not None else "",
        goals={goal.metric: goal.standing.value for goal in view.goals} if rollback is None else {},
        was_broken=harmed is not None,
        harmed=harmed,
        story=story,
        incident=ending.incident,
        incident_status=ending.incident_status,
        postmortem=ending.postmortem,
        redeployed=rollback.redeploy_to if rollback is not None else None,
        redeploy_proof=ending.redeploy_proof,
        others=tuple(others),
        kills=kills,
        replayed=replay.decisions if replay is not None else None,
        replay_differs=replay.differing if replay is not None else None,
    )


def phase_began(view: RolloutView) -> datetime:
    """When the phase began in which the rollout ended."""
    entered = [phase.entered_at for phase in view.phases if phase.entered_at is not None]
    return entered[-1]


def table(report: DemoReport) -> list[tuple[str, str]]:
    """The report as rows of name and value."""
    rows = [
        ("units, events", f"{report.units:,} units, {report.events:,} events, {report.exposures:,} exposures"),
        (
            "visits by the drivers",
            f"{report.visits:,} ({report.duplicates:,} entries came twice and were counted once)",
        ),
    ]
    for act in report.acts:
        name = f"act {act.act}"
        mark = "as it should" if act.is_right else f"SHOULD HAVE {' or '.join(act.expected)}"
        rows.append((f"{name}: {act.release}", f"{act.ended}, {mark}; {act.looks} looks"))
        rows.append((f"{name}: exposed", f"{act.exposed:,} units" if act.exposed is not None else "nobody"))
        if act.detection is not None:
            rows.append((f"{name}: detection", f"{_hours(act.detection)} after the phase began, by {act.detected_by}"))
            rows.append(
                (
                    f"{name}: push",
                    f"{act.push_confirmed} confirmed, {_ms(act.push_ms_p50)} p50, {_ms(act.push_ms_p99)} p99",
                )
            )
            rows.append((f"{name}: recovery", act.recovery))
            rows.append((f"{name}: incident", _incident(act)))
        if act.redeployed is not None:
            rows.append((f"{name}: redeployed", f"{act.redeployed}, shown by: {act.redeploy_proof or 'nothing'}"))
        if act.kills:
            same = "all the same" if not act.replay_differs else f"{act.replay_differs} VALUES DIFFER"
            rows.append((f"{name}: control killed", f"{act.kills}x; {act.replayed} decisions replayed, {same}"))
        if act.goals:
            rows.append((f"{name}: goals", ", ".join(f"{goal} {standing}" for goal, standing in act.goals.items())))
    rows.append(("machine time", f"{report.machine_s:.0f} s"))
    return rows


def _incident(act: ActReport) -> str:
    if not act.incident:
        return "NONE"
    written = f"post-mortem: {act.postmortem}" if act.postmortem else "no post-mortem while it is not over"
    return f"{act.incident}, {act.incident_status}; {written}"


def other_rows(report: DemoReport) -> list[tuple[str, str, str]]:
    """ebbgate and the others: who, what each said of a good version, and whom a broken one reached until each acted."""
    good = [act for act in report.acts if not act.was_broken]
    broken = [act for act in report.acts if act.was_broken]
    own = ("ebbgate", _own_alarms(good), "; ".join(_own_harm(act) for act in broken) or "not played")
    names = dict.fromkeys(other.rule for act in report.acts for other in act.others)
    return [own, *((name, _alarms(good, name), _harm(broken, name)) for name in names)]


def _own_alarms(good: list[ActReport]) -> str:
    if not good:
        return "not played"
    return "; ".join("FALSE ALARM" if act.detection is not None else "no false alarm" for act in good)


def _own_harm(act: ActReport) -> str:
    return f"acted after {act.harmed:,} users" if act.detection is not None else f"did not act: {act.harmed:,} users"


def _alarms(good: list[ActReport], rule: str) -> str:
    told = []
    for other in (other for act in good for other in act.others if other.rule == rule):
        at = other.false_alarm_at
        told.append(f"false alarm at look {at} of {other.looks}" if at else f"no false alarm in {other.looks} looks")
    return "; ".join(told) or "not played"


def _harm(broken: list[ActReport], rule: str) -> str:
    told = []
    for other in (other for act in broken for other in act.others if other.rule == rule):
        if other.false_alarm_at is not None:
            told.append("false alarm before anything broke")
        elif other.harmed is None:
            told.append("would not have acted")
        else:
            told.append(f"after about {other.harmed:,}*" if other.is_projected else f"after {other.harmed:,} users")
    return "; ".join(told) or "not played"


def _hours(duration: timedelta) -> str:
    hours = duration.total_seconds() / 3600
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"


def _ms(value: float | None) -> str:
    return f"{value:.0f} ms" if value is not None else "nothing"
