"""docs/guides/rules.md names a test for every rule and every edge case, and each of them exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in (ROOT / "docs" / "guides" / "rules.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("|") and not set(line) <= set("|- ")
]
NAMED = sorted({name for row in ROWS for name in re.findall(r"`([\w/]+\.py::\w+)`", row[-1])})
RULES = [
    f"{letter}{n}" for letter, count in (("C", 4), ("D", 5), ("E", 7), ("F", 7), ("G", 3)) for n in range(1, count + 1)
]
EDGE_CASES = 26


@cache
def functions_of(path: str) -> frozenset[str]:
    file = ROOT / "tests" / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("named", NAMED)
def test_every_test_that_the_rules_name_exists(named: str) -> None:
    path, name = named.split("::")
    assert name in functions_of(path)


def test_every_rule_from_c_to_g_and_every_edge_case_has_a_test() -> None:
    tested = [row for row in ROWS if re.search(r"\.py::", row[-1])]
    assert [row[0] for row in tested if len(row) == 3] == RULES
    assert len([row for row in tested if len(row) == 2]) == EDGE_CASES
    untold = [row for row in ROWS if row not in tested and row[0] not in ("rule", "case")]
    assert not untold
