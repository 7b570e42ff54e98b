"""What a person reads of a rollout; nothing of it by colour alone."""

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from ebbgate.core.metrics import LimitStanding, SampleRatio, Verdict
from ebbgate.core.metrics.analysis import Outliers
from ebbgate.core.rollouts.plan import Mode, Response
from ebbgate.core.rollouts.state import ReviewState, RollbackOutcome, RollbackStep, Status
from ebbgate.core.rollouts.view import EvaluatorsView, RolloutView
from ebbgate.testing.rollouts import NOON, hours

View = Callable[..., RolloutView]
Draw = Callable[..., str]

PICTURE = """\
newWidgets  v1.4.0  production  RUNNING early (2/4)
✓ internal 5% done   ● early 20% now, for 2d06h   ○ broad 50%   ○ full 100%
No harm seen. Next: 50% in 18h unless a guardrail turns.

               old    new  change, 95% at all times   margin    n new/old  age  verdict
errors       1.02%  1.05%  +0.03pp [-0.20, +0.30]    +0.50pp  1,512/6,900   1h  ✓ safe
api_time ms  1,240  1,262  +22.50 [-104, +151]          +248  1,510/6,890  30m  ? undecided
absolute limits: 1 proven within

goals   target  change, 95% at all times    n new/old  standing
clicks    +50%  +12.0% [-3.1%, +28.0%]    1,500/6,800  ? unknown

Exposed 18.6% (1,712 users so far) · sample ratio ok · evaluators 41/41 confirmed, 3 unproven
78 looks, newest data 30m old
Stop: ebbgate rollback newWidgets --reason "..."\
"""


def test_a_running_rollout_is_drawn_with_ladder_sentence_table_and_the_way_to_stop_it(
    a_view: View, drawn: Draw
) -> None:
    assert drawn(a_view(), 120) == PICTURE


def test_eighty_columns_fold_no_row_of_the_table(a_view: View, drawn: Draw) -> None:
    lines = drawn(a_view(), 80).splitlines()
    assert max(map(len, lines)) <= 80
    row = next(line for line in lines if line.startswith("api_time"))
    assert row.split() == [
        "api_time",
        "ms",
        "1,240",
        "1,262",
        "+22.50",
        "[-104,",
        "+151]",
        "+248",
        "1,510",
        "?",
        "undecided",
    ]


def test_a_long_ladder_breaks_between_rungs(a_view: View, drawn: Draw) -> None:
    lines = drawn(a_view(), 40).splitlines()
    assert "● early 20% now, for 2d06h" in "\n".join(lines[:6])


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict.SAFE, "✓ safe"),
        (Verdict.HARM, "✗ HARM"),
        (Verdict.UNDECIDED, "? undecided"),
        (Verdict.NOT_APPLICABLE, "– n/a"),
    ],
)
def test_every_verdict_has_its_own_sign_and_word(a_view: View, drawn: Draw, verdict: Verdict, words: str) -> None:
    errors = msgspec.structs.replace(a_view().analyses[0], verdict=verdict)
    assert words in drawn(a_view(analyses=(errors,)))


def test_missing_evidence_is_a_dash_and_never_a_zero(a_view: View, drawn: Draw) -> None:
    errors = msgspec.structs.replace(
        a_view().analyses[0],
        treatment_value=None,
        control_value=None,
        estimate=None,
        interval=None,
        margin=None,
        newest_at=None,
        treatment_n=0,
        control_n=0,
        limits=(),
    )
    row = next(line for line in drawn(a_view(analyses=(errors,))).splitlines() if line.startswith("errors"))
    assert row.split() == ["errors", "–", "–", "–", "–", "0/0", "–", "✓", "safe"]


def test_a_breached_critical_limit_says_where_and_by_how_much(a_view: View, drawn: Draw) -> None:
    errors = a_view().analyses[0]
    breached = msgspec.structs.replace(
        errors.limits[0], standing=LimitStanding.BREACHED, treatment_n=120, treatment_share=0.08
    )
    picture = drawn(a_view(analyses=(msgspec.structs.replace(errors, limits=(breached,)),)))
    assert "✗ CRITICAL LIMIT BREACHED: errors on apply_all: 8.0% of 120, limit 5%" in picture


def test_a_breach_that_the_old_version_shares_is_said_to_be_shared(a_view: View, drawn: Draw) -> None:
    errors = a_view().analyses[0]
    breached = msgspec.structs.replace(errors.limits[0], standing=LimitStanding.BREACHED, attributable=False)
    picture = drawn(a_view(analyses=(msgspec.structs.replace(errors, limits=(breached,)),)))
    assert "(the old version breaches it, too)" in picture


