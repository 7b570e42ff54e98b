from datetime import timedelta

import pytest

from ebbgate.core.errors import TransitionError
from ebbgate.core.releases import ReleaseState, ReleaseTrigger, clear, condemn, last_stable, move
from ebbgate.core.releases.retention import choose_kept
from ebbgate.testing.clock import MORNING
from ebbgate.testing.releases import a_release


def test_a_release_climbs_to_stable_and_a_redeploy_keeps_it_there() -> None:
    release = a_release()
    for trigger in (ReleaseTrigger.DEPLOY, ReleaseTrigger.WATCH, ReleaseTrigger.SETTLE, ReleaseTrigger.DEPLOY):
        release = move(release, trigger, at=MORNING)
    assert release.state is ReleaseState.STABLE


def test_a_bad_release_never_becomes_stable_by_itself() -> None:
    bad = condemn(a_release(), reason="it leaks", actor="ada", at=MORNING)
    for trigger in (ReleaseTrigger.WATCH, ReleaseTrigger.SETTLE):
        with pytest.raises(TransitionError):
            move(bad, trigger, at=MORNING)
    assert move(bad, ReleaseTrigger.DEPLOY, at=MORNING).is_bad
    assert clear(bad, at=MORNING).state is ReleaseState.BUILT


def test_the_first_reason_of_a_quarantine_stays() -> None:
    bad = condemn(a_release(), reason="it leaks", actor="ada", at=MORNING)
    assert condemn(bad, reason="other", actor="bob", at=MORNING) == bad


def test_the_last_stable_release_is_the_newest_that_finished_its_watch_and_is_not_bad() -> None:
    """RULES H4."""
    old = a_release("v1.0.0", number=1, state=ReleaseState.STABLE, stable_at=MORNING)
    late = a_release("v1.1.0", number=2, state=ReleaseState.STABLE, stable_at=MORNING + timedelta(days=9))
    bad = a_release("v1.2.0", number=3, state=ReleaseState.BAD, stable_at=MORNING + timedelta(days=10))
    new = a_release("v1.3.0", number=4, state=ReleaseState.WATCHING)
    assert last_stable([new, bad, late, old]) == late
    assert last_stable([new, bad, late, old], but=late.id) == old
    assert last_stable([new, bad]) is None


def test_pruning_keeps_what_a_way_back_may_need() -> None:
    releases = [a_release(f"v1.{n}.0", number=n) for n in range(1, 9)]
    releases[1] = a_release("v1.2.0", number=2, state=ReleaseState.STABLE, stable_at=MORNING)
    releases[2] = a_release("v1.3.0", number=3, is_pinned=True)
    chosen = choose_kept(releases, keep=1, current={"dash@v1.4.0"}, referenced={"dash@v1.5.0": "rollout x-1 is open"})
    kept = {line.release: line.why for line in chosen if line.is_kept}
    assert kept == {
        "dash@v1.8.0": "it is one of the newest 1",
        "dash@v1.5.0": "rollout x-1 is open",
        "dash@v1.4.0": "it is deployed now",
        "dash@v1.3.0": "it is pinned",
        "dash@v1.2.0": "it is the last stable one",
    }


def test_pruning_keeps_the_stable_release_before_the_last_one() -> None:
    """RULES H4: a release that succeeded may be taken back by a person, and then the one before it comes back."""
    releases = [a_release(f"v1.{n}.0", number=n) for n in range(1, 9)]
    for n in (1, 2, 3):
        at = MORNING + timedelta(days=n)
        releases[n - 1] = a_release(f"v1.{n}.0", number=n, state=ReleaseState.STABLE, stable_at=at)
    last = last_stable(releases)
    assert last is not None
    kept = {one.release: one.why for one in choose_kept(releases, keep=0, current=(), referenced={}) if one.is_kept}
    assert kept == {
        "dash@v1.3.0": "it is the last stable one",
        "dash@v1.2.0": "it is the stable one before the last, should that be taken back",
    }
    assert last_stable(releases, but=last.id) == releases[1]
