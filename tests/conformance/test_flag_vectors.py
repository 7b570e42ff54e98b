"""spec/vectors, which every evaluator that we ship must pass."""

import json
from pathlib import Path
from typing import Any

import pytest

from ebbgate.core.audiences import Bucketing, bucket, bucket_v3, cbor, compile_rule
from ebbgate.core.audiences.semver import compare_versions
from ebbgate.core.flags import Evaluator

VECTORS = Path(__file__).parents[2] / "spec" / "vectors"


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
    return loaded


BUCKETING, EVALUATION = load("bucketing"), load("evaluation")
SEM_VER, OPERATORS = load("sem_ver"), load("operators")


def murmur3(data: bytes) -> int:
    """MurmurHash3 x86 32-bit, seed 0, written from its definition, so that the vectors do not rest on one library."""

    def spread(word: int) -> int:
        word = word * 0xCC9E2D51 & 0xFFFFFFFF
        return ((word << 15 | word >> 17) * 0x1B873593) & 0xFFFFFFFF

    value, whole = 0, len(data) // 4 * 4
    for start in range(0, whole, 4):
        value ^= spread(int.from_bytes(data[start : start + 4], "little"))
        value = ((value << 13 | value >> 19) & 0xFFFFFFFF) * 5 + 0xE6546B64 & 0xFFFFFFFF
    value ^= spread(int.from_bytes(data[whole:], "little")) if data[whole:] else 0
    value ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        value = (value ^ value >> shift) * factor & 0xFFFFFFFF
    return value ^ value >> 16


@pytest.mark.parametrize("row", BUCKETING["v2"], ids=lambda row: row["text"][:24])
def test_a_text_falls_into_its_v2_bucket(row: dict[str, Any]) -> None:
    assert murmur3(row["text"].encode()) == row["hash"]
    assert {total: bucket(row["text"], int(total)) for total in row["buckets"]} == row["buckets"]


@pytest.mark.parametrize("row", BUCKETING["v3"], ids=lambda row: repr(row["value"])[:24])
def test_a_value_falls_into_its_v3_bucket(row: dict[str, Any]) -> None:
    assert cbor.encode(row["value"]).hex() == row["cbor"]
    assert murmur3(bytes.fromhex(row["cbor"])) == row["hash"]
    assert {total: bucket_v3(row["value"], int(total)) for total in row["buckets"]} == row["buckets"]


@pytest.mark.parametrize("row", BUCKETING["published"], ids=lambda row: f"{row['bucketing']}-{row['context']}")
def test_the_rows_that_flagd_publishes_hold(row: dict[str, Any]) -> None:
    rule = compile_rule(row["rule"], flag_key=row["flag"], bucketing=row["bucketing"])
    assert rule.call(row["context"]) == row["variant"]


@pytest.mark.parametrize("row", SEM_VER["cases"], ids=lambda row: f"{row['left']}{row['operator']}{row['right']}")
def test_versions_compare(row: dict[str, Any]) -> None:
    assert compare_versions(row["left"], row["operator"], row["right"]) is row["result"]
    rule = {"sem_ver": [{"var": "version"}, row["operator"], row["right"]]}
    assert compile_rule(rule).call({"version": row["left"]}) is row["result"]


@pytest.mark.parametrize("row", OPERATORS["cases"], ids=lambda row: json.dumps(row["rule"])[:60])
def test_an_operator_gives_what_javascript_gives(row: dict[str, Any]) -> None:
    result = compile_rule(row["rule"]).call(OPERATORS["data"])
    assert result == row["result"]
    assert isinstance(result, bool) == isinstance(row["result"], bool)


@pytest.mark.parametrize(
    ("case", "bucketing"),
    [
        pytest.param(case, bucketing, id=f"{case['flag']}-{case['type']}-{bucketing}")
        for case in EVALUATION["cases"]
        for bucketing in ([case["bucketing"]] if "bucketing" in case else ["v2", "v3"])
    ],
)
def test_an_evaluation_follows_the_table(case: dict[str, Any], bucketing: Bucketing) -> None:
    evaluator = Evaluator(EVALUATION["document"], bucketing=bucketing)
    details = evaluator.evaluate(
        case["flag"], case["default"], case.get("context"), case["type"], timestamp=lambda: EVALUATION["timestamp"]
    )
    assert (details.value, details.variant) == (case["value"], case.get("variant"))
    assert type(details.value) is type(case["value"])
    assert (details.reason, details.error_code) == (case["reason"], case.get("errorCode"))
    assert details.metadata == case.get("metadata", EVALUATION["document"]["metadata"])
    assert (details.error_message is None) == (details.error_code is None)
