"""The questions of the detection benchmark: harms to be found, and nulls on which nobody may fire."""

from _detection_streams import SIGMA_LATENCY, Case, chance, clicks, gamma, guardrail, log_normal, with_tail

from ebbgate.core.metrics import Direction, HarmBy, MetricKind

UP, DOWN = Direction.INCREASE, Direction.DECREASE
RATE, MEAN, QUANTILE, RATIO = MetricKind.RATE, MetricKind.MEAN, MetricKind.QUANTILE, MetricKind.RATIO
SECONDS, MILLISECONDS = 300.0, 200.0


def _errors(rate: float, must: float, goal: float) -> Case:
    return Case(
        name=f"errors_{rate * 100:g}",
        says=f"errors 1 -> {rate * 100:g} %",
        guardrail=guardrail(RATE, UP),
        control=chance(0.01),
        treatment=chance(rate),
        effect=rate / (1 - rate) / (0.01 / 0.99),
        must=must,
        goal=goal,
        baseline=0.01,
    )


def _seconds(factor: float, harm: HarmBy, must: float, goal: float) -> Case:
    return Case(
        name=f"mean_{round(factor * 100)}_{harm}",
        says=f"seconds on the dashboard {(factor - 1) * 100:+.0f} %, harm by {harm}",
        guardrail=guardrail(MEAN, DOWN, harm),
        control=log_normal(SECONDS, 1.0),
        treatment=log_normal(SECONDS * factor, 1.0),
        effect=factor,
        must=must,
        goal=goal,
        baseline=SECONDS,
    )


def _latency(factor: float) -> Case:
    return Case(
        name=f"latency_{factor:g}",
        says=f"latency x{factor:g}",
        guardrail=guardrail(QUANTILE, UP),
        control=log_normal(MILLISECONDS, SIGMA_LATENCY),
        treatment=log_normal(MILLISECONDS * factor, SIGMA_LATENCY),
        effect=factor,
        sigma=SIGMA_LATENCY,
        must=1.7,
        goal=1.5,
        baseline=MILLISECONDS,
    )


HARMS = (
    _errors(0.015, 1.6, 1.45),
    _errors(0.02, 1.35, 1.3),
    _errors(0.06, 1.35, 1.3),
    _seconds(0.95, HarmBy.MEAN, 2.0, 1.6),
    _seconds(0.9, HarmBy.MEAN, 2.0, 1.6),
    _seconds(0.95, HarmBy.DISTRIBUTION, 1.6, 1.4),
    _seconds(0.9, HarmBy.DISTRIBUTION, 1.6, 1.4),
    _latency(1.2),
    _latency(1.5),
    Case(
        name="latency_tail",
        says="latency: 5 % of requests x3, the rest unchanged",
        guardrail=guardrail(QUANTILE, UP),
        control=log_normal(MILLISECONDS, SIGMA_LATENCY),
        treatment=with_tail(log_normal(MILLISECONDS, SIGMA_LATENCY)),
        sigma=SIGMA_LATENCY,
        has_tail=True,
        must=3.1,
        goal=2.5,
        baseline=MILLISECONDS,
    ),
)

