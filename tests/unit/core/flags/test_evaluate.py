"""The evaluator beyond the table of spec/vectors: what it bears, what it shares, what it is forced to."""

import itertools
import subprocess
import sys
from collections import UserDict
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ebbgate.core.audiences.compiler import KNOWN_OPERATORS
from ebbgate.core.errors import FlagDocumentError
from ebbgate.core.flags import EvaluationDetails, Evaluator, ValueType, parse_document

Build = Callable[..., dict[str, Any]]
TYPES: list[ValueType | None] = ["boolean", "string", "integer", "float", "object", None]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["targetingKey", "$flagd.timestamp", "on", "a.b", "", "0", "1.2.3", "^", "\ud800"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
rules = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.builds(
            lambda name, raw: {name: raw}, st.sampled_from(sorted(KNOWN_OPERATORS)), inner | st.lists(inner, max_size=4)
        )
    ),
    max_leaves=12,
)
strange = values | st.builds(object) | st.tuples(values) | st.binary(max_size=4) | st.sets(st.integers(), max_size=3)
contexts = st.none() | st.dictionaries(
    st.sampled_from(["targetingKey", "a", "0", "$flagd"]) | st.text(max_size=4), strange, max_size=4
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rule=rules, context=contexts, expected=st.sampled_from(TYPES), bucketing=st.sampled_from(["v2", "v3"]))
def test_no_rule_and_no_context_makes_it_raise(rule: Any, context: Any, expected: Any, bucketing: Any) -> None:
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
    try:
        document = parse_document({"flags": {"f": {**flag, "targeting": {"if": [rule, rule, "on"]}}}})
    except FlagDocumentError:
        return
    evaluator = Evaluator(document, bucketing=bucketing)
    details = evaluator.evaluate("f", "the default", context, expected, timestamp=1)
    assert isinstance(details, EvaluationDetails)
    assert (details.variant is None) == (details.reason == "ERROR")
    assert evaluator.evaluate_all(context, timestamp=1).keys() == {"f"}


