"""What two definitions of a flag differ in, in sentences."""

from typing import Any

import pytest

from ebbgate.core.flags.diff import SENTENCES_MAX, diff_definitions, same

FLAG: dict[str, Any] = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
RULE = {"if": [{"==": [{"var": "tier"}, "gold"]}, "on", "off"]}


@pytest.mark.parametrize(
    ("before", "after", "sentences"),
    [
        (FLAG, dict(reversed(FLAG.items())), ()),
        (None, FLAG, ("the flag was made",)),
        (FLAG, None, ("the flag was deleted",)),
        (None, None, ()),
        (FLAG, {**FLAG, "state": "DISABLED"}, ("state: ENABLED -> DISABLED",)),
        (FLAG, {**FLAG, "defaultVariant": "on"}, ("defaultVariant: `off` -> `on`",)),
        (FLAG, {**FLAG, "defaultVariant": None}, ("defaultVariant: `off` -> the code's default",)),
        (FLAG, {**FLAG, "variants": {"on": False, "off": False}}, ("variant `on`: true -> false",)),
        (
            FLAG,
            {**FLAG, "variants": {"off": False, "new": True}},
            ("variant `on` removed, was true", "variant `new` added: true"),
        ),
        (FLAG, {**FLAG, "targeting": {}}, ()),
        (FLAG, {**FLAG, "metadata": {"owner": "ann"}}, ('metadata `owner` added: "ann"',)),
        (FLAG, {**FLAG, "note": 1}, ("`note` added: 1",)),
        (
            {**FLAG, "targeting": RULE},
            {**FLAG, "targeting": {"if": [{"==": [{"var": "tier"}, "silver"]}, "on", "off"]}},
            ('targeting changed at $.if[0].==[1]: "gold" -> "silver"',),
        ),
        (
            {**FLAG, "targeting": RULE},
            {**FLAG, "targeting": {"if": [*RULE["if"], None]}},
            ("targeting changed at $.if[3]: nothing -> null",),
        ),
        (
            {**FLAG, "targeting": RULE},
            {**FLAG, "targeting": {"if": [{"in": ["a", "b"]}, "on", "off"]}},
            ('targeting changed at $.if[0]: {"==": [{"var": "tier"}, "gold"]} -> {"in": ["a", "b"]}',),
        ),
    ],
)
def test_each_difference_is_one_sentence_with_its_place(before: Any, after: Any, sentences: tuple[str, ...]) -> None:
    assert diff_definitions(before, after) == sentences


def test_targeting_that_comes_or_goes_is_said_whole() -> None:
    ruled = {**FLAG, "targeting": RULE}
    assert diff_definitions(FLAG, ruled)[0].startswith("targeting added: {")
    assert diff_definitions(ruled, FLAG)[0].startswith("targeting removed, was {")


@pytest.mark.parametrize(("one", "other"), [(True, 1), (0, False), ([1], [True]), ({"a": 1}, {"a": True}), (None, 0)])
def test_values_of_another_type_are_not_the_same(one: Any, other: Any) -> None:
    assert not same(one, other)
    assert diff_definitions({**FLAG, "targeting": {"a": one}}, {**FLAG, "targeting": {"a": other}})


def test_a_number_may_be_written_with_a_fraction_of_nothing() -> None:
    assert same({"a": [1]}, {"a": [1.0]})


def test_a_rule_that_was_written_anew_does_not_fill_the_screen() -> None:
    before, after = ({**FLAG, "targeting": {"or": [[n, k] for k in range(200)]}} for n in (1, 2))
    sentences = diff_definitions(before, after)
    assert len(sentences) == SENTENCES_MAX + 1
    assert sentences[-1] == "... and 150 more changes"


def test_a_very_deep_rule_can_be_compared() -> None:
    def deep(leaf: str) -> Any:
        rule: Any = leaf
        for _ in range(80):
            rule = {"!": [rule]}
        return {**FLAG, "targeting": rule}

    (sentence,) = diff_definitions(deep("a"), deep("b"))
    assert sentence.endswith('"a" -> "b"')
