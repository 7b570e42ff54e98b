"""RULES A3: what ruff's list of banned calls cannot see: clocks inside SQL and scripts."""

import re
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "ebbgate"
CLOCKS = re.compile(
    r"(?<![\w.])now\(\)|\bcurrent_timestamp\b|\bget_current_time|\bcurrent_date\b|\btoday\(\)"
    r"|\bnew Date\(\)|\bDate\.now\(",
    re.IGNORECASE,
)
NAMED = {"bootstrap/clocks.py", "sdk/clock.py"}
SAMPLES = {"core/rollouts/plan_template.py"}  # text for the reader's own application, which has its own clock


def test_no_sql_or_script_reads_a_clock() -> None:
    found = [
        f"{path.relative_to(SOURCE)}: {match.group()}"
        for path in sorted(SOURCE.rglob("*"))
        if path.suffix in {".py", ".sql", ".js", ".ts"} and path.relative_to(SOURCE).as_posix() not in NAMED | SAMPLES
        for match in CLOCKS.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_the_rule_would_see_one() -> None:
    assert CLOCKS.search("SELECT now() - INTERVAL 1 DAY")
    assert CLOCKS.search("const t = new Date()")
    assert not CLOCKS.search("clock.plan_now()")
