"""One line for each thing worth telling, where there is no terminal."""

from collections.abc import Callable
from datetime import timedelta

import msgspec

from ebbgate.core.metrics import Verdict
from ebbgate.core.rollouts.state import RollbackStep, Status
from ebbgate.core.rollouts.view import RolloutView
from ebbgate.terminal import plain_line

View = Callable[..., RolloutView]


def test_the_first_line_says_everything(a_view: View) -> None:
    assert plain_line(a_view(), None) == (
        "2026-03-04 18:00Z newWidgets-1 RUNNING early (2/4): No harm seen. Next: 50% in 18h unless a guardrail turns."
        " [errors safe, api_time undecided; exposed 18.6%]"
    )


def test_time_and_counts_alone_are_no_news(a_view: View) -> None:
    before = a_view()
    later = a_view(now=before.now + timedelta(hours=1), looks=79, sentence="Next: 50% in 17h.", exposed_share=0.19)
    assert plain_line(later, before) is None


def test_a_new_verdict_is_news(a_view: View) -> None:
    before = a_view()
    harmed = msgspec.structs.replace(before.analyses[0], verdict=Verdict.HARM)
    line = plain_line(a_view(analyses=(harmed, before.analyses[1])), before)
    assert line is not None
    assert "errors harm, api_time undecided" in line


def test_a_new_phase_and_a_new_status_are_news(a_view: View) -> None:
    before = a_view()
    assert plain_line(a_view(phase="broad"), before) is not None
    assert plain_line(a_view(status=Status.PAUSED), before) is not None


def test_a_new_silence_is_news(a_view: View) -> None:
    line = plain_line(a_view(silence=("no `api_ms`; nothing arrives",)), a_view())
    assert line is not None
    assert line.endswith("not arriving: no `api_ms`; nothing arrives]")


def test_each_step_of_a_rollback_is_news_with_its_proof(taken_back: View) -> None:
    before = taken_back(step=RollbackStep.PROPAGATION, outcome=None)
    after = taken_back(step=RollbackStep.RECOVERY, outcome=None)
    line = plain_line(after, before)
    assert line is not None
    assert "41/41 evaluators confirmed" in line


def test_what_a_rollback_waits_for_is_on_its_line_and_is_news(taken_back: View) -> None:
    before = taken_back(step=RollbackStep.RECOVERY, outcome=None)
    after = msgspec.structs.replace(before, way_back=("Waiting for proof.", "Incident: INC-1"))
    line = plain_line(after, before)
    assert line is not None
    assert "Waiting for proof. Incident: INC-1" in line
    assert plain_line(after, after) is None


def test_a_line_is_one_line(a_view: View, taken_back: View) -> None:
    for view in (a_view(), taken_back()):
        assert "\n" not in (plain_line(view, None) or "\n")