def test_a_wrong_sample_ratio_shouts(a_view: View, drawn: Draw) -> None:
    ratio = SampleRatio(log_e=9.0, fired=True, treatment=3000, control=6900, expected_share=0.158)
    assert "SAMPLE RATIO OFF: 3,000 of 9,900 instead of 15.8%" in drawn(a_view(sample_ratio=ratio))


def test_stragglers_are_named(a_view: View, drawn: Draw) -> None:
    late = EvaluatorsView(confirmed=1, expected=6, unproven=0, stragglers=("a", "b", "c", "d", "e"))
    assert "evaluators 1/6 confirmed (waiting for a, b, c and 2 more)" in drawn(a_view(evaluators=late))


def test_what_another_system_exposes_cannot_be_taken_back_here_so_that_its_watch_is_ended(
    a_view: View, drawn: Draw
) -> None:
    picture = drawn(a_view(is_external=True, status=Status.WATCHING, mode=Mode.OBSERVE))
    assert picture.endswith('Stop watching: ebbgate rollout abort newWidgets-1 --reason "..."')
    assert "ebbgate rollback" not in picture
    assert "ebbgate" not in drawn(a_view(is_external=True, status=Status.SUCCEEDED, mode=Mode.OBSERVE))


def test_few_values_that_hide_a_mean_are_told_while_it_runs(a_view: View, drawn: Draw) -> None:
    errors, api_time = a_view().analyses
    analyses = (errors, msgspec.structs.replace(api_time, outliers=Outliers(above=9000.0, share=0.9)))
    assert "! A few values of api_time above 9,000 ms make up 90%" in drawn(a_view(analyses=analyses))
    assert "A few values" not in drawn(a_view(analyses=analyses, ended_at=NOON))


def test_silence_is_said_aloud(a_view: View, drawn: Draw) -> None:
    assert "! no `click`; seen: `clicks`" in drawn(a_view(silence=("no `click`; seen: `clicks`",)))


def test_what_differs_from_the_usual_stands_in_the_header(a_view: View, drawn: Draw) -> None:
    header = drawn(a_view(mode=Mode.RECOMMEND, overlay="demo", attempt=2)).splitlines()[0]
    assert header.endswith("RUNNING early (2/4)  try 2  mode recommend  overlay demo")


def test_a_review_tells_what_can_be_chosen(a_view: View, drawn: Draw) -> None:
    review = ReviewState(
        code="harm",
        reason="harm on errors",
        owner="devops-lead",
        opened_at=NOON,
        deadline_at=NOON + hours(4),
        then=Response.PAUSE,
        proposes="rollback",
    )
    picture = drawn(a_view(status=Status.REVIEW, review=review))
    assert "Choose: ebbgate rollout promote|resume|pause newWidgets-1 --reason ... It proposes: rollback." in picture


def test_a_rollback_shows_its_steps_and_how_fast_it_arrived(taken_back: View, drawn: Draw) -> None:
    picture = drawn(taken_back())
    assert "ROLLED BACK, recovered" in picture.splitlines()[0]
    assert "✗ early 20% stopped" in picture
    assert "✓ flag off   ✓ evaluators confirm 41/41   ✓ metrics recover" in picture
    assert "Flag-off reached 41 evaluators: p50 12 ms, p99 48 ms" in picture
    assert "Why it was taken back: harm on errors" in picture
    assert "ebbgate rollback" not in picture


def test_a_rollback_under_way_shows_what_it_waits_for(taken_back: View, drawn: Draw) -> None:
    going = taken_back(step=RollbackStep.RECOVERY, outcome=None, confirmed=40, stragglers=("app-7",))
    picture = drawn(msgspec.structs.replace(going, status=Status.ROLLING_BACK))
    assert "✓ flag off   ✗ evaluators confirm 40/41   ● metrics recover" in picture
    assert "! not confirmed: app-7" in picture


def test_a_rollback_says_what_it_waits_for_and_how_to_end_it(taken_back: View, drawn: Draw) -> None:
    going = taken_back(step=RollbackStep.RECOVERY, outcome=None)
    lines = ("The old version is served to everybody.", "To end it now: ...", "Incident: INC-1")
    picture = drawn(msgspec.structs.replace(going, status=Status.ROLLING_BACK, way_back=lines))
    assert set(lines) <= set(picture.splitlines())


def test_what_was_skipped_on_request_is_not_called_failed(taken_back: View, drawn: Draw) -> None:
    """`--redeploy` goes straight to the second stage: nobody waited for evaluators or metrics before it."""
    asked = {"redeploy_why": "asked for by ada", "redeploy_from_at": NOON, "redeployed_at": NOON + hours(1)}
    skipped = taken_back(**asked, step=RollbackStep.VERIFY, outcome=None, expected=None, is_recovery_skipped=True)
    picture = drawn(msgspec.structs.replace(skipped, status=Status.ROLLING_BACK))
    steps = "✓ flag off   – evaluators confirm skipped   – metrics recover skipped   ✓ last stable release back"
    assert f"{steps}   ● metrics recover after the release" in " ".join(picture.split("\n"))
    failed = drawn(taken_back(**asked, step=RollbackStep.VERIFY, outcome=None))
    assert "✗ metrics recover   " in failed


