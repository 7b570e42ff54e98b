"""Issue acceptance: the demo ends as it should, and otherwise where the world is another.

Real processes, real sockets, plan time: these are slow, and want the machine for themselves; beside them runs only what
gives way (tests/beside.sh).
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SEED = os.environ.get("EBBGATE_DEMO_SEED", "1")
"""Any seed must do; a failure prints the one it had."""

WITHIN_S = 300.0


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
    assert second["recovery"].endswith("32/32 evaluators confirmed, 0 unproven"), "act 1's SDKs said goodbye"
    assert second["detected_by"] == "errors"
    assert 0 < second["exposed"] < report["units"] / 2
    assert 0 < second["harmed"] < report["units"] / 2
    assert (second["incident"], second["incident_status"], second["postmortem"]) == ("INC-1", "stable", "draft")
    caught = f"caught after {second['harmed']:,} users, off on 32/32 in "
    assert second["story"].startswith(caught)
    assert second["story"].endswith(" ms, recovered, post-mortem written (INC-1)")
    asked = {other["rule"]: other["looks"] for other in first["others"]}
    assert set(asked) == {"fixed threshold", "Mann-Whitney", "GrowthBook's test"}
    assert min(asked.values()) >= first["looks"] // 3, "the good version was looked at by them too"
    assert all(other["harmed"] is None for other in first["others"]), "nobody is harmed by a good version"


def test_harm_decides_the_end_not_the_act_whatever_else_breaks() -> None:
    """The flag path does not work, so the release before goes back (RULES H4); control is killed in the middle, and
    every decision comes out the same again (RULES E5, H1). As many people as `plan power` asks for: with fewer, now and
    then the recovery of some guardrail lacks the data to be proven (RULES H3).
    """
    status, report = demo("--act", "1", "--act1", "bad", "--break-flag", "--kill-control")
    (act,) = report["acts"]
    assert act["ended"] == "rolled_back (recovered)"
    assert status == 0
    assert act["push_confirmed"] == "0/32"
    assert (act["redeployed"], act["redeploy_proof"]) == ("claude-code-router@v1.3.2", "served digest")
    assert ", so v1.3.2 was deployed again and answers with its own digest after " in act["story"]
    assert (act["incident_status"], act["postmortem"]) == ("stable", "draft")
    assert (act["kills"], act["replay_differs"]) == (1, 0)
    assert act["replayed"] == act["looks"]


def test_a_tenth_of_the_users_cannot_answer_the_gates_and_ends_in_review() -> None:
    status, report = demo("--users", "2500", "--act", "1", "--hours", "6")
    assert [(act["ended"], act["phase"]) for act in report["acts"]] == [("review", "early")]
    assert status == 1


def test_sdks_that_ignore_pushes_leave_the_rollback_unverified() -> None:
    _, report = demo("--act", "2", "--ignore-pushes", "--users", "12000", "--hours", "6")
    (act,) = report["acts"]
    assert act["ended"] == "rolled_back (unverified)"
    assert act["push_confirmed"] == "0/32"


def test_harm_that_persists_after_the_flag_is_off_is_not_recovered() -> None:
    _, report = demo("--act", "2", "--harm-persists", "--users", "12000", "--hours", "6")
    (act,) = report["acts"]
    assert act["ended"] in ("rolled_back (failed)", "rolled_back (unverified)")
    assert act["push_confirmed"] == "32/32"
    assert (act["incident_status"], act["postmortem"]) == ("active", ""), "it is not over"