NULLS = (
    Case(
        name="null_errors",
        says="errors 1 %, no effect",
        guardrail=guardrail(RATE, UP),
        control=chance(0.01),
        treatment=chance(0.01),
        baseline=0.01,
    ),
    Case(
        name="null_errors_drift",
        says="errors 2 +- 1 %, drifting, no effect",
        guardrail=guardrail(RATE, UP),
        control=chance(0.02),
        treatment=chance(0.02),
        drift=0.5,
        baseline=0.02,
    ),
    Case(
        name="null_errors_tolerated",
        says="errors 2 -> 2.5 %, exactly what is tolerated, drifting",
        guardrail=guardrail(RATE, UP, tolerate=0.25),
        control=chance(0.02),
        treatment=chance(0.025),
        drift=0.5,
        baseline=0.02,
    ),
    Case(
        name="null_seconds_drift",
        says="seconds, drifting by 30 %, no effect",
        guardrail=guardrail(MEAN, DOWN),
        control=log_normal(SECONDS, 1.0),
        treatment=log_normal(SECONDS, 1.0),
        drift=0.3,
        baseline=SECONDS,
    ),
    Case(
        name="null_seconds_heavy",
        says="seconds with a heavy tail (sigma 2), no effect",
        guardrail=guardrail(MEAN, DOWN),
        control=log_normal(SECONDS, 2.0),
        treatment=log_normal(SECONDS, 2.0),
        baseline=SECONDS,
    ),
    Case(
        name="null_seconds_heavy_up",
        says="the same, where an increase is bad",
        guardrail=guardrail(MEAN, UP),
        control=log_normal(SECONDS, 2.0),
        treatment=log_normal(SECONDS, 2.0),
        baseline=SECONDS,
    ),
    Case(
        name="null_seconds_wider",
        says="equal mean, wider (sigma 1 -> 1.2)",
        guardrail=guardrail(MEAN, DOWN),
        control=log_normal(SECONDS, 1.0),
        treatment=log_normal(SECONDS, 1.2),
        baseline=SECONDS,
    ),
    Case(
        name="null_seconds_narrower",
        says="equal mean, narrower (sigma 1 -> 0.7), where an increase is bad",
        guardrail=guardrail(MEAN, UP),
        control=log_normal(SECONDS, 1.0),
        treatment=log_normal(SECONDS, 0.7),
        baseline=SECONDS,
    ),
    Case(
        name="null_seconds_gamma",
        says="equal mean, log-normal against exponential",
        guardrail=guardrail(MEAN, DOWN),
        control=gamma(SECONDS, 1.0),
        treatment=log_normal(SECONDS, 0.8326),
        baseline=SECONDS,
    ),
    Case(
        name="null_seconds_tolerated",
        says="seconds -10 %, exactly what is tolerated, drifting",
        guardrail=guardrail(MEAN, DOWN, tolerate=0.1),
        control=log_normal(SECONDS, 1.0),
        treatment=log_normal(SECONDS * 0.9, 1.0),
        drift=0.3,
        baseline=SECONDS,
    ),
    Case(
        name="null_seconds_tolerated_up",
        says="seconds +10 %, exactly what is tolerated, drifting",
        guardrail=guardrail(MEAN, UP, tolerate=0.1),
        control=log_normal(SECONDS, 1.0),
        treatment=log_normal(SECONDS * 1.1, 1.0),
        drift=0.3,
        baseline=SECONDS,
    ),
    Case(
        name="null_seconds_ranks",
        says="seconds by distribution, drifting, no effect",
        guardrail=guardrail(MEAN, DOWN, HarmBy.DISTRIBUTION),
        control=log_normal(SECONDS, 1.0),
        treatment=log_normal(SECONDS, 1.0),
        drift=0.3,
        baseline=SECONDS,
    ),
    Case(
        name="null_latency_drift",
        says="latency, drifting by 40 %, no effect",
        guardrail=guardrail(QUANTILE, UP),
        control=log_normal(MILLISECONDS, SIGMA_LATENCY),
        treatment=log_normal(MILLISECONDS, SIGMA_LATENCY),
        drift=0.4,
        baseline=MILLISECONDS,
    ),
    Case(
        name="null_latency_tolerated",
        says="latency x1.1, exactly what is tolerated, drifting",
        guardrail=guardrail(QUANTILE, UP, tolerate=0.1),
        control=log_normal(MILLISECONDS, SIGMA_LATENCY),
        treatment=log_normal(MILLISECONDS * 1.1, SIGMA_LATENCY),
        drift=0.4,
        baseline=MILLISECONDS,
    ),
    Case(
        name="null_clicks_activity",
        says="clicks per view, 50 % more views in treatment",
        guardrail=guardrail(RATIO, DOWN),
        control=clicks(0.1, 2.0),
        treatment=clicks(0.1, 3.5),
        baseline=0.1,
    ),
)
