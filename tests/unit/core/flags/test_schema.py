"""flagd's schema: what its samples accept passes, what they refuse is found, with its path."""

from typing import Any

import pytest

from ebbgate.core.flags.schema import check_document, check_rule

FLAG = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"if": [True]},
        {"if": [{"$ref": "staff"}, "on", {"if": [False, "off", None]}]},
        {"!": True},
        {"<=": [1, {"var": "age"}, 9]},
        {"+": ["3.14"]},
        {"max": [1, 2, 3]},
        {"reduce": [{"var": "l"}, {"+": [{"var": "current"}, {"var": "accumulator"}]}, 0]},
        {"some": [[-1, 0], {">": [{"var": ""}, 0]}]},
        {"merge": [1, [2, 3]]},
        {"substr": ["text", 1, 3]},
        {"var": ["color", "none"]},
        {"var": "$flagd.timestamp"},
        {"missing_some": [1, ["a", "b"]]},
        {"sem_ver": [{"var": "version"}, "^", "2.0.0-rc.1+build"]},
        {"fractional": [["heads"], ["tails", 1]]},
        {"fractional": [["only", 1]]},
        {"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "email"}]}, ["a", {"-": [1, 0]}], [True, 2]]},
        {"fractional": [[{"fractional": [["a", 1], ["b", 1]]}, 1], [None, 0], [1, 3]]},
    ],
)
def test_what_the_schema_allows_has_no_findings(rule: Any) -> None:
    assert check_rule(rule) == []


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ([], "$"),
        ({"not-a-rule": [1, 2]}, "$.not-a-rule"),
        ({"if": [{"==": [1]}, "on"]}, "$.if[0].=="),
        ({"if": [{"==": [1, 2], "!=": [1, 2]}]}, "$.if[0]"),
        ({"ends_with": [{"var": "id"}, 0]}, "$.ends_with[1]"),
        ({"starts_with": [{"var": "id"}]}, "$.starts_with"),
        ({"==": [{"var": "$flagd.other"}, 1]}, "$.==[0].var"),
        ({"sem_ver": [{"var": "v"}, "=", "2.0.0.0"]}, "$.sem_ver[2]"),
        ({"sem_ver": [{"var": "v"}, "*", "2.0.0"]}, "$.sem_ver[1]"),
        ({"fractional": ["text", ["a", 1]]}, "$.fractional[0]"),
        ({"fractional": [["a", 25], ["b", "25"]]}, "$.fractional[1][1]"),
        ({"fractional": [["a", 25], ["b", -25]]}, "$.fractional[1][1]"),
        ({"fractional": [["a", 25.5], ["b", 1]]}, "$.fractional[0][1]"),
        ({"fractional": [["a", 2**31]]}, "$.fractional[0][1]"),
        ({"fractional": [{"var": "x"}]}, "$.fractional"),
        ({"fractional": [[["a"], 1]]}, "$.fractional[0]"),
        ({"$ref": 5}, "$.$ref"),
        ({"missing": ["a", 1]}, "$.missing"),
        ({"missing_some": ["1", ["a"]]}, "$.missing_some"),
        ({"var": 5}, "$.var"),
    ],
)
def test_what_the_schema_refuses_is_found_where_it_stands(rule: Any, path: str) -> None:
    assert [finding.path for finding in check_rule(rule)] == [path]


def test_a_rule_without_end_is_refused_not_followed() -> None:
    rule: Any = True
    for _ in range(5_000):
        rule = {"!": [rule]}
    assert "deep" in check_rule(rule)[0].message


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], "$"),
        ({}, "$.flags"),
        ({"flags": {"f": {}}}, "$.flags.f.state"),
        ({"flags": {"": FLAG}}, "$.flags"),
        ({"flags": {"f": {**FLAG, "state": "ON"}}}, "$.flags.f.state"),
        ({"flags": {"f": {**FLAG, "variants": {}}}}, "$.flags.f.variants"),
        ({"flags": {"f": {"state": "ENABLED"}}}, "$.flags.f.variants"),
        ({"flags": {"f": {**FLAG, "variants": {"on": True, "off": "no"}}}}, "$.flags.f.variants"),
        ({"flags": {"f": {"state": "ENABLED", "variants": {"big": 2**53}}}}, "$.flags.f.variants.big"),
        ({"flags": {"f": {**FLAG, "defaultVariant": "gone"}}}, "$.flags.f.defaultVariant"),
        ({"flags": {"f": {**FLAG, "defaultVariant": 1}}}, "$.flags.f.defaultVariant"),
        ({"flags": {"f": {**FLAG, "targeting": {"nonsense": 1}}}}, "$.flags.f.targeting.nonsense"),
        ({"flags": {"f": {**FLAG, "metadata": {"owners": []}}}}, "$.flags.f.metadata.owners"),
        ({"flags": {}, "metadata": {"flagSetId": 7}}, "$.metadata.flagSetId"),
        ({"flags": {}, "$evaluators": {"e": {"nonsense": 1}}}, "$.$evaluators.e.nonsense"),
        ({"flags": [{**FLAG, "key": ""}]}, "$.flags[0].key"),
        ({"flags": [{**FLAG, "key": "f"}, {**FLAG, "key": "f"}]}, "$.flags[1].key"),
    ],
)
def test_a_document_that_the_schema_refuses_says_where(document: Any, path: str) -> None:
    assert check_document(document)[0].path == path


def test_an_array_of_flags_is_for_the_daemon_only() -> None:
    document = {"flags": [{**FLAG, "key": "f", "targeting": {}}], "metadata": {"flagSetId": "shop", "n": 1}}
    assert check_document(document, form="flagd") == []
    assert check_document(document, form="flags")[0].path == "$.flags"


def test_a_default_may_be_null_or_left_out() -> None:
    left_out = {key: value for key, value in FLAG.items() if key != "defaultVariant"}
    assert check_document({"flags": {"a": left_out, "b": {**FLAG, "defaultVariant": None}}}) == []
