"""The nulls of the false-rollback benchmark: for each, a world in which the new version does no harm, and a plan."""

from datetime import timedelta

import msgspec
from _analysis_stream import Delay, Effect, World

from ebbgate.core.metrics.definition import CriticalLimit, Direction, Guardrail, HarmBy, Margin, Metric, MetricKind
from ebbgate.core.rollouts.plan import Mode, Phase, Plan

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
UP, DOWN = Direction.INCREASE, Direction.DECREASE


class Null(msgspec.Struct, frozen=True, kw_only=True):
    """name: as in the result. says: what is so, in a few words. stay: in each phase, and of the watch."""

    name: str
    says: str
    world: World
    guardrails: tuple[Guardrail, ...]
    holdout: float = 0.0
    stay: timedelta = 24 * HOUR
    tick: timedelta = 4 * HOUR


def a_metric(name: str, kind: MetricKind, event: str, bad: Direction, harm: HarmBy = HarmBy.MEAN, **more) -> Metric:
    terms = {"window": 2 * HOUR, "lateness": HOUR, **more}
    return Metric(name=name, kind=kind, event=event, bad=bad, harm=harm, **terms)


ERRORS = Guardrail(
    metric=a_metric("errors", MetricKind.RATE, "api_error", UP, trial="api_request"),
    critical=CriticalLimit(value=0.12, sustained=HOUR),
    baseline=0.03,
)
API_TIME = Guardrail(
    metric=a_metric("api_time", MetricKind.QUANTILE, "api_ms", UP, HarmBy.DISTRIBUTION, quantile=0.95),
    critical=CriticalLimit(value=3000.0, sustained=HOUR),
)
DWELL = Guardrail(metric=a_metric("dashboard_time", MetricKind.MEAN, "dashboard_s", DOWN))
DWELL_UP = Guardrail(metric=a_metric("task_time", MetricKind.MEAN, "dashboard_s", UP))
DWELL_RANKS = Guardrail(
    metric=a_metric("dashboard_ranks", MetricKind.MEAN, "dashboard_s", DOWN, HarmBy.DISTRIBUTION),
)
CLICKS = Guardrail(metric=a_metric("clicks", MetricKind.RATIO, "widget_click", DOWN, trial="widget_view"))
DONE = Guardrail(metric=a_metric("completion", MetricKind.SHARE, "task_done", DOWN, trial="task_started"))
TICKETS = Guardrail(metric=a_metric("tickets", MetricKind.COUNT, "ticket", UP))
SURVEY = Guardrail(metric=a_metric("satisfaction", MetricKind.SURVEY, "satisfaction", DOWN, scale=(1.0, 5.0)))
MEDIAN = Guardrail(
    metric=a_metric("api_median", MetricKind.QUANTILE, "api_ms", UP, HarmBy.DISTRIBUTION, quantile=0.5),
)


def tolerating(guardrail: Guardrail, margin: Margin, **more) -> Guardrail:
    return msgspec.structs.replace(guardrail, tolerate=margin, **more)


def over(guardrail: Guardrail, **more) -> Guardrail:
    """The guardrail with other terms of its metric."""
    return msgspec.structs.replace(guardrail, metric=msgspec.structs.replace(guardrail.metric, **more))


EVEN = World(units=2500, visit_habit=0.0, error_habit=0.0, speed_habit=0.0, dwell_habit=0.0, drift=0.0)
MOST = frozenset({"request", "dwell", "view"})
ALL = MOST | {"task", "ticket", "survey"}
VISITS = Guardrail(metric=a_metric("visits", MetricKind.COUNT, "dashboard_s", DOWN))
LATE = frozenset({"request", "dwell", "task", "ticket"})
SLOW = Delay(outcome=0.4, outcome_most=1.2, late=0.4, late_mean=0.3, late_most=0.6)

