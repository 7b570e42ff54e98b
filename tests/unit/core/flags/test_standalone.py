"""The flags of a document, each on its own, give the same answers."""

from typing import Any

import pytest

from ebbgate.core.errors import FlagDocumentError
from ebbgate.core.flags import Evaluator
from ebbgate.core.flags.standalone import standalone_flags

FLAG: dict[str, Any] = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
DOCUMENT: dict[str, Any] = {
    "$evaluators": {"gold": {"==": [{"var": "tier"}, "gold"]}, "both": {"and": [{"$ref": "gold"}, {"var": "adult"}]}},
    "metadata": {"flagSetId": "production", "version": "3", "owner": "ann"},
    "flags": {
        "menu": {**FLAG, "targeting": {"if": [{"$ref": "both"}, "on", "off"]}},
        "broken": {**FLAG, "targeting": {"if": [{"$ref": "nowhere"}, "on", "off"]}, "metadata": {"owner": "bob"}},
    },
}


@pytest.mark.parametrize("context", [{}, {"tier": "gold"}, {"tier": "gold", "adult": True}])
def test_each_flag_answers_as_it_did_in_its_document(context: dict[str, Any]) -> None:
    alone = standalone_flags(DOCUMENT, environments=["production"])
    before, after = Evaluator(DOCUMENT), Evaluator({"flags": alone})
    for key in DOCUMENT["flags"]:
        one, other = (e.evaluate(key, None, context, None, timestamp=0) for e in (before, after))
        assert (one.value, one.variant, one.reason, one.error_code) == (
            other.value,
            other.variant,
            other.reason,
            other.error_code,
        )


def test_metadata_of_the_document_stands_below_that_of_the_flag() -> None:
    alone = standalone_flags(DOCUMENT, environments=["production"])
    assert [flag["metadata"] for flag in alone.values()] == [{"owner": "ann"}, {"owner": "bob"}]
    assert standalone_flags(DOCUMENT, environments=[])["menu"]["metadata"]["flagSetId"] == "production"


def test_the_document_is_not_changed() -> None:
    before = repr(DOCUMENT)
    standalone_flags(DOCUMENT, environments=[])
    assert repr(DOCUMENT) == before


def test_references_in_a_circle_refuse_the_whole_document() -> None:
    with pytest.raises(FlagDocumentError, match="circle"):
        standalone_flags({**DOCUMENT, "$evaluators": {"a": {"$ref": "b"}, "b": {"$ref": "a"}}}, environments=[])


def test_what_the_schema_refuses_refuses_the_whole_document() -> None:
    bad = {**FLAG, "targeting": {"if": [{"starts_wth": [{"var": "email"}, "a"]}, "on", "off"]}}
    with pytest.raises(FlagDocumentError, match="starts_wth") as caught:
        standalone_flags({**DOCUMENT, "flags": {**DOCUMENT["flags"], "bad": bad}}, environments=[])
    assert caught.value.path == "$.flags.bad.targeting.if[0].starts_wth"
