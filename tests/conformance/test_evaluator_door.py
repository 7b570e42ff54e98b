"""The door through which the public suites run: a real process, one JSON line at a time."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = {
    "metadata": {"flagSetId": "shop"},
    "flags": {
        "fractional-flag-shorthand": {
            "state": "ENABLED",
            "variants": {"heads": "heads", "tails": "tails"},
            "defaultVariant": "tails",
            "targeting": {"fractional": [["heads"], ["tails", 1]]},
        },
        "after": {
            "state": "ENABLED",
            "variants": {"past": -1, "future": 1},
            "defaultVariant": "past",
            "targeting": {"if": [{">": [{"var": "time"}, {"var": "$flagd.timestamp"}]}, "future", "past"]},
        },
    },
}
OTHER = {"flags": {"plain": {"state": "ENABLED", "variants": {"on": True}, "defaultVariant": "on"}}}


def ask(lines: list[bytes], *arguments: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "ebbgate.doors.evaluator", *arguments]
    done = subprocess.run(command, input=b"\n".join(lines), capture_output=True, check=True, timeout=30)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def documents(tmp_path: Path) -> list[str]:
    for name, document in (("one.json", DOCUMENT), ("two.json", OTHER)):
        (tmp_path / name).write_text(json.dumps(document))
    return [str(tmp_path / "one.json"), str(tmp_path / "two.json")]


def test_each_line_is_answered_with_one_line(documents: list[str]) -> None:
    answers = ask(
        [
            b'{"type": "boolean", "flagKey": "plain", "default": false, "context": {}}',
            b"not json",
            b'{"type": "integer", "flagKey": "after", "default": 0, "context": {"time": 4133980802}}',
            b'{"type": "string", "flagKey": "gone", "default": "d", "context": {"targetingKey": "u"}}',
        ],
        *documents,
    )
    assert answers[0] == {"value": True, "variant": "on", "reason": "STATIC", "errorCode": None, "metadata": {}}
    assert answers[1]["errorCode"] == "PARSE_ERROR"
    assert (answers[2]["value"], answers[2]["metadata"]) == (1, {"flagSetId": "shop"})
    assert answers[3] == {
        "value": "d",
        "variant": None,
        "reason": "ERROR",
        "errorCode": "FLAG_NOT_FOUND",
        "metadata": {},
    }


@pytest.mark.parametrize(("bucketing", "value"), [("v2", "heads"), ("v3", "tails")])
def test_the_bucketing_is_an_option(documents: list[str], bucketing: str, value: str) -> None:
    context = b'{"targetingKey": "jon@company.com"}'
    line = b'{"type": "string", "flagKey": "fractional-flag-shorthand", "default": "d", "context": ' + context + b"}"
    assert ask([line], "--bucketing", bucketing, *documents)[0]["value"] == value


def test_an_answer_comes_before_the_next_question(documents: list[str]) -> None:
    command = [sys.executable, "-m", "ebbgate.doors.evaluator", *documents]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(2):
            process.stdin.write(b'{"type": "boolean", "flagKey": "plain", "default": false}\n')
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["variant"] == "on"
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_a_refused_document_says_where_and_what_to_do(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"flags": {"f": {"state": "ON", "variants": {"a": 1}}}}')
    command = [sys.executable, "-m", "ebbgate.doors.evaluator", str(bad)]
    done = subprocess.run(command, input=b"", capture_output=True, text=False, timeout=30)
    assert done.returncode == 2
    assert b"$.flags.f.state" in done.stderr


def test_documents_can_be_checked_by_the_schema_alone(documents: list[str], tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps({"flags": [{"key": "f", "state": "ENABLED", "variants": {"a": 1, "b": "1"}}]}))
    command = [sys.executable, "-m", "ebbgate.doors.evaluator", "--check"]
    assert subprocess.run([*command, "flags", *documents], capture_output=True, timeout=30).returncode == 0
    done = subprocess.run([*command, "flagd", documents[0], str(bad)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"{bad}: $.flags[0].variants: variants are of one type: a is number, b is string"
    ]


def test_numbers_convert_where_nothing_is_lost_and_the_last_document_wins(tmp_path: Path) -> None:
    variants = {"ten": 10.0, "pi": 3.14, "big": 9007199254740994}
    flags = {name: {"state": "ENABLED", "variants": variants, "defaultVariant": name} for name in variants}
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    first.write_text(json.dumps({"flags": flags, "metadata": {"n": 1}}))
    second.write_text(
        json.dumps({"flags": [{**flags["pi"], "key": "last", "defaultVariant": None}], "metadata": {"n": 2}})
    )
    lines = [
        json.dumps({"type": kind, "flagKey": key, "default": 1}).encode()
        for kind, key in [
            ("integer", "ten"),
            ("float", "ten"),
            ("integer", "pi"),
            ("integer", "big"),
            ("float", "last"),
        ]
    ]
    answers = ask(lines, str(first), str(second))
    assert [(answer["value"], answer["reason"], answer["errorCode"]) for answer in answers] == [
        (10, "STATIC", None),
        (10.0, "STATIC", None),
        (1, "ERROR", "TYPE_MISMATCH"),
        (1, "ERROR", "TYPE_MISMATCH"),
        (1, "DEFAULT", None),
    ]
    assert [answer["metadata"]["n"] for answer in answers] == [1, 1, 1, 1, 2]