NULLS = (
    Null(
        name="plain",
        says="both versions alike, nothing changes",
        world=EVEN,
        guardrails=(
            msgspec.structs.replace(ERRORS, worse_by=Margin(absolute=0.03)),
            API_TIME,
            DWELL,
        ),
    ),
    Null(
        name="drift",
        holdout=0.1,
        says="the baseline doubles and halves each day and rises, while the allocation ramps",
        world=World(units=2500, drift=0.7, families=MOST),
        guardrails=(
            msgspec.structs.replace(ERRORS, critical=CriticalLimit(value=0.4, sustained=HOUR)),
            msgspec.structs.replace(API_TIME, critical=None),
            DWELL,
            CLICKS,
        ),
    ),
    Null(
        name="heavy_tail",
        says="values log-normal with sigma 2; enough units that the capped interval takes part",
        world=World(units=6_000, dwell_sigma=2.0, families=frozenset({"dwell"})),
        guardrails=(DWELL, DWELL_UP),
    ),
    Null(
        name="clustered",
        says="five requests a visit with the user's own error rate and speed",
        world=World(units=2500, visits=1.5, requests=5, error_habit=1.0, speed_habit=0.6, families=MOST),
        guardrails=(ERRORS, msgspec.structs.replace(API_TIME, critical=None), CLICKS),
    ),
    Null(
        name="returning",
        holdout=0.1,
        says="the same people come back in every phase, with strong habits that last",
        world=World(units=2500, visits=3.0, visit_habit=0.8, error_habit=1.0, speed_habit=0.6, dwell_habit=0.8),
        guardrails=(ERRORS, msgspec.structs.replace(API_TIME, critical=None), DWELL),
    ),
    Null(
        name="activity",
        says="50 % more visits in treatment, at equal rates",
        world=World(units=2500, visits=2.5, families=MOST | {"task"}, effect=Effect(activity=1.5)),
        guardrails=(ERRORS, API_TIME, DWELL, CLICKS, DONE),
    ),
    Null(
        name="shape_bounded",
        says="equal in mean but of another shape: all or nothing against always half",
        world=World(units=6_000, two_points=True, visits=1.0, families=frozenset({"dwell"})),
        guardrails=(DWELL, DWELL_UP),
    ),
    Null(
        name="shape_tail",
        says="equal in mean but of another shape: log-normal with sigma 1.2 against 0.8",
        world=World(units=6_000, shape=1.2, families=frozenset({"dwell"})),
        guardrails=(DWELL, DWELL_UP),
    ),
    Null(
        name="at_tolerate",
        says="every metric worse by exactly what is tolerated, and errors at the critical limit",
        world=msgspec.structs.replace(
            EVEN,
            units=4000,
            families=MOST | {"task"},
            effect=Effect(errors=0.02, latency=1.1, dwell=0.9, clicks=0.9, completion=0.9),
        ),
        guardrails=(
            tolerating(ERRORS, Margin(absolute=0.02), critical=CriticalLimit(value=0.05, sustained=HOUR)),
            tolerating(API_TIME, Margin(relative=0.1)),
            tolerating(DWELL, Margin(relative=0.1)),
            tolerating(CLICKS, Margin(relative=0.1)),
            tolerating(DONE, Margin(relative=0.1), baseline=0.5),
        ),
    ),
    Null(
        name="delayed",
        says="outcomes come later in treatment, and are delivered late more often, within the lateness",
        world=World(units=3000, families=frozenset({"request", "task", "ticket"}), treatment_delay=SLOW),
        guardrails=(
            ERRORS,
            over(DONE, window=6 * HOUR),
            over(TICKETS, window=6 * HOUR),
        ),
    ),
    Null(
        name="late_beyond",
        says="a third of the treated send their events every six hours, mostly too late to be counted",
        world=World(units=3000, families=LATE, treatment_delay=Delay(slow=1 / 3)),
        guardrails=(ERRORS, API_TIME, DWELL, DONE, TICKETS),
    ),
    Null(
        name="busy_looks",
        says="looked at every five minutes, phases of three hours",
        world=World(units=2500, visits=12.0),
        guardrails=tuple(
            over(guardrail, window=20 * MINUTE, lateness=10 * MINUTE) for guardrail in (ERRORS, API_TIME, DWELL)
        ),
        stay=3 * HOUR,
        tick=5 * MINUTE,
    ),
    Null(
        name="ten_metrics",
        holdout=0.1,
        says="ten metrics of seven kinds at once, on the same people",
        world=World(families=ALL, units=2500, visits=2.5),
        guardrails=(
            ERRORS, API_TIME, DWELL, DWELL_UP, DWELL_RANKS, CLICKS, DONE, TICKETS, SURVEY, MEDIAN,
        ),
    ),
    Null(
        name="night",
        says="next to nobody there at night: a few units a look",
        world=World(units=2500, visits=1.5, night=0.01, families=frozenset({"request", "dwell", "task"})),
        guardrails=(ERRORS, API_TIME, DWELL, DONE),
    ),
)  # fmt: skip


UNTOLD = (
    Null(
        name="late_outcomes",
        says="a fifth of the treated's errors, completions and tickets come too late, their trials in time",
        world=World(units=3000, families=LATE, treatment_delay=Delay(late=0.2, late_mean=20.0, late_most=30.0)),
        guardrails=(ERRORS, API_TIME, DWELL, DONE, TICKETS),
    ),
    Null(
        name="late_counts",
        says="a third of the treated send every six hours, and fewer visits are harm",
        world=World(units=3000, families=LATE, treatment_delay=Delay(slow=1 / 3)),
        guardrails=(ERRORS, API_TIME, DWELL, DONE, VISITS),
    ),
)
"""Measured only if named. The new version does no harm, but by RULES D4 what has not come by the close has not
happened: an outcome that is missing is no completion, and a count is lower. That is harm by the definition of the
metric, and harm outranks doubts about the data (RULES F2): these are taken back more often than alpha."""


def a_plan(null: Null, *, tick: timedelta | None = None) -> Plan:
    """5, 20, 50 % for `stay` each, and a watch over everybody: the ramp ends by time, whatever is proven."""
    stay = null.stay
    return Plan(
        app="bench",
        flag="newWidgets",
        mode=Mode.ACT,
        phases=(
            Phase(name="first", exposure=0.05, who=("random",), stay_min=stay, stay_max=2 * stay),
            Phase(name="early", exposure=0.2, who=("random",), stay_min=stay, stay_max=2 * stay),
            Phase(name="broad", exposure=0.5, who=("random",), stay_min=stay, stay_max=2 * stay),
            Phase(name="full", exposure=1.0, who=("everyone",), stay_min=timedelta(0)),
        ),
        guardrails=null.guardrails,
        holdout=null.holdout,
        holdout_for=2 * stay if null.holdout else None,
        watch=2 * stay if null.holdout else stay,
        tick=tick or null.tick,
    )
