"""Generated code gives what the closures give, for any rule and any context."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ebbgate.core.audiences.compiler import KNOWN_OPERATORS
from ebbgate.core.errors import FlagDocumentError
from ebbgate.core.flags import EvaluationDetails, parse_document
from ebbgate.core.flags.compiled import CompiledFlag, variant_name
from ebbgate.core.flags.evaluate import Evaluator

VARIANTS = {"on": True, "off": False, "true": True, "1": False}
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-2, 2)
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(
        ["targetingKey", "$flagd.timestamp", "on", "off", "a", "a.b", "", "0", "1", "1.2.3", "^", "\ud800"]
    )
)
operators = sorted(KNOWN_OPERATORS)
inner_rules = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.builds(lambda name, raw: {name: raw}, st.sampled_from(operators), inner | st.lists(inner, max_size=4))
    ),
    max_leaves=10,
)
# What people write: properties against constants, joined, in an `if`, with a percentage.
names = st.sampled_from(["targetingKey", "a", "b", "tags", "n"])
properties = st.builds(lambda name: {"var": name}, names) | st.builds(lambda name: {"var": [name]}, names)
texts = st.sampled_from(["x", "y", "1", "", "on", "u1", "[object Object]"])
constants = texts | st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0, float("nan"), 2**60])
comparisons = st.builds(
    lambda name, left, right, swapped: {name: [right, left] if swapped else [left, right]},
    st.sampled_from(["==", "===", "!=", "!==", "<", "<=", ">", ">=", "in", "starts_with", "ends_with"]),
    properties | inner_rules,
    constants | st.lists(constants, max_size=3),
    st.booleans(),
)
conditions = st.recursive(
    comparisons | properties | st.builds(lambda name: {"===": [{"var": name}, {"cat": [{"var": name}]}]}, names),
    lambda inner: (
        st.builds(lambda name, parts: {name: parts}, st.sampled_from(["and", "or"]), st.lists(inner, max_size=4))
        | st.builds(lambda name, part: {name: [part]}, st.sampled_from(["!", "!!"]), inner)
        | st.sampled_from([{"$ref": "one"}, {"$ref": "two"}])
    ),
    max_leaves=6,
)
keys = st.sampled_from([{"var": "targetingKey"}, {"cat": ["salt:", {"var": "targetingKey"}]}, {"var": "a"}, "fixed"])
entries = st.lists(st.tuples(st.sampled_from(["on", "off", None, True, 1, "gone"]), st.integers(-1, 50)), max_size=4)
shares = st.builds(
    lambda key, rows: {"fractional": ([] if key is None else [key]) + [list(row) for row in rows]},
    st.none() | keys,
    entries,
)
results = st.sampled_from(["on", "off", None, True, False, 1, "gone", 1.0]) | shares | inner_rules
choices = st.recursive(
    results,
    lambda inner: st.builds(
        lambda pairs, rest: {"if": [item for pair in pairs for item in pair] + rest},
        st.lists(st.tuples(conditions, inner), max_size=4),
        st.lists(inner, max_size=1),
    ),
    max_leaves=6,
)
# Long ladders of branches that ask for the same attributes' texts, which generated code answers by tables.
asked_texts = st.builds(
    lambda name, found: {name: [{"var": found[0]}, found[1] if name == "in" else found[1][0]]},
    st.sampled_from(["in", "==", "==="]),
    st.tuples(st.sampled_from(["a", "a", "b", "tags"]), st.lists(texts, min_size=1, max_size=3)),
)
ladders = st.builds(
    lambda pairs, rest: {"if": [item for tests, then in pairs for item in ({"and": tests}, then)] + [rest]},
    st.lists(
        st.tuples(st.lists(asked_texts | asked_texts | conditions, min_size=1, max_size=3), results),
        min_size=3,
        max_size=6,
    ),
    results,
)
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)
strange = values | st.builds(object) | st.tuples(values) | st.binary(max_size=4) | st.sets(st.integers(), max_size=3)
attributes = texts | strange
contexts = (
    st.none()
    | st.dictionaries(names | st.text(max_size=2), strange, max_size=5)
    | st.fixed_dictionaries({"a": attributes, "b": attributes}, optional={"tags": attributes, "targetingKey": texts})
)


def same(left: Any, right: Any) -> bool:
    """Equal as answers; NaN is itself."""
    return repr(left) == repr(right)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    rule=choices | inner_rules | ladders,
    evaluators=st.fixed_dictionaries({"one": conditions, "two": inner_rules}),
    rows=st.lists(contexts, min_size=1, max_size=4),
    expected=st.sampled_from(["boolean", "integer", None]),
    bucketing=st.sampled_from(["v2", "v3"]),
    default_variant=st.sampled_from(["off", None]),
)
def test_generated_code_answers_as_the_closures_do(
    rule: Any, evaluators: Any, rows: Any, expected: Any, bucketing: Any, default_variant: Any
) -> None:
    targeting = rule if isinstance(rule, dict) else {"if": [True, rule]}
    flag = {"state": "ENABLED", "variants": VARIANTS, "defaultVariant": default_variant, "targeting": targeting}
    try:
        document = parse_document({"flags": {"f": flag}, "$evaluators": evaluators})
    except FlagDocumentError:
        return
    compiled = CompiledFlag("f", document.flags["f"], metadata={}, evaluators=document.evaluators, bucketing=bucketing)
    generated, closures = compiled.entry(expected), compiled.reference(expected)
    for context in rows:
        assert not isinstance(generated, EvaluationDetails)
        assert not isinstance(closures, EvaluationDetails)
        assert same(generated("d", context, 7), closures("d", context, 7))
    evaluator = Evaluator(document, bucketing=bucketing)
    for context in rows:
        explained = evaluator.explain("f", context, timestamp=7)
        assert same(explained.details, evaluator.evaluate("f", None, context, None, timestamp=7))
        if explained.path is not None:
            value, variant = explained.path.value, explained.details.variant
            named = default_variant if value is None else variant_name(value)
            assert named == variant or explained.details.error_code == "GENERAL"


def wide_rule(branches: int) -> dict[str, Any]:
    tests = [{"==": [{"var": "n"}, number]} for number in range(branches)]
    return {"if": [item for test in tests for item in (test, "on")] + ["off"]}


@pytest.mark.parametrize("branches", [10, 1_000, 5_000])
def test_a_rule_of_any_permitted_size_is_answered(branches: int) -> None:
    flag = {"state": "ENABLED", "variants": VARIANTS, "defaultVariant": "off", "targeting": wide_rule(branches)}
    evaluator = Evaluator({"flags": {"f": flag}})
    answers = [evaluator.evaluate("f", None, {"n": n}, "boolean").variant for n in (0, branches - 1, branches)]
    assert answers == ["on", "on", "off"]


@pytest.mark.parametrize("branches", [3, 30, 31, 100])
def test_branches_that_share_attributes_answer_in_their_order(branches: int) -> None:
    rows = [([f"c{n % 7}", f"c{n % 5}"], f"p{n % 11}", n % 3) for n in range(branches)]
    arguments: list[Any] = []
    for number, (countries, plan, least) in enumerate(rows):
        tests = [
            {"in": [{"var": "country"}, countries]},
            {"===": [plan, {"var": "plan"}]},
            {">": [{"var": "n"}, least]},
        ]
        arguments += [{"and": tests if number % 4 else tests[1:]}, f"v{number}"]
    rule = {"if": arguments}
    variants = {f"v{number}": number for number in range(branches)}
    evaluator = Evaluator({"flags": {"f": {"state": "ENABLED", "variants": variants, "targeting": rule}}})
    for country, plan, n in itertools.product([None, "c0", "c4", "c6", 3], ["p0", "p3", "p10", ["p3"]], range(4)):
        found = evaluator.evaluate("f", -1, {"country": country, "plan": plan, "n": n}, "integer")
        wanted = (
            number
            for number, (countries, asked, least) in enumerate(rows)
            if (number % 4 == 0 or country in countries) and plan == asked and n > least
        )
        assert found.value == next(wanted, -1)


def test_a_deeply_nested_rule_is_answered() -> None:
    rule: Any = "on"
    for depth in range(45):
        rule = {"if": [{"!": [{"!": [{"==": [{"var": "n"}, depth]}]}]}, "off", rule]}
    nested: Any = {"var": "x"}
    for _ in range(40):
        nested = {"!": [{"+": [1, nested]}]}
    flag = {"state": "ENABLED", "variants": VARIANTS, "defaultVariant": "off"}
    flags = {"f": {**flag, "targeting": rule}, "g": {**flag, "targeting": {"if": [nested, "on", "off"]}}}
    evaluator = Evaluator({"flags": flags})
    assert evaluator.evaluate("f", None, {"n": 44}, "boolean").variant == "off"
    assert evaluator.evaluate("f", None, {"n": 45}, "boolean").variant == "on"
    assert evaluator.evaluate("g", None, {"x": 1}, "boolean").error_code is None