@pytest.mark.parametrize("outcome", [RollbackOutcome.UNVERIFIED, RollbackOutcome.FAILED])
def test_only_a_proven_recovery_gets_a_tick(taken_back: View, drawn: Draw, outcome: RollbackOutcome) -> None:
    picture = drawn(taken_back(outcome=outcome))
    assert f"ROLLED BACK, {outcome.value}" in picture
    assert "✗ metrics recover" in picture


def test_a_view_without_evidence_is_drawn_without_tables(a_view: View, drawn: Draw) -> None:
    bare = a_view(analyses=(), goals=(), sample_ratio=None, exposed_share=None, exposed_units=None, evaluators=None)
    picture = drawn(bare)
    assert "verdict" not in picture
    assert "Exposed: no data yet · sample ratio not testable · 78 looks" in picture


def test_excluded_units_are_counted_apart_where_the_plan_excludes_any(a_view: View, drawn: Draw) -> None:
    assert "excluded: 1,204 units" in drawn(a_view(excluded_units=1204))
    assert "excluded" not in drawn(a_view())


def test_plan_time_that_is_behind_the_data_has_no_negative_age(a_view: View, drawn: Draw) -> None:
    early = a_view(now=NOON + hours(53) - timedelta(minutes=1))
    assert "newest data 0s old" in drawn(early)


def test_a_long_silence_is_cut_with_its_length(a_view: View, drawn: Draw) -> None:
    picture = drawn(a_view(silence=tuple(f"no `e{n}`; nothing arrives" for n in range(7))))
    assert "! no `e4`; nothing arrives (and 2 more: see `ebbgate arrivals`)" in picture
    assert "e5" not in picture


def test_evaluators_that_cannot_confirm_are_not_counted_as_if_they_could(a_view: View, drawn: Draw) -> None:
    polling = EvaluatorsView(confirmed=0, expected=0, unproven=2)
    assert "· evaluators 2 unproven" in drawn(a_view(evaluators=polling))
    lost = EvaluatorsView(confirmed=2, expected=2, unproven=1, unheard=("a",), lag_s_max=900.0)
    assert "· evaluators 2/2 confirmed, 1 unproven (<= 900 s)" in drawn(a_view(evaluators=lost))
    nobody = EvaluatorsView(confirmed=0, expected=0, unproven=0)
    assert "· no evaluator connected" in drawn(a_view(evaluators=nobody))


def test_each_endpoint_has_a_row_of_its_own_below_its_metric(a_view: View, drawn: Draw) -> None:
    view = a_view()
    whole = next(analysis for analysis in view.analyses if analysis.metric == "api_time")
    part = msgspec.structs.replace(whole, metric="api_time[/v1/routes]", treatment_n=77)
    analyses = [
        msgspec.structs.replace(one, parts=(part,)) if one.metric == "api_time" else one for one in view.analyses
    ]
    lines = drawn(a_view(analyses=tuple(analyses)), 120).splitlines()
    above = next(number for number, line in enumerate(lines) if line.startswith("api_time"))
    assert lines[above + 1].startswith("  /v1/routes")
    assert "77" in lines[above + 1]


def test_a_number_that_is_only_read_stands_beside_its_limit_and_has_no_share(a_view: View, drawn: Draw) -> None:
    """Of a build or a source: nobody was observed."""
    view = a_view()
    time = view.analyses[1]
    limit = msgspec.structs.replace(
        view.analyses[0].limits[0],
        metric="api_time",
        function="",
        limit=1_000.0,
        is_critical=False,
        standing=LimitStanding.BREACHED,
        treatment_share=None,
        control_share=None,
        value=1_262.5,
    )
    picture = drawn(a_view(analyses=(msgspec.structs.replace(time, limits=(limit,)),)))
    assert "limit breached: api_time: 1,262 ms, limit 1s" in picture
    assert "no data" not in picture


def test_harm_beside_a_range_that_includes_no_change_is_no_mistake_and_says_so(a_view: View, drawn: Draw) -> None:
    harm = msgspec.structs.replace(a_view().analyses[0], verdict=Verdict.HARM, why="crossed")
    told = "errors: harm is shown though its range includes no change"
    assert told in drawn(a_view(analyses=(harm,)))
    assert told not in drawn(a_view(analyses=(msgspec.structs.replace(harm, interval=(0.001, 0.003)),)))
    assert told not in drawn(a_view())