class Hostile(UserDict[str, Any]):
    """A context whose every access fails."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("no")

    def __iter__(self) -> Any:
        raise RuntimeError("no")


def test_a_context_that_fails_itself_is_a_parse_error(a_document: Build) -> None:
    evaluator = Evaluator(a_document(targeting={"if": [{"var": "x"}, "on"]}))
    details = evaluator.evaluate("new-widgets", True, Hostile(x=1), "boolean")
    assert (details.value, details.reason, details.error_code) == (True, "ERROR", "PARSE_ERROR")
    assert evaluator.evaluate_all(Hostile(x=1))["new-widgets"].error_code == "PARSE_ERROR"


def test_a_mapping_that_is_no_dict_is_read(a_document: Build) -> None:
    evaluator = Evaluator(a_document(targeting={"if": [{"==": [{"var": "x"}, "y"]}, "on"]}))
    assert evaluator.evaluate("new-widgets", None, UserDict(x="y"), "boolean").variant == "on"


def test_the_callers_context_is_never_changed(a_document: Build) -> None:
    evaluator = Evaluator(a_document(targeting={"if": [{">": [{"var": "$flagd.timestamp"}, 5]}, "on"]}))
    context = {"targetingKey": "u"}
    assert evaluator.evaluate("new-widgets", None, context, "boolean", timestamp=6).variant == "on"
    assert context == {"targetingKey": "u"}


def test_the_clock_is_asked_only_by_a_rule_that_needs_it(a_document: Build) -> None:
    def clock() -> int:
        raise AssertionError("asked")

    evaluator = Evaluator(a_document(targeting={"if": [{"==": [{"var": "$flagd.flagKey"}, "new-widgets"]}, "on"]}))
    assert evaluator.evaluate("new-widgets", None, {}, "boolean", timestamp=clock).variant == "on"


def test_changing_a_returned_object_changes_nothing_else(a_document: Build) -> None:
    evaluator = Evaluator(a_document(variants={"off": {"sizes": [1]}}))
    evaluator.evaluate("new-widgets", None, {}, "object").value["sizes"].append(2)
    assert evaluator.evaluate("new-widgets", None, {}, "object").value == {"sizes": [1]}
    assert evaluator.evaluate_all({})["new-widgets"].value == {"sizes": [1]}


def test_evaluate_all_answers_every_flag_in_document_order(a_flag: Build) -> None:
    flags = {
        "b": a_flag(),
        "a": a_flag(defaultVariant=None),
        "c": a_flag(state="DISABLED"),
        "n": a_flag(variants={"off": 3}),
    }
    evaluator = Evaluator({"flags": flags})
    evaluator.evaluate("n", None, {}, None)
    answers = evaluator.evaluate_all({"targetingKey": "u"})
    assert [(key, answer.value, answer.reason) for key, answer in answers.items()] == [
        ("b", False, "STATIC"),
        ("a", None, "DEFAULT"),
        ("c", None, "DISABLED"),
        ("n", 3, "STATIC"),
    ]


def test_a_local_kill_outranks_rule_state_and_code_default(a_document: Build) -> None:
    """B7, B6."""
    for fields in ({"targeting": {"if": [True, "on"]}}, {"state": "DISABLED"}, {"targeting": {"nonsense": 1}}):
        killed = Evaluator(a_document(**fields)).with_forced({"new-widgets": "off", "unknown": "off"})
        details = killed.evaluate("new-widgets", True, {"targetingKey": "u"}, "boolean")
        assert (details.value, details.variant, details.reason) == (False, "off", "STATIC")
        assert killed.evaluate_all({})["new-widgets"].variant == "off"
        assert killed.evaluate("unknown", True, {}, "boolean").error_code == "FLAG_NOT_FOUND"


def test_a_lapsed_lease_is_stale_and_a_kill_over_it_wins(a_document: Build) -> None:
    """B7."""
    evaluator = Evaluator(a_document(targeting={"if": [True, "on"]}))
    lapsed = evaluator.with_forced({"new-widgets": "off"}, reason="STALE")
    assert lapsed.evaluate("new-widgets", True, {}, "boolean").reason == "STALE"
    assert lapsed.with_forced({"new-widgets": "on"}).evaluate("new-widgets", None, {}, "boolean").variant == "on"
    assert evaluator.evaluate("new-widgets", None, {}, "boolean").variant == "on"


def test_forcing_a_variant_that_does_not_exist_is_said(a_document: Build) -> None:
    details = Evaluator(a_document()).with_forced({"new-widgets": "gone"}).evaluate("new-widgets", True, {}, "boolean")
    assert (details.value, details.error_code) == (True, "GENERAL")


@pytest.mark.parametrize("module", ["ebbgate.core.flags", "ebbgate.core.audiences"])
def test_importing_it_pulls_in_nothing_heavy(module: str) -> None:
    code = (
        "import sys, msgspec, mmh3; before = set(sys.modules); "
        f"import {module}; new = set(sys.modules) - before; "
        "print(*sorted(new & {'asyncio', 'ssl', 'threading', 'socket', 'logging', 'openfeature', 'json', 'hashlib'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_flags_that_did_not_change_keep_their_code_and_others_do_not(a_flag: Build) -> None:
    def written(role: str, *, value: Any) -> dict[str, Any]:
        rule = {"if": [{"==": [{"var": "role"}, "a"]}, "on"]}
        flags = {"same": a_flag(targeting=rule), "value": a_flag(variants={"off": value}), "forced": a_flag()}
        return {"flags": {**flags, "by-role": a_flag(targeting={"if": [{"==": [{"var": "role"}, role]}, "on"]})}}

    first = Evaluator(written("a", value=1))
    for key in first.flag_keys:
        first.evaluate(key, None, {"role": "a"}, None)
    second = Evaluator(written("b", value=1.0), previous=first.with_forced({"forced": "on"}))
    answers = {key: second.evaluate(key, None, {"role": "b"}, None) for key in second.flag_keys}
    assert [answer.value for answer in answers.values()] == [False, 1.0, False, True]
    assert type(answers["value"].value) is float
    third = Evaluator(written("b", value=1.0), previous=second)
    assert third._tables[None]["same"] is second._tables[None]["same"]


def test_an_evaluator_that_a_changed_reference_reaches_is_compiled_anew(a_document: Build) -> None:
    document = a_document(targeting={"if": [{"$ref": "r"}, "on"]})
    first = Evaluator({**document, "$evaluators": {"r": {"var": "a"}}})
    assert first.evaluate("new-widgets", None, {"b": 1}, None).variant == "off"
    second = Evaluator({**document, "$evaluators": {"r": {"var": "b"}}}, previous=first)
    assert second.evaluate("new-widgets", None, {"b": 1}, None).variant == "on"


def test_a_document_of_another_version_keeps_the_code_and_gives_its_own_metadata(a_flag: Build) -> None:
    rule = {"if": [{"==": [{"var": "role"}, "a"]}, "on", {"fractional": [["on", 1], ["off", 1]]}]}
    computed = {"if": [{"==": [{"var": "role"}, "a"]}, {"var": "named"}]}
    objects = {"on": {"x": 1}, "off": {"x": 0}}
    flags = {
        "rule": a_flag(targeting=rule),
        "computed": a_flag(targeting=computed),
        "objects": a_flag(variants=objects, targeting=rule),
        "no-default": a_flag(targeting=computed, defaultVariant=None),
        "static": a_flag(),
        "own": a_flag(targeting=rule, metadata={"version": "mine"}),
    }
    contexts: list[dict[str, Any]] = [{"role": "a", "named": "on"}, {"role": "a", "named": "gone"}, {"role": 7}, {}]
    contexts += [{"targetingKey": f"u{n}"} for n in range(4)]
    first = Evaluator({"flags": flags, "metadata": {"version": "1"}})
    for key, expected in itertools.product(flags, (None, "boolean")):
        first.evaluate(key, None, contexts[0], expected)
    document = {"flags": flags, "metadata": {"version": "2"}}
    second, fresh = Evaluator(document, previous=first), Evaluator(document)
    for key, expected, context in itertools.product(flags, (None, "boolean"), contexts):
        answer = second.evaluate(key, "d", context, expected)
        assert answer == fresh.evaluate(key, "d", context, expected)
        assert answer.metadata == {"version": "mine" if key == "own" else "2"}
    assert first.evaluate("rule", None, contexts[0], None).metadata == {"version": "1"}
    before, after = (each._tables[None]["rule"][1].__code__ for each in (first, second))
    assert after.co_names is before.co_names  # the very code, not an equal one
    assert second.changed_since(first) == set()


def test_what_changed_is_told_by_flag(a_flag: Build) -> None:
    rule = {"if": [{"$ref": "r"}, "on"]}
    flags = {"rule": a_flag(targeting=rule), "static": a_flag(), "gone": a_flag()}
    first = Evaluator({"flags": flags, "$evaluators": {"r": {"var": "a"}}, "metadata": {"version": "1"}})
    del flags["gone"]
    second = Evaluator({"flags": flags, "$evaluators": {"r": {"var": "b"}}, "metadata": {"version": "2"}})
    assert second.changed_since(first) == {"rule", "gone"}
    third = Evaluator({"flags": flags, "$evaluators": {"r": {"var": "b"}}, "metadata": {"flagSetId": "x"}})
    assert third.changed_since(second) == {"rule", "static"}


def test_forcing_one_flag_compiles_no_other_anew(a_document: Build) -> None:
    evaluator = Evaluator(a_document(targeting={"if": [{"==": [{"var": "role"}, "a"]}, "on"]}))
    forced = evaluator.with_forced({"another": "on"})
    assert forced.evaluate("new-widgets", None, {"role": "a"}, None).variant == "on"
    assert forced._tables[None]["new-widgets"] is evaluator._tables[None]["new-widgets"]
