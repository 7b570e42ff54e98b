"""The table at the end: every number read from stored rows, through the public API."""

from datetime import datetime, timedelta

import msgspec

from ebbgate.core.metrics.analysis import Verdict
from ebbgate.core.rollouts.view import RolloutView


class ActReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an act came to. exposed: distinct units that saw the new version. detection_*: from the first exposure
    that counts to the decision,
    in plan time and machine seconds. push_*: milliseconds from the commit of the flag-off to the confirmations.
    """

    act: int
    release: str
    rollout: str
    expected: tuple[str, ...]
    ended: str
    looks: int
    exposed: int | None
    detection: timedelta | None = None
    detected_by: str = ""
    push_confirmed: str = ""
    push_ms_p50: float | None = None
    push_ms_p99: float | None = None
    recovery: str = ""
    goals: dict[str, str] = {}

    @property
    def is_right(self) -> bool:
        return self.ended in self.expected


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


def report_act(view: RolloutView, *, act: int, expected: tuple[str, ...], ended: str) -> ActReport:
    """The act's numbers from the rollout's view."""
    rollback, push = view.rollback, view.push
    harmed = [a for a in view.analyses if a.verdict is Verdict.HARM]
    return ActReport(
        act=act,
        release=view.release,
        rollout=view.id,
        expected=expected,
        ended=ended,
        looks=view.looks,
        exposed=view.exposed_units,
        detection=rollback.started_at - phase_began(view) if rollback is not None else None,
        detected_by=", ".join(a.metric for a in harmed) or (view.decision.code.value if view.decision else ""),
        push_confirmed=f"{rollback.confirmed}/{rollback.expected}" if rollback is not None else "",
        push_ms_p50=push.ms_p50 if push is not None else None,
        push_ms_p99=push.ms_p99 if push is not None else None,
        recovery=rollback.outcome_reason if rollback is not None else "",
        goals={goal.metric: goal.standing.value for goal in view.goals} if rollback is None else {},
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
        if act.goals:
            rows.append((f"{name}: goals", ", ".join(f"{goal} {standing}" for goal, standing in act.goals.items())))
    rows.append(("machine time", f"{report.machine_s:.0f} s"))
    return rows


def _hours(duration: timedelta) -> str:
    hours = duration.total_seconds() / 3600
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"


def _ms(value: float | None) -> str:
    return f"{value:.0f} ms" if value is not None else "nothing"
