"""What one metric is said to be, and of whom."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.core.metrics.analysis import Analysis, LateAnalysis, LateStanding, LimitStanding, Verdict
from ebbgate.core.metrics.blocks import Assignment
from ebbgate.core.metrics.definition import Guardrail, MetricKind, Query
from ebbgate.core.metrics.readings import ReadingBlock, ReadingEvidence, SourceFailure, fold_reading, judge_reading
from ebbgate.core.rollouts.explain_metric import limit_sentence, metric_sentences
from ebbgate.core.rollouts.look import LookInputs
from ebbgate.core.rollouts.plan import Phase
from ebbgate.core.rollouts.state import RolloutState
from ebbgate.testing.rollouts import ERRORS, NOON, a_breach, a_plan, a_rollout, an_analysis, good_health, hours

MESH = Query(source="mesh", numerator="bad", denominator="all", arm="version")


def an_input(state: RolloutState | None = None, **changes: Any) -> LookInputs:
    fields: dict[str, Any] = {
        "state": state or a_rollout(phase=1),
        "now": NOON + hours(30),
        "health": good_health(),
        "assignment": Assignment(phase=1),
        "analyses": {},
        "goals": {},
        "blocks": [],
    }
    return LookInputs(**{**fields, **changes})


def of(kind: MetricKind = MetricKind.RATE, **changes: Any) -> Guardrail:
    metric = msgspec.structs.replace(ERRORS.metric, kind=kind, **changes)
    return msgspec.structs.replace(ERRORS, metric=metric)


def told(guardrail: Guardrail, analysis: Analysis, inputs: LookInputs | None = None) -> str:
    return "\n".join(metric_sentences(guardrail, analysis, inputs or an_input()))


def test_what_a_source_counted_are_requests_and_never_users() -> None:
    fields: dict[str, Any] = {"window": timedelta(hours=1), "newest_at": NOON + hours(29.5), "margin": 0.005}
    analysis = an_analysis(why="proven", treatment_n=2_000, control_n=2_000, safe_bound=0.001, **fields)
    text = told(of(query=MESH), analysis)
    assert "[safe, 2,000 new and 2,000 old requests, newest 30m old]." in text
    assert "errors is known by requests that mesh counted, not by users: one busy user counts often." in text
    assert "units" not in text
    assert "observed for" not in text
    assert "not by users" not in told(of(), analysis)
    few = an_analysis(Verdict.UNDECIDED, why="too_few", treatment_n=7, control_n=90)
    assert "only 7 requests so far of the version with fewer" in told(of(query=MESH), few)
    unknown = an_analysis(Verdict.UNDECIDED, why="not_proven", treatment_n=700, control_n=900, safe_bound=0.01)
    assert "more requests will tell" in told(of(query=MESH), unknown)


def test_a_source_that_says_nothing_is_named_with_how_long_it_has_been_silent() -> None:
    nothing = an_analysis(Verdict.UNDECIDED, why="no_data")
    silent = an_input(health=good_health(missing=("errors",)))
    text = told(of(query=MESH), nothing, silent)
    assert "errors: mesh has counted no requests of one version yet" in text
    assert "The source mesh has said nothing of errors for 1.25d, since 2026-03-02 12:00 UTC." in text
    stopped = an_analysis(Verdict.UNDECIDED, why="too_few", newest_at=NOON + hours(28), treatment_n=3, control_n=3)
    expected = "The source mesh has said nothing of errors for 2h, since 2026-03-03 16:00 UTC."
    assert expected in told(of(query=MESH), stopped, silent)
    assert "The source" not in told(of(query=MESH), stopped)
    failures = [SourceFailure(metric="errors", source="mesh", since=NOON + hours(29), error="it refused to connect.")]
    failing = msgspec.structs.replace(silent, failures=failures)
    assert f"{expected[:-1]}: it refused to connect." in told(of(query=MESH), stopped, failing)
    young = an_input(failures=failures)
    expected = "The source mesh gives no answer about errors since 2026-03-03 17:00 UTC: it refused to connect."
    assert expected in told(of(query=MESH), stopped, young)


def late(standing: LateStanding, *, newest_at: datetime, shown_at: datetime | None = None) -> LateAnalysis:
    return LateAnalysis(
        standing=standing, words="late", treatment_n=40, control_n=50, newest_at=newest_at, harm_shown_at=shown_at
    )


def a_ramp(*exposures: float) -> RolloutState:
    """In the last of these phases."""
    phases = tuple(
        Phase(name=f"p{index}", exposure=exposure, who=("random",), stay_min=hours(24))
        for index, exposure in enumerate(exposures)
    )
    return a_rollout(phase=len(exposures) - 1, plan=a_plan(phases=phases))


@pytest.mark.parametrize(
    ("exposures", "after", "whom"),
    [
        ((0.3,), 2, None),  # the same people and hours as in the comparison above
        ((0.3,), 30, "For people who got the new version in an earlier phase, or on an earlier day of this one"),
        ((0.1, 0.3), 2, "For people who have the new version, whether since an earlier phase or only since today"),
        ((0.1, 0.3), 30, "For people who got the new version in an earlier phase, or on an earlier day of this one"),
    ],
)
def test_late_harm_is_only_said_of_people_who_had_the_version_before(
    exposures: tuple[float, ...], after: float, whom: str | None
) -> None:
    """RULES E3: on the last phase's first day those newly exposed are among them."""
    seen = an_input(a_ramp(*exposures))
    unshown = an_analysis(Verdict.SAFE, why="proven", late=late(LateStanding.NOT_SHOWN, newest_at=NOON + hours(after)))
    text = told(of(), unshown, seen)
    if whom is None:
        assert "for people who" not in text.lower()
    else:
        assert f"{whom}, errors did not visibly get worse (40 of them and 50 who never had it" in text
    shown = late(LateStanding.SHOWN, newest_at=NOON + hours(70), shown_at=NOON + hours(after))
    harm = told(of(), an_analysis(Verdict.HARM, why="late", late=shown), seen)
    first_day = "for people who have the new version, on the first day that anybody was drawn to have it"
    said = first_day if whom is None else f"{whom[0].lower()}{whom[1:]}"
    assert harm.startswith(f"errors got worse {said} [harm")


