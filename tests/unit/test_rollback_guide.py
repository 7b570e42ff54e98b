"""docs/guides/rollbacks.md shows the moves that the table of the saga can make, and no others."""

import re
from itertools import product
from pathlib import Path

from ebbgate.core.releases import DeploymentStatus
from ebbgate.core.rollbacks import SAGA, End, Go, next_move
from ebbgate.core.rollouts.look import DeploymentSeen, RollbackFacts, StageTwo
from ebbgate.core.rollouts.recovery import Propagation, Recovery
from ebbgate.core.rollouts.state import RollbackOutcome, RollbackStep

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "rollbacks.md"
PROOFS = (
    Propagation(confirmed=1, expected=1, unproven=0),
    Propagation(confirmed=0, expected=1, unproven=0, stragglers=("app",)),
    Propagation(confirmed=0, expected=0, unproven=1),
)
STAGES = (StageTwo(), StageTwo(release="dash@v1"))
SEEN = [
    RollbackFacts(
        proof=proof,
        is_late=late,
        flag_error=error,
        stage_two=stage,
        deployment=DeploymentSeen(release="d", status=s),
    )
    for proof, late, error, stage, s in product(PROOFS, (False, True), ("", "full"), STAGES, DeploymentStatus)
]
RECOVERIES = [Recovery(outcome=outcome, reason="so") for outcome in (None, *RollbackOutcome)]


def moves() -> set[tuple[str, str]]:
    """(from, to) of every move that anything seen leads to."""
    found = set()
    for step, seen, recovery in product(SAGA, SEEN, RECOVERIES):
        move = next_move(step, seen, recovery)
        if isinstance(move, Go):
            found.add((step.value, move.step.value))
        elif isinstance(move, End):
            found.add((step.value, RollbackStep.DONE.value))
    return found


def test_the_documented_moves_are_those_of_the_table() -> None:
    section = GUIDE.read_text(encoding="utf-8").partition("| from | what is seen | to |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (\w+) \| .+ \| (\w+) \|$", section, re.MULTILINE)
    assert set(rows) == moves()


def test_every_step_is_explained() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for step in RollbackStep:
        assert step.value.replace("_", " ") in text
