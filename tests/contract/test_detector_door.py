"""The detector's door: lines in, lines out, over the store's own summariser."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from math import log
from threading import Timer
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


@pytest.mark.parametrize("kind", ["mean", "quantile"])
def test_d5_values_that_no_metric_can_use_are_no_observations(kind: str) -> None:
    """Python's json writes NaN and Infinity bare; a finite value may be too large for any sum of squares."""
    first, second = looks(kind, 1.0, 2)
    spoilt = {**first, "treatment": [float("nan"), *first["treatment"], float("inf"), 1e200, None, 1.2e308, -1.2e308]}
    assert told(a_start(kind=kind), spoilt, second) == told(a_start(kind=kind), first, second)
    longest = json.dumps(first).replace('"control": [', '"control": [1e999, -Infinity, ' + "9" * 400 + ", ")
    assert told(a_start(kind=kind), longest.encode(), second) == told(a_start(kind=kind), first, second)


def test_d5_a_pair_with_a_number_that_is_missing_is_no_observation() -> None:
    look = {"op": "look", "treatment": [[1, 4], [float("nan"), 4], [1, float("inf")], [None, 2]], "control": [[1, 4]]}
    assert told(a_start(kind="ratio"), look) == told(a_start(kind="ratio"), {**look, "treatment": [[1, 4]]})


def test_whatever_a_line_makes_fail_is_an_error_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import ebbgate.doors.detector as door

    rollout = looks("mean", 1.0, 3)
    clean = told(a_start(kind="mean"), *rollout)

    def broken(guardrail: Any, evidence: Any, block: Any) -> Any:
        if block.treatment.n == 7:
            raise OverflowError("too large")
        return fold(guardrail, evidence, block)

    fold = door.fold
    monkeypatch.setattr(door, "fold", broken)
    spoilt = told(a_start(kind="mean"), rollout[0], {**rollout[2], "treatment": [9.0] * 7}, *rollout[1:])
    assert spoilt.pop(2) == {"error": "too large"}
    assert spoilt == clean


def test_a_start_that_cannot_be_used_leaves_the_rollout_that_runs() -> None:
    first, second = looks("mean", 1.0, 2)
    spoilt = told(a_start(kind="mean"), first, a_start(kind="mean", tolerate=-1.0), second)
    assert [answer for answer in spoilt if "error" not in answer] == told(a_start(kind="mean"), first, second)


def test_what_is_tolerated_beyond_all_numbers_is_an_error_and_not_null() -> None:
    answer = told(a_start(kind="mean", tolerate=1.7e308), *looks("mean", 1.0, 2))
    assert all("error" in found or found.get("log_e", 0.0) is not None for found in answer)


def test_a_day_of_looks_is_answered_line_by_line_over_a_pipe() -> None:
    """360 looks of 400 units, for means, whose summary is the longest; a look is sent when the one before it has been
    answered, so that an answer that is not flushed ends in the guard. They take some seconds; the guard is for a loaded
    machine, and five times what is promised."""
    chance = random.Random(8)
    seconds = [chance.lognormvariate(4, 1) for _ in range(400)]
    started = a_start(kind="mean", bad="decrease")
    with subprocess.Popen(
        [sys.executable, "-m", "ebbgate.doors.detector"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        guard = Timer(50, process.kill)
        guard.start()
        try:
            for number in range(-1, 360):
                chance.shuffle(seconds)
                allocation = (0.05, 0.2, 0.5)[max(number, 0) // 120]
                new = round(400 * allocation)
                look = {"op": "look", "minute": number, "phase": max(number, 0) // 120, "allocation": allocation}
                sent = started if number < 0 else {**look, "treatment": seconds[:new], "control": seconds[new:]}
                process.stdin.write(json.dumps(sent).encode() + b"\n")
                process.stdin.flush()
                answer = process.stdout.readline()
                assert answer.endswith(b"\n"), f"look {number} was not answered in time"
                assert "error" not in json.loads(answer), answer
            process.stdin.close()
            assert process.stdout.read() == b""
            assert process.wait() == 0
        finally:
            guard.cancel()
            process.kill()
    assert set(json.loads(answer)) == {"decision", "log_e", "interval"}
