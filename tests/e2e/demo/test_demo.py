"""Issue acceptance: the demo ends as it should, and otherwise where the world is another.

Real processes, real sockets, plan time: these are slow, and want the machine for themselves.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SEED = os.environ.get("EBBGATE_DEMO_SEED", "1")
"""Any seed must do; a failure prints the one it had."""

WITHIN_S = 240.0


def demo(*options: str) -> tuple[int, dict[str, Any]]:
    """Run `ebbgate demo`, and return its exit status and report."""
    command = [str(Path(sys.executable).parent / "ebbgate"), "demo", "--json", "--plain", "--seed", SEED, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    told = done.stdout.strip().splitlines()
    assert told, f"no report (seed {SEED}):\n{done.stderr[-4000:]}"
    report: dict[str, Any] = json.loads(told[-1])
    print(json.dumps(report, indent=1), f"seed {SEED}", done.stderr[-6000:], sep="\n")
    return done.returncode, report


def test_a_good_version_reaches_everybody_and_a_bad_one_takes_itself_back() -> None:
    status, report = demo()
    first, second = report["acts"]
    assert (first["ended"], second["ended"]) == ("succeeded", "rolled_back (recovered)")
    assert status == 0
    assert report["users"] >= 20_000
    assert report["units"] >= 15_000
    assert second["push_confirmed"] == "32/32"
    assert second["detected_by"] == "errors"
    assert 0 < second["exposed"] < report["units"] / 2


def test_harm_decides_the_end_not_the_act() -> None:
    status, report = demo("--act1", "bad", "--act2", "good")
    assert [act["ended"] for act in report["acts"]] == ["rolled_back (recovered)", "succeeded"]
    assert status == 0


def test_a_tenth_of_the_users_cannot_answer_the_gates_and_ends_in_review() -> None:
    status, report = demo("--users", "2500", "--act", "1")
    assert [act["ended"] for act in report["acts"]] == ["review"]
    assert status == 1


def test_sdks_that_ignore_pushes_leave_the_rollback_unverified() -> None:
    _, report = demo("--act", "2", "--ignore-pushes")
    (act,) = report["acts"]
    assert act["ended"] == "rolled_back (unverified)"
    assert act["push_confirmed"] == "0/32"


def test_harm_that_persists_after_the_flag_is_off_is_not_recovered() -> None:
    _, report = demo("--act", "2", "--harm-persists")
    (act,) = report["acts"]
    assert act["ended"] in ("rolled_back (failed)", "rolled_back (unverified)")
    assert act["push_confirmed"] == "32/32"
