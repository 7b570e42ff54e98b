"""No document and no context makes the evaluator raise anything but its typed errors (issue 3: acceptance 3).

Documents here are written by chance, not by the format: what is accepted must be answered and explained, what is
refused must say where. One seed, so that CI asks the same every time; another one asks something else.
"""

import json
from random import Random
from typing import Any

from ebbgate.core.audiences.compiler import KNOWN_OPERATORS
from ebbgate.core.errors import FlagDocumentError
from ebbgate.core.flags import EvaluationDetails, Evaluator, parse_document
from ebbgate.core.flags.schema import check_document

SEED, DOCUMENTS = 20_260_101, 800
NAMES = [*sorted(KNOWN_OPERATORS), "$ref", "nope", "", "b"]
SCALARS = [
    *(None, True, False, 0, 1, -1, 2**31, 2**53, 2**70, 1e308, -0.0, 0.5, float("nan"), float("inf")),
    *("", "a", "a.b", "0", "1.2.3", "^", "on", "off", "\ud800", "\0", "targetingKey", "$flagd.timestamp", "x" * 300),
]
VARIANTS: list[Any] = [{"on": True, "off": False}, {"on": 1, "off": 2.5}, {"on": "x", "off": ""}, {"on": {}, "off": {}}]
TYPES: list[Any] = [None, "boolean", "string", "integer", "float", "object"]


def anything(chance: Random, depth: int) -> Any:
    kind = chance.random()
    if depth == 0 or kind < 0.45:
        return chance.choice([*SCALARS, {}, []])
    if kind < 0.65:
        return [anything(chance, depth - 1) for _ in range(chance.randrange(4))]
    return {chance.choice(NAMES): arguments(chance, depth - 1) for _ in range(chance.choice([1, 1, 1, 2]))}


def arguments(chance: Random, depth: int) -> Any:
    many = [anything(chance, depth) for _ in range(chance.randrange(5))]
    return many if chance.random() < 0.7 else anything(chance, depth)


def a_flag(chance: Random) -> dict[str, Any]:
    flag = {
        "state": "ENABLED",
        "variants": chance.choice(VARIANTS),
        "defaultVariant": chance.choice(["on", "off", None, ""]),
        "targeting": {chance.choice(NAMES): arguments(chance, 4)},
    }
    if chance.random() < 0.15:
        flag[chance.choice([*flag, "metadata"])] = anything(chance, 2)
    return flag


def a_document(chance: Random) -> dict[str, Any]:
    document: dict[str, Any] = {"flags": {"f": a_flag(chance), "g": a_flag(chance)}}
    if chance.random() < 0.2:
        document["$evaluators"] = {name: anything(chance, 3) for name in ("a", "b", "on")}
    return document


def a_context(chance: Random) -> dict[str, Any] | None:
    names = chance.sample(["targetingKey", "a", "b", "n", "$flagd", ""], chance.randrange(5))
    return {name: anything(chance, 3) for name in names} if names else None


def test_documents_by_chance_are_refused_with_a_path_or_answered_and_explained() -> None:
    chance = Random(SEED)
    answered = 0
    refusals: list[FlagDocumentError] = []
    for _ in range(DOCUMENTS):
        document = a_document(chance)
        check_document(document)
        try:
            source = document if chance.random() < 0.5 else json.dumps(document).encode()
            evaluator = Evaluator(parse_document(source), bucketing=chance.choice(["v2", "v3"]))
        except FlagDocumentError as error:
            refusals.append(error)
            continue
        for context in (a_context(chance), a_context(chance)):
            for key in ("f", "g", "gone"):
                for expected in TYPES:
                    details = evaluator.evaluate(key, "its own", context, expected, timestamp=7)
                    assert isinstance(details, EvaluationDetails), document
                explained = evaluator.explain(key, context, timestamp=7).details
                assert repr(explained) == repr(evaluator.evaluate(key, None, context, None, timestamp=7)), document
            assert evaluator.evaluate_all(context, timestamp=7).keys() == {"f", "g"}
        answered += 1
    assert answered > DOCUMENTS / 3
    assert len(refusals) > DOCUMENTS / 20
    assert [error.message for error in refusals if not error.path and "JSON" not in error.message] == []


def test_a_document_of_spoilt_bytes_is_refused_or_read() -> None:
    chance = Random(SEED)
    whole = json.dumps(a_document(chance)).encode()
    for _ in range(2_000):
        spoilt = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        try:
            evaluator = Evaluator(
                parse_document(bytes(spoilt[: chance.choice([len(spoilt), chance.randrange(1, 99)])]))
            )
        except FlagDocumentError:
            continue
        evaluator.evaluate_all({"targetingKey": "u"}, timestamp=7)
