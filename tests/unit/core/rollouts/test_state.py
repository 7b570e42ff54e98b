"""DESIGN section 6: the one table of transitions, and what each step leaves behind."""

import msgspec
import pytest

from ebbgate.core.errors import TransitionError
from ebbgate.core.metrics.contrast import Interval
from ebbgate.core.rollouts.exposure import hash_share_ppm
from ebbgate.core.rollouts.plan import Phase
from ebbgate.core.rollouts.state import FINAL, TRANSITIONS, RollbackOutcome, Status, Trigger, contrast_of, next_status
from ebbgate.core.rollouts.steps import abort, advance, pause, resume, roll_back, settle
from ebbgate.testing.rollouts import NOON, a_plan, a_rollout, hours


def a_phase(**changes: object) -> Phase:
    return msgspec.structs.replace(Phase(name="p", exposure=0.2, who=("random",), stay_min=hours(1)), **changes)


def test_every_status_can_be_reached_and_every_living_one_can_be_left() -> None:
    reached = {Status.DRAFT, *TRANSITIONS.values()}
    assert reached == set(Status)
    left = {status for status, _ in TRANSITIONS}
    assert set(Status) - left == FINAL - {Status.SUCCEEDED}


def test_a_step_that_the_table_does_not_have_names_what_is_possible() -> None:
    with pytest.raises(TransitionError, match="rolled_back cannot resume") as caught:
        next_status(Status.ROLLED_BACK, Trigger.RESUME)
    assert "retry" in caught.value.hint


def test_hash_share_fills_up_what_attributes_do_not_expose() -> None:
    assert hash_share_ppm(a_phase(), attribute_share=0.04, previous_ppm=0) == 166_667
    assert hash_share_ppm(a_phase(), attribute_share=0.0, previous_ppm=0) == 200_000


def test_hash_share_never_shrinks() -> None:
    assert hash_share_ppm(a_phase(exposure=0.1), attribute_share=0.0, previous_ppm=150_000) == 150_000


def test_only_phases_that_draw_by_hash_open_buckets() -> None:
    assert hash_share_ppm(a_phase(who=("internal",)), attribute_share=0.0, previous_ppm=0) == 0
    assert hash_share_ppm(a_phase(who=("everyone",), exposure=1.0), attribute_share=0.3, previous_ppm=5) == 1_000_000


def test_the_contrast_is_the_newly_exposed_interval_against_the_never_exposed_one() -> None:
    state = a_rollout(phase=2)
    contrast = contrast_of(state)
    assert (contrast.treatment, contrast.control) == (
        Interval(start=200_000, end=500_000),
        Interval(start=500_000, end=1_000_000),
    )
    assert (contrast.version_from, contrast.version_to) == (3, None)
    earlier = contrast_of(state, 1)
    assert (earlier.treatment, earlier.version_to) == (Interval(start=0, end=200_000), 3)


def test_no_contrast_in_a_phase_of_named_audiences_nor_after_everybody_is_exposed() -> None:
    assert not contrast_of(a_rollout(phase=0)).is_randomised
    assert not contrast_of(a_rollout(phase=3)).is_randomised
    assert contrast_of(a_rollout(phase=1)).is_randomised


def test_resume_goes_back_to_where_the_pause_began() -> None:
    watching = a_rollout(phase=3)
    assert resume(pause(watching, reason="look"), reason="fine").status is Status.WATCHING
    running = a_rollout(phase=1)
    assert resume(pause(running, reason="look"), reason="fine").status is Status.RUNNING


def test_the_last_phase_is_the_watch_and_its_end_is_success() -> None:
    state = a_rollout(phase=3)
    done = advance(state, snapshot_version=9, measured_attribute_share=0.0, now=NOON + hours(1), reason="watched")
    assert done.status is Status.SUCCEEDED
    assert done.ended_at == NOON + hours(1)
    assert done.phases == state.phases


def test_a_rollback_settles_with_its_outcome() -> None:
    state = roll_back(a_rollout(), reason="harm", actor="ebbgate", off_version=7, now=NOON, machine_now=NOON)
    assert state.status is Status.ROLLING_BACK
    settled = settle(state, RollbackOutcome.RECOVERED, reason="all back", now=NOON + hours(2))
    assert settled.status is Status.ROLLED_BACK
    assert settled.rollback is not None
    assert settled.rollback.outcome is RollbackOutcome.RECOVERED


def test_an_aborted_rollout_is_over() -> None:
    state = abort(a_rollout(), reason="changed our mind", now=NOON)
    assert state.is_over
    with pytest.raises(TransitionError):
        pause(state, reason="too late")


def test_a_rollback_ends_the_contrast_of_its_phase() -> None:
    state = roll_back(a_rollout(), reason="harm", actor="x", off_version=7, now=NOON, machine_now=NOON)
    assert contrast_of(state).version_to == 7


def test_a_plan_of_one_phase_watches_at_once() -> None:
    plan = a_plan()
    assert a_rollout(phase=0, plan=msgspec.structs.replace(plan, phases=plan.phases[-1:])).status is Status.WATCHING
