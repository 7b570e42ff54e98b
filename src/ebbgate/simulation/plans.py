"""Plans for simulations: hours instead of days, margins that the world's people can answer."""

from datetime import timedelta

from ebbgate.core.metrics.definition import CriticalLimit, Direction, Guardrail, HarmBy, Margin, Metric, MetricKind
from ebbgate.core.rollouts.plan import Audience, Mode, Phase, Plan, VerifyTerms

HOUR = timedelta(hours=1)

ERRORS = Guardrail(
    metric=Metric(
        name="errors",
        kind=MetricKind.RATE,
        event="api_error",
        trial="api_request",
        bad=Direction.INCREASE,
        harm=HarmBy.MEAN,
        window=HOUR,
        lateness=HOUR,
    ),
    worse_by=Margin(absolute=0.08),
    critical=CriticalLimit(value=0.35, sustained=HOUR),
    baseline=0.05,
)

API_TIME = Guardrail(
    metric=Metric(
        name="api_time",
        kind=MetricKind.QUANTILE,
        event="api_ms",
        quantile=0.95,
        bad=Direction.INCREASE,
        harm=HarmBy.DISTRIBUTION,
        window=HOUR,
        lateness=HOUR,
    ),
    worse_by=Margin(relative=0.6),
)


def short_plan() -> Plan:
    """Four phases of half a day and a watch of a day, acting by itself."""
    return Plan(
        app="dashboard",
        flag="newWidgets",
        commander="devops-lead",
        audiences=(Audience(name="internal", rule={"ends_with": [{"var": "email"}, "@example.com"]}),),
        phases=(
            Phase(name="internal", exposure=0.05, who=("internal",), stay_min=10 * HOUR, stay_max=48 * HOUR),
            Phase(name="early", exposure=0.2, who=("random",), stay_min=12 * HOUR, stay_max=72 * HOUR, early=True),
            Phase(name="broad", exposure=0.5, who=("random",), stay_min=12 * HOUR, stay_max=72 * HOUR),
            Phase(name="full", exposure=1.0, who=("everyone",), stay_min=timedelta(0)),
        ),
        guardrails=(ERRORS, API_TIME),
        watch=12 * HOUR,
        tick=HOUR,
        mode=Mode.ACT,
        verify=VerifyTerms(propagation=3 * HOUR, recovery=36 * HOUR, redeploy=3 * HOUR, min_units=50),
    )
