"""The same answer whoever asks: engine, OFREP single and bulk, gRPC typed and bulk, explain (issue 3: acceptance 3).

10,000 generated pairs of a document and a context go through the edge's real application and a real gRPC server. The
seed is fixed, so that CI asks the same questions every time.
"""

import asyncio
import json
from random import Random
from typing import Any

import grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ebbgate.core.audiences.compiler import KNOWN_OPERATORS
from ebbgate.core.flags import EvaluationDetails, Evaluator, parse_document
from ebbgate.edge.grpc.messages import plain

DOCUMENTS, CONTEXTS = 500, 24
PAIRS = 10_000
SLOW = [*HealthCheck]
STATUS = {
    "TYPE_MISMATCH": grpc.StatusCode.INVALID_ARGUMENT,
    "PARSE_ERROR": grpc.StatusCode.DATA_LOSS,
    "GENERAL": grpc.StatusCode.UNKNOWN,
}
KINDS: dict[str, dict[str, Any]] = {
    "Boolean": {"on": True, "off": False, "true": True, "1": False},
    "String": {"on": "yes", "off": "", "true": "né", "1": "\0"},
    "Int": {"on": 2**53 - 1, "off": 0, "true": -1, "1": 10},
    "Float": {"on": 0.5, "off": -3.25, "true": 1e300, "1": 1e-7},
    "Object": {"on": {"a": [1, {"b": None}]}, "off": {}, "true": {"x": [True, 0.5, "t"]}, "1": {"": {}}},
}
"""The variants of a flag, by the name of its type over gRPC."""

# Rules: what people write, and whatever else the format lets them write.
texts = st.sampled_from(["", "0", "1", "x", "u1", "on", "1.2.3", "v2", "^", "a.b", "targetingKey", "$flagd.timestamp"])
numbers = st.sampled_from([0, 1, -1, 2, 50, 0.5, -0.0, 2**31, 2**53 - 1, 1e300])
scalars = st.none() | st.booleans() | texts | numbers
names = st.sampled_from(["targetingKey", "a", "b", "tags", "n", "a.b", "tags.0", "$flagd.flagKey", "$flagd.timestamp"])
properties = names.map(lambda name: {"var": name}) | st.tuples(names, scalars).map(lambda pair: {"var": list(pair)})
comparisons = st.builds(
    lambda name, left, right: {name: [left, right]},
    st.sampled_from(["==", "===", "!=", "!==", "<", "<=", ">", ">=", "in", "starts_with", "ends_with"]),
    properties,
    scalars | st.lists(scalars, max_size=3) | properties,
)
versions = st.builds(
    lambda left, name, right: {"sem_ver": [left, name, right]},
    properties,
    st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "^", "~", "?"]),
    texts | numbers,
)
anything = st.recursive(
    scalars | properties,
    lambda inner: st.builds(
        lambda name, raw: {name: raw},
        st.sampled_from(sorted(KNOWN_OPERATORS)),
        inner | st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=5,
)
plain_conditions = comparisons | versions | properties | anything
conditions = plain_conditions | st.sampled_from([{"$ref": "one"}, {"$ref": "gone"}])
shares = st.builds(
    lambda key, rows: {"fractional": [*key, *map(list, rows)]},
    st.sampled_from([[], [{"var": "targetingKey"}], [{"cat": ["salt:", {"var": "targetingKey"}]}], [{"var": "n"}]]),
    st.lists(
        st.tuples(st.sampled_from(["on", "off", None, True, 1, "gone", {"var": "a"}]), st.integers(-1, 50)),
        min_size=1,
        max_size=4,
    ),
)
results = st.sampled_from(["on", "off", None, True, 1, "gone", 1.0]) | shares
rules = st.builds(
    lambda test, then, rest: {"if": [test, then, *rest]}, conditions, results, st.lists(results, max_size=1)
)
targetings = rules | shares | conditions.filter(lambda rule: isinstance(rule, dict))
documents = st.fixed_dictionaries(
    {
        "kinds": st.lists(st.sampled_from(sorted(KINDS)), min_size=2, max_size=3),
        "targetings": st.lists(targetings, min_size=3, max_size=3),
        "defaults": st.lists(st.sampled_from(["off", "on", None]), min_size=3, max_size=3),
        "states": st.lists(st.sampled_from(["ENABLED"] * 9 + ["DISABLED"]), min_size=3, max_size=3),
        "one": plain_conditions,
        "bucketing": st.sampled_from(["v2", "v3"]),
    }
)
SCALARS = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    50,
    0.5,
    -0.0,
    2**31,
    2**53 - 1,
    1e300,
    "",
    "0",
    "x",
    "u1",
    "on",
    "1.2.3",
    "né",
]


def a_value(chance: Random) -> Any:
    kind = chance.random()
    if kind < 0.8:
        return chance.choice(SCALARS)
    items = chance.choices(SCALARS, k=chance.randrange(4))
    return items if kind < 0.9 else dict(zip(("b", "c", "", "0"), items, strict=False))


