"""The path through a rule, for a person and as data."""

from typing import Any

from ebbgate.core.audiences import bucket
from ebbgate.core.flags import Evaluator

RULE = {
    "if": [
        {"and": [{"$ref": "staff"}, {"==": [{"var": "country"}, "DE"]}]},
        "on",
        {"fractional": [{"cat": ["salt:", {"var": "targetingKey"}]}, ["on", 20], ["off", 80]]},
    ]
}


def an_evaluator(**fields: Any) -> Evaluator:
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off", **fields}
    return Evaluator({"flags": {"f": flag}, "$evaluators": {"staff": {"ends_with": [{"var": "email"}, "@x.io"]}}})


def test_only_the_path_taken_is_told_line_by_line() -> None:
    context = {"targetingKey": "u1", "email": "a@x.io", "country": "FR"}
    explained = an_evaluator(targeting=RULE).explain("f", context)
    fell = bucket("salt:u1", 100)
    variant = "on" if fell < 20 else "off"
    assert [line.strip() for line in explained.lines[1:]] == [
        'condition: {"and":[{"$ref":"staff"},{"==":[{"var":"country"},"DE"]}]} -> false',
        '{"$ref":"staff"} -> true',
        '{"ends_with":[{"var":"email"},"@x.io"]} -> true',
        '{"var":"email"} -> "a@x.io"',
        '{"==":[{"var":"country"},"DE"]} -> false',
        '{"var":"country"} -> "FR"',
        f'else: {{"fractional":[{{"cat":["salt:",{{"var":"targetingKey"}}]}},[... -> "{variant}" '
        f"(bucket {fell} of 100)",
        '{"cat":["salt:",{"var":"targetingKey"}]} -> "salt:u1"',
        '{"var":"targetingKey"} -> "u1"',
        f"f: {variant} = {'true' if variant == 'on' else 'false'} (TARGETING_MATCH)",
    ]


def test_a_branch_that_was_not_reached_is_not_in_the_data() -> None:
    explained = an_evaluator(targeting=RULE).explain("f", {"email": "a@x.io", "country": "DE"})
    assert explained.path is not None
    assert [step.role for step in explained.path.steps] == ["condition"]
    assert explained.path.value == explained.details.variant == "on"


def test_without_a_rule_there_is_no_path() -> None:
    for evaluator, said in [
        (an_evaluator(), "f: off = false (STATIC)"),
        (an_evaluator(state="DISABLED", targeting=RULE), "f: DISABLED; the caller's default is served"),
        (an_evaluator(targeting=RULE).with_forced({"f": "on"}), "f: on = true (STATIC)"),
    ]:
        explained = evaluator.explain("f", {})
        assert explained.path is None
        assert explained.lines == (said,)


def test_an_error_is_said() -> None:
    assert "PARSE_ERROR" in an_evaluator(targeting={"nonsense": 1}).explain("f", {}).lines[0]
    assert "FLAG_NOT_FOUND" in an_evaluator().explain("gone", {}).lines[0]


def test_the_clock_is_read_once() -> None:
    explained = an_evaluator(targeting={"if": [{">": [{"var": "$flagd.timestamp"}, 5]}, "on"]}).explain(
        "f", {}, timestamp=iter([6]).__next__
    )
    assert explained.details.variant == "on"


def test_an_argument_that_is_never_read_may_be_no_rule() -> None:
    for rest in ({"nope": [1]}, {"$ref": "gone"}):
        explained = an_evaluator(targeting={"if": [{"!": [{"var": "a"}, rest]}, "on", "off"]}).explain("f", {"a": 1})
        assert explained.details.variant == "off"
        assert explained.path is not None
        assert explained.path.value == "off"