def test_late_harm_in_an_earlier_phase_is_always_of_those_exposed_before_it() -> None:
    state = a_rollout(phase=2)
    found = late(LateStanding.NOT_SHOWN, newest_at=NOON + hours(1))
    text = told(of(), an_analysis(late=found), an_input(state))
    assert "For people who got the new version in an earlier phase" in text


def test_an_explanation_gives_values_with_their_units() -> None:
    api_time = of(MetricKind.QUANTILE, event="api_ms", quantile=0.95)
    fields: dict[str, Any] = {"treatment_value": 512.4, "control_value": 417.1, "safe_bound": 93.29, "margin": 41.71}
    text = told(api_time, an_analysis(Verdict.UNDECIDED, why="not_proven", **fields))
    assert "it may be 93.29 ms worse, and 41.71 ms is allowed; more users will tell: 512 ms new, 417 ms old" in text
    better = told(api_time, an_analysis(why="proven", **{**fields, "safe_bound": -1.14}))
    assert "is fine: it got better, by 1.14 ms or more" in better
    limit = limit_sentence(api_time, a_breach(limit=1_000.0))
    assert limit == "errors: critical limit 1,000 ms is breached (8.00% of 120 observations)."
    assert "8.00% of 120 requests" in limit_sentence(of(query=MESH), a_breach())


def test_a_build_limit_has_the_number_that_was_measured_and_no_share() -> None:
    size = msgspec.structs.replace(of(MetricKind.BUILD, event="size_bytes"), limit=500_000.0, critical=None)
    for number, standing in ((480_000.0, LimitStanding.WITHIN), (512_000.0, LimitStanding.BREACHED)):
        block = ReadingBlock(metric="errors", phase=0, closed_at=NOON, treatment=number)
        analysis = judge_reading(size, fold_reading(size, ReadingEvidence(), block))
        expected = f"errors: limit 500,000 B is {standing.value} (it is {number:,.0f} B)."
        assert limit_sentence(size, analysis.limits[0]) == expected
        assert told(size, analysis) == f"errors is {number:,.0f} B (measured on the release) [not applicable]."
    assert "%" not in limit_sentence(size, a_breach(treatment_share=1.0, limit=500_000.0)), "of an earlier version"


def test_answers_of_other_people_are_not_compared_and_both_shares_are_said() -> None:
    stars = of(MetricKind.SURVEY, event="stars")
    fields: dict[str, Any] = {"words": "errors is worse by -1.14 at most", "response": (0.3, 0.412), "threshold": 4.0}
    text = told(stars, an_analysis(Verdict.UNDECIDED, why="response_differs", **fields))
    said = (
        "30.0% answered with the new version and 41.2% with the old, so that their answers are not those of the same "
        "people and cannot be compared"
    )
    assert text.startswith(f"errors is open: {said} [undecided")
    assert "-1.14" not in text
    harm = told(stars, an_analysis(Verdict.HARM, why="crossed", **fields))
    assert harm.startswith("errors got worse than the plan tolerates")
    assert f"Of errors it holds as well that {said}." in harm


def test_a_range_that_includes_no_change_is_accounted_for_beside_late_harm_too() -> None:
    """It is not a range of the people that late harm is about."""
    found = late(LateStanding.SHOWN, newest_at=NOON + hours(30), shown_at=NOON + hours(30))
    text = told(of(), an_analysis(Verdict.HARM, why="late", late=found, interval=(-0.001, 0.04)))
    assert "-0.10pp to +4.00pp, includes no change at all" in text
    assert "of those who are new in it; the alarm is about those who had the new version before." in text
    assert "adds up what every phase has shown" not in text
