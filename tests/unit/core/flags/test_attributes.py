"""Which attributes a rule reads."""

from typing import Any

import pytest

from ebbgate.core.flags.attributes import attributes_read


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (None, ()),
        ({"ends_with": [{"var": "email"}, "@x.io"]}, ("email",)),
        (
            {"and": [{"==": [{"var": ["plan", "free"]}, "pro"]}, {"in": [{"var": "user.role"}, ["qa"]]}]},
            ("plan", "user"),
        ),
        ({"fractional": [{"cat": ["salt:", {"var": "targetingKey"}]}, ["on", 1]]}, ()),
        ({">": [{"var": "$flagd.timestamp"}, 0]}, ()),
        ({"if": [{"$ref": "staff"}, "on", "off"]}, ("email",)),
        ({"some": [{"var": "groups"}, {"==": [{"var": "name"}, "a"]}]}, ("groups",)),
        ({"var": ""}, ()),
        ({"var": {"cat": [{"var": "which"}]}}, ()),
    ],
)
def test_a_rule_reads_the_attributes_that_it_names(rule: Any, names: tuple[str, ...]) -> None:
    assert attributes_read(rule, {"staff": {"ends_with": [{"var": "email"}, "@x.io"]}}) == names


def test_evaluators_that_refer_to_each_other_many_times_are_read_once_each() -> None:
    rules = {f"e{n}": {"and": [{"$ref": f"e{n + 1}"}, {"$ref": f"e{n + 1}"}]} for n in range(60)}
    assert attributes_read({"$ref": "e0"}, {**rules, "e60": {"var": "email"}}) == ("email",)
