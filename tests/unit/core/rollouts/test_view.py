"""What is so, in one sentence."""

import msgspec
import pytest

from ebbgate.core.rollouts.plan import Phase
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.core.rollouts.view import sentence_of
from ebbgate.testing.rollouts import NOON, a_plan, a_rollout, hours


def in_the_last_phase(exposure: float, *, status: Status, holdout: float = 0.0) -> RolloutState:
    early = Phase(name="early", exposure=0.1, who=("random",), stay_min=hours(24))
    last = Phase(name="last", exposure=exposure, who=("random",), stay_min=hours(0))
    plan = a_plan(phases=(early, last), watch=hours(48), holdout=holdout)
    return a_rollout(phase=1, plan=plan, status=status, reason="the watch ended without harm")


@pytest.mark.parametrize(
    ("exposure", "holdout", "who"),
    [
        (0.3, 0.0, "30% of users have"),
        (0.125, 0.0, "12.5% of users have"),
        (1.0, 0.0, "Everybody has"),
        (1.0, 0.05, "Everybody but the holdout has"),
    ],
)
def test_a_rollout_that_ends_below_everybody_never_says_everybody(exposure: float, holdout: float, who: str) -> None:
    watching = in_the_last_phase(exposure, status=Status.WATCHING, holdout=holdout)
    assert sentence_of(watching, None, now=NOON) == f"{who} it. The watch ends in 2d."
    succeeded = in_the_last_phase(exposure, status=Status.SUCCEEDED, holdout=holdout)
    expected = f"The watch ended without harm; {who[0].lower()}{who[1:]} the new version."
    assert sentence_of(succeeded, None, now=NOON) == expected
    released = msgspec.structs.replace(succeeded, holdout_ended_at=NOON)
    assert "holdout" not in sentence_of(released, None, now=NOON)
