"""Selectors, and several documents as one."""

from typing import Any

import pytest

from ebbgate.core.flags import Evaluator, FlagDocument, parse_document
from ebbgate.core.flags.selector import Selector, SelectorError, merge_documents, parse_selector

FLAG: dict[str, Any] = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("", Selector()),
        (" ", Selector()),
        ("flagSetId=shop", Selector(flag_set="shop")),
        ("flagSetId=", Selector(flag_set="")),
        ("source=prod", Selector(source="prod")),
        ("prod", Selector(source="prod")),
        ("prod, flagSetId=shop", Selector(source="prod", flag_set="shop")),
    ],
)
def test_a_selector_names_a_source_a_flag_set_or_both(text: str, selector: Selector) -> None:
    assert parse_selector(text) == selector


@pytest.mark.parametrize("text", ["owner=me", "source=", "=x", "prod,source=staging"])
def test_a_selector_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(SelectorError):
        parse_selector(text)


def test_the_later_document_wins_and_keeps_its_own_evaluators_and_metadata() -> None:
    def written(role: str, *, version: str) -> FlagDocument:
        rules = {"inner": {"==": [{"var": "role"}, role]}, "staff": {"$ref": "inner"}}
        targeting = {"if": [{"$ref": "staff"}, "on"]}
        flags = {"both": {**FLAG, "targeting": targeting}, version: {**FLAG, "targeting": targeting}}
        return parse_document({"flags": flags, "$evaluators": rules, "metadata": {"version": version}})

    evaluator = Evaluator(merge_documents([written("a", version="1"), written("b", version="2")]))
    answers = {key: evaluator.evaluate(key, None, {"role": "b"}, "boolean") for key in ("1", "2", "both")}
    assert {key: answer.value for key, answer in answers.items()} == {"1": False, "2": True, "both": True}
    assert [answer.metadata for answer in answers.values()] == [{"version": "1"}, {"version": "2"}, {"version": "2"}]