def a_context(chance: Random) -> dict[str, Any]:
    """What an application may send: a key most of the time, and of the other properties any or none."""
    context = {name: a_value(chance) for name in ("a", "b", "n", "tags") if chance.random() < 0.6}
    if chance.random() < 0.9:
        context["targetingKey"] = f"user-{chance.randrange(10**6)}"
    elif chance.random() < 0.7:
        context["targetingKey"] = a_value(chance)
    return context


def document_of(drawn: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A flagd document, and the type of each of its flags."""
    kinds = {f"f{place}": kind for place, kind in enumerate(drawn["kinds"])}
    flags = {
        key: {
            "state": drawn["states"][place],
            "variants": KINDS[kind],
            "defaultVariant": drawn["defaults"][place],
            "targeting": drawn["targetings"][place],
        }
        for place, (key, kind) in enumerate(kinds.items())
    }
    return {"flags": flags, "$evaluators": {"one": drawn["one"]}}, kinds


def as_ofrep(key: str, details: EvaluationDetails) -> dict[str, Any]:
    """What OFREP must say of it, without the words for people."""
    if details.error_code is not None:
        return {"key": key, "errorCode": details.error_code}
    found: dict[str, Any] = {"key": key, "reason": details.reason}
    return found if details.variant is None else {**found, "value": details.value, "variant": details.variant}


def told(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "errorDetails"}


def as_grpc(details: EvaluationDetails) -> Any:
    """What the typed call must answer: a status, or (reason, variant, value)."""
    if details.error_code is not None:
        return STATUS[details.error_code]
    return details.reason, details.variant, details.value


def said(answer: Any, kind: str) -> Any:
    if isinstance(answer, grpc.StatusCode):
        return answer
    if not answer.HasField("variant"):
        return answer.reason, None, None
    return answer.reason, answer.variant, plain(answer.value) if kind == "Object" else answer.value


EXPECTED: Any = {"Boolean": "boolean", "String": "string", "Int": "integer", "Float": "float", "Object": "object"}


async def compare(
    everywhere: Any,
    document: dict[str, Any],
    kinds: dict[str, str],
    rows: list[dict[str, Any]],
    engine: Evaluator,
) -> None:
    """Ask for each context in every way. One flag, another each time, is asked for alone."""
    for place, context in enumerate(rows):
        body = json.dumps({"context": context}).encode()
        answers = {key: engine.evaluate(key, None, context, None, timestamp=everywhere.now) for key in kinds}
        bulk = await everywhere.ofrep("/ofrep/v1/evaluate/flags", body)
        assert {flag["key"]: told(flag) for flag in bulk["flags"]} == {
            key: as_ofrep(key, details) for key, details in answers.items()
        }
        key = f"f{place % len(kinds)}"
        single = await everywhere.ofrep(f"/ofrep/v1/evaluate/flags/{key}", body)
        assert told(single) == as_ofrep(key, answers[key])
        assert repr(engine.explain(key, context, timestamp=everywhere.now).details) == repr(answers[key])
    everything = (await everywhere.grpc_all(rows[-1])).flags
    assert {key: (flag.reason, flag.variant) for key, flag in everything.items()} == {
        key: (details.reason, details.variant or "") for key, details in answers.items() if details.error_code is None
    }
    typed = []
    for place, context in enumerate(rows):
        key = f"f{place % len(kinds)}"
        typed.append((kinds[key], key, context))
    answered = await asyncio.gather(*(everywhere.grpc(*asked) for asked in typed))
    for (kind, key, context), answer in zip(typed, answered, strict=True):
        expected = engine.evaluate(key, None, context, EXPECTED[kind], timestamp=everywhere.now)
        assert said(answer, kind) == as_grpc(expected)


def test_engine_ofrep_grpc_and_explain_give_the_same_answers(everywhere: Any) -> None:
    pairs: set[str] = set()
    codes: dict[str | None, int] = {}

    @settings(
        max_examples=DOCUMENTS, derandomize=True, database=None, deadline=None, suppress_health_check=[*HealthCheck]
    )
    @given(drawn=documents, chance=st.randoms(use_true_random=True))
    def ask(drawn: Any, chance: Random) -> None:
        document, kinds = document_of(drawn)
        rows = [a_context(chance) for _ in range(CONTEXTS)]
        engine = Evaluator(parse_document(json.dumps(document).encode()), bucketing=drawn["bucketing"])
        everywhere.serve(document, drawn["bucketing"])
        everywhere.run(compare(everywhere, document, kinds, rows, engine))
        text = json.dumps([document, drawn["bucketing"]])
        pairs.update(f"{text} {json.dumps(context)}" for context in rows)
        for context in rows:
            for key in kinds:
                code = engine.evaluate(key, None, context, None, timestamp=everywhere.now).error_code
                codes[code] = codes.get(code, 0) + 1

    ask()
    assert len(pairs) >= PAIRS
    assert {None, "PARSE_ERROR", "GENERAL"} <= codes.keys()
    assert codes[None] > sum(codes.values()) / 2, "the rules are too strange to tell much"
