"""The detector's door: lines in, lines out, over the store's own summariser."""

import json
import random
from collections.abc import Callable
from io import BytesIO
from math import log
from typing import Any

import pytest

from ebbgate.doors.detector import serve

KINDS: dict[str, Callable[[random.Random, float], Any]] = {
    "proportion": lambda chance, worse: int(chance.random() < 0.1 * worse),
    "mean": lambda chance, worse: worse * chance.lognormvariate(4, 0.5),
    "quantile": lambda chance, worse: worse * chance.lognormvariate(4, 0.5),
    "ratio": lambda chance, worse: [sum(chance.random() < 0.1 * worse for _ in range(4)), 4],
}


def told(*lines: Any) -> list[Any]:
    source = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    sink = BytesIO()
    serve(BytesIO(source), sink)
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def a_start(**spec: Any) -> dict[str, Any]:
    return {"op": "start", "spec": {"kind": "proportion", "bad": "increase", "alpha": 0.05, "phases": [0.05], **spec}}


def looks(kind: str, worse: float, n: int = 8) -> list[dict[str, Any]]:
    chance, draw = random.Random(7), KINDS[kind]
    return [
        {
            "op": "look",
            "minute": minute,
            "phase": minute // 4,
            "allocation": 0.3,
            "treatment": [draw(chance, worse) for _ in range(60)],
            "control": [draw(chance, 1.0) for _ in range(140)],
        }
        for minute in range(n)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_harm_far_beyond_what_is_tolerated_is_rolled_back_and_stays_so(kind: str) -> None:
    started, *answers = told(a_start(kind=kind, tolerate=0.1, quantile=0.5), *looks(kind, 3.0))
    assert started["threshold"] == pytest.approx(log(20))
    assert answers[-1]["decision"] == "rollback"
    assert answers[-1]["log_e"] > log(20)
    first = [answer["decision"] for answer in answers].index("rollback")
    assert all(answer["decision"] == "rollback" for answer in answers[first:])
    low, high = answers[-1]["interval"]
    assert 0 < low < high


@pytest.mark.parametrize("kind", KINDS)
def test_no_effect_goes_on_and_the_other_direction_is_no_harm(kind: str) -> None:
    assert all(answer["decision"] == "continue" for answer in told(a_start(kind=kind), *looks(kind, 1.0))[1:])
    better = told(a_start(kind=kind, bad="decrease"), *looks(kind, 3.0))[1:]
    assert all(answer["decision"] == "continue" for answer in better)


def test_a_bad_line_is_answered_with_an_error_and_changes_nothing() -> None:
    first, *rest = looks("proportion", 1.0, 3)
    clean = told(a_start(), first, *rest)
    pair = {**first, "treatment": [[1, 2]]}
    spoilt = told(a_start(), first, b"garbage", b"{", {"op": "look", "treatment": "x"}, pair, {"op": "what"}, *rest)
    assert [answer for answer in spoilt if "error" not in answer] == clean
    assert sum("error" in answer for answer in spoilt) == 5


def test_a_look_before_any_start_is_an_error() -> None:
    assert "error" in told(looks("mean", 1.0, 1)[0])[0]


def test_a_start_begins_anew() -> None:
    rollout = [a_start(kind="mean"), *looks("mean", 1.0, 4)]
    answers = told(*rollout, *rollout)
    assert answers[:5] == answers[5:]


def test_missing_values_and_pairs_without_a_denominator_are_no_observations() -> None:
    look = {"op": "look", "minute": 0, "phase": 0, "treatment": [[1, 4], None, [3, 0]], "control": [[1, 4], [0, 4]]}
    same = {**look, "treatment": [[1, 4]]}
    assert told(a_start(kind="ratio"), look)[1] == told(a_start(kind="ratio"), same)[1]


def test_an_empty_look_says_nothing() -> None:
    answer = told(a_start(kind="quantile"), {"op": "look", "minute": 0, "phase": 0, "treatment": [], "control": []})[1]
    assert answer == {"decision": "continue", "log_e": 0.0, "interval": None}
