"""Compiled rules: the fast closures say what the general operators say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebbgate.core.audiences import RuleError, compile_rule
from ebbgate.core.audiences.coercion import join_text, number_text, parse_float, to_number, truthy
from ebbgate.core.audiences.operators import FUNCTIONS, TESTS

found = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("ab1.", max_size=3)
found = found | st.lists(found, max_size=2)
written = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab1.", max_size=3)


@given(
    name=st.sampled_from(["==", "!=", "===", "!==", "<", "<=", ">", ">=", "in", "starts_with", "ends_with"]),
    value=found,
    constant=written | st.lists(written, max_size=3),
    swapped=st.booleans(),
)
def test_a_property_against_a_constant_is_the_operator_on_both(
    name: str, value: Any, constant: Any, swapped: bool
) -> None:
    operator = {**TESTS, **FUNCTIONS}[name]
    arguments = [constant, {"var": "x"}] if swapped else [{"var": "x"}, constant]
    expected = operator(constant, value) if swapped else operator(value, constant)
    assert compile_rule({name: arguments}).call({"x": value}) is expected


@given(values=st.lists(found, min_size=1, max_size=5), plain=st.lists(st.booleans(), min_size=5, max_size=5))
def test_and_gives_the_first_false_value_and_or_the_first_true_one(values: list[Any], plain: list[bool]) -> None:
    """Whether written as properties, which need a test for truth, or as texts, which do not."""
    shown = [join_text(value) if flat else value for value, flat in zip(values, plain, strict=False)]
    parts = [{"cat": [{"var": str(index)}]} if plain[index] else {"var": str(index)} for index in range(len(values))]
    data = {str(index): value for index, value in enumerate(values)}
    assert compile_rule({"and": parts}).call(data) == next((item for item in shown if not truthy(item)), shown[-1])
    assert compile_rule({"or": parts}).call(data) == next((item for item in shown if truthy(item)), shown[-1])


@given(tests=st.lists(st.lists(found, min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_nested_else_if_is_the_flat_one(tests: list[list[Any]]) -> None:
    data = {f"{row}-{column}": value for row, part in enumerate(tests) for column, value in enumerate(part)}
    nested: Any = "rest"
    for row in reversed(range(len(tests))):
        parts = [{"!!": [{"var": f"{row}-{column}"}]} for column in range(len(tests[row]))]
        nested = {"if": [{"and": parts}, f"row {row}", nested]}
    wanted = next((f"row {row}" for row, part in enumerate(tests) if all(map(truthy, part))), "rest")
    assert compile_rule(nested).call(data) == wanted


@pytest.mark.parametrize(
    ("rule", "needs"),
    [
        ({"var": "email"}, False),
        ({"var": "$flagd.flagKey"}, False),
        ({"var": "$flagd.timestamp"}, True),
        ({"var": "$flagd"}, True),
        ({"var": ""}, True),
        ({"var": {"cat": ["$flagd", ".timestamp"]}}, True),
        ({"missing": ["$flagd.timestamp"]}, True),
        ({"map": [{"var": "l"}, {"var": ""}]}, False),
    ],
)
def test_a_rule_says_whether_it_reads_flagds_own_properties(rule: Any, needs: bool) -> None:
    assert compile_rule(rule).needs_flagd is needs


@pytest.mark.parametrize("rule", [{"frobnicate": []}, {"if": [{"$ref": "nobody"}, 1]}, {"$ref": 5}])
def test_an_unknown_operator_or_reference_is_a_typed_error(rule: Any) -> None:
    with pytest.raises(RuleError):
        compile_rule(rule)


def test_references_resolve_inside_references() -> None:
    evaluators = {"a": {"!": [{"$ref": "b"}]}, "b": {"==": [{"var": "x"}, 1]}}
    assert compile_rule({"$ref": "a"}, evaluators=evaluators).call({"x": 2}) is True


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (1.5e-07, "1.5e-7"),
        (1e-06, "0.000001"),
        (float("inf"), "Infinity"),
        (float("nan"), "NaN"),
        (-2.5, "-2.5"),
        (1.25e25, "1.25e+25"),
        (123456.789, "123456.789"),
    ],
)
def test_a_number_prints_as_in_javascript(number: float, text: str) -> None:
    assert number_text(number) == text


@pytest.mark.parametrize(
    ("text", "number"), [("", 0), (" 12 ", 12), ("0x10", 16), ("1e3", 1000), ("-1.5", -1.5), (".5", 0.5), ("0b11", 3)]
)
def test_a_text_reads_as_a_number_as_in_javascript(text: str, number: float) -> None:
    assert to_number(text) == number


@pytest.mark.parametrize("text", ["1_000", "inf", "nan", "1a", "0x", "٣", "- 1", "true"])
def test_what_python_alone_takes_for_a_number_is_none(text: str) -> None:
    assert to_number(text) != to_number(text)


def test_the_beginning_of_a_text_is_enough_to_add_it() -> None:
    assert parse_float("3.14abc") == 3.14
    assert parse_float("") != parse_float("")


@pytest.mark.parametrize(
    ("value", "truth"), [([], False), ({}, True), ("0", True), (float("nan"), False), (-0.0, False)]
)
def test_truth_is_jsonlogics(value: Any, truth: bool) -> None:
    assert truthy(value) is truth


def test_numbers_do_not_grow_without_bound() -> None:
    squares = {"reduce": [{"var": "l"}, {"*": [{"var": "accumulator"}, {"var": "accumulator"}]}, 10]}
    assert compile_rule(squares).call({"l": list(range(64))}) == float("inf")
