"""A document is read whole or refused whole."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ebbgate.core.audiences.targeting import DEPTH_MAX, SIZE_MAX
from ebbgate.core.errors import FlagDocumentError
from ebbgate.core.flags import Evaluator, parse_document

Build = Callable[..., dict[str, Any]]


def nested(depth: int) -> dict[str, Any]:
    rule: dict[str, Any] = {"var": "x"}
    for _ in range(depth):
        rule = {"!": [rule]}
    return rule


def test_the_array_form_reads_as_the_object_form(a_flag: Build) -> None:
    as_object = parse_document({"flags": {"a": a_flag(), "b": a_flag(state="DISABLED")}})
    as_array = parse_document({"flags": [{"key": "a", **a_flag()}, {"key": "b", **a_flag(state="DISABLED")}]})
    assert as_array == as_object


def test_bytes_and_mappings_read_alike(a_document: Build) -> None:
    document = a_document(metadata={"owner": "a", "n": 1, "share": 0.5, "beta": True})
    assert parse_document(json.dumps(document).encode()) == parse_document(document)


def test_unknown_keys_are_allowed_as_flagd_allows_them(a_flag: Build) -> None:
    parsed = parse_document({"$schema": "x", "flags": {"a": a_flag(source="s", selector="t")}})
    assert list(parsed.flags) == ["a"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"state": "MAYBE"}, "$.flags.new-widgets.state"),
        ({"state": None}, "$.flags.new-widgets.state"),
        ({"defaultVariant": "gone"}, "$.flags.new-widgets.defaultVariant"),
        ({"defaultVariant": 1}, "$.flags.new-widgets.defaultVariant"),
        ({"variants": {}}, "$.flags.new-widgets.variants"),
        ({"variants": {"on": True, "off": "no"}}, "$.flags.new-widgets.variants"),
        ({"variants": {"on": 1, "off": False}}, "$.flags.new-widgets.variants"),
        ({"variants": {"off": None}}, "$.flags.new-widgets.variants.off"),
        ({"variants": {"off": [1]}}, "$.flags.new-widgets.variants.off"),
        ({"variants": {"": True}}, "$.flags.new-widgets.variants"),
        ({"targeting": "on"}, "$.flags.new-widgets.targeting"),
        ({"targeting": [1]}, "$.flags.new-widgets.targeting"),
        ({"targeting": nested(DEPTH_MAX)}, "$.flags.new-widgets.targeting"),
        ({"targeting": {"in": ["x", list(range(SIZE_MAX))]}}, "$.flags.new-widgets.targeting"),
        ({"metadata": {"owner": None}}, "$.flags.new-widgets.metadata"),
        ({"metadata": {"owner": {}}}, "$.flags.new-widgets.metadata"),
    ],
)
def test_a_bad_flag_refuses_the_document_with_path_and_hint(
    a_document: Build, fields: dict[str, Any], path: str
) -> None:
    with pytest.raises(FlagDocumentError) as refusal:
        parse_document(a_document(**fields))
    assert refusal.value.path is not None
    assert refusal.value.path.startswith(path)
    assert refusal.value.hint


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"flags": 1}',
        b'{"flags": {"a": 1}}',
        b'{"flags": [{}]}',
        b'{"flags": {"": {}}}',
        b'{"flags": {}, "metadata": {"a": []}}',
        b'{"flags": {}, "$evaluators": []}',
        b"[" * 100000,
        b"\xff",
    ],
)
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(FlagDocumentError):
        parse_document(data)


def test_a_key_that_stands_twice_in_an_array_is_refused(a_flag: Build) -> None:
    with pytest.raises(FlagDocumentError, match="twice"):
        parse_document({"flags": [{"key": "a", **a_flag()}, {"key": "a", **a_flag()}]})


def test_a_cycle_of_references_is_refused_by_name() -> None:
    evaluators = {"a": {"!": [{"$ref": "b"}]}, "b": {"!": [{"$ref": "a"}]}}
    with pytest.raises(FlagDocumentError, match="a -> b -> a"):
        parse_document({"flags": {}, "$evaluators": evaluators})


def test_references_that_double_at_each_step_are_refused_before_they_are_expanded() -> None:
    evaluators: dict[str, Any] = {"e0": {"var": "x"}}
    for step in range(1, 40):
        evaluators[f"e{step}"] = {"and": [{"$ref": f"e{step - 1}"}, {"$ref": f"e{step - 1}"}]}
    with pytest.raises(FlagDocumentError, match="parts"):
        parse_document({"flags": {}, "$evaluators": evaluators})


def test_a_rule_at_the_depth_limit_is_accepted_and_evaluates(a_document: Build) -> None:
    evaluator = Evaluator(a_document(targeting={"if": [nested(DEPTH_MAX - 3), "on"]}))
    assert evaluator.evaluate("new-widgets", None, {"x": True}, "boolean").error_code is None


def test_a_value_nested_too_deeply_to_copy_is_refused(a_document: Build) -> None:
    value: dict[str, Any] = {}
    for _ in range(DEPTH_MAX):
        value = {"v": value}
    with pytest.raises(FlagDocumentError, match="deep"):
        parse_document(a_document(variants={"off": value}))


@pytest.mark.parametrize("changes", [{"metadata": "\ud800"}, {"state": "\ud800"}, {"\ud800": 1}])
def test_text_that_is_no_unicode_is_refused_by_its_path(a_flag: Build, changes: dict[str, Any]) -> None:
    with pytest.raises(FlagDocumentError) as refused:
        parse_document({"flags": {"f": {**a_flag(), **changes}}})
    assert (refused.value.path or "").startswith("$.flags.f")
