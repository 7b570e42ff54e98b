"""Selectors, and several documents as one."""

from typing import Any

import pytest

from ebbgate.core.errors import FlagDocumentError
from ebbgate.core.flags import Evaluator, FlagDocument, parse_document
from ebbgate.core.flags.selector import merge_documents, parse_selector, select

FLAG: dict[str, Any] = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}


def a_document() -> FlagDocument:
    flags = {"own": {**FLAG, "metadata": {"flagSetId": "labs"}}, "none": {**FLAG, "metadata": {"flagSetId": ""}}}
    return parse_document({"flags": {**flags, "shared": FLAG}, "metadata": {"flagSetId": "shop"}})


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (None, ["own", "none", "shared"]),
        ("", ["own", "none", "shared"]),
        ("flagSetId=shop", ["shared"]),
        ("flagSetId=labs", ["own"]),
        ("flagSetId=", ["none"]),
        ("flagSetId=other", []),
        ("source=prod", ["own", "none", "shared"]),
        ("prod", ["own", "none", "shared"]),
        ("source=staging", []),
        ("staging", []),
    ],
)
def test_a_selector_keeps_the_flags_it_names(text: str | None, keys: list[str]) -> None:
    assert list(select(a_document(), parse_selector(text), source="prod").flags) == keys


@pytest.mark.parametrize("text", ["owner=me", "source=", "=x"])
def test_a_selector_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(FlagDocumentError):
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
