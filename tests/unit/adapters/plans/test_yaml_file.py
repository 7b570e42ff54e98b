import pytest

from ebbgate.adapters.plans.yaml_file import Position, read_yaml
from ebbgate.core.errors import PlanError


def refusal_of(text: str) -> PlanError:
    with pytest.raises(PlanError) as caught:
        read_yaml(text)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("word", ["off", "on", "no", "yes", "Off", "1:30", "5%", "2026-01-01", "0x1f", "0o17", "1_000"])
def test_what_yaml_1_1_would_turn_into_something_else_stays_text(word: str) -> None:
    assert read_yaml(f"a: {word}").data == {"a": word}
    assert read_yaml(f"%YAML 1.1\n---\na: {word}").data == {"a": word}


def test_keys_that_yaml_1_1_would_turn_into_booleans_stay_text() -> None:
    assert read_yaml("{on: 1, off: 2, 3: x, true: y}").data == {"on": 1, "off": 2, "3": "x", "true": "y"}


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("-5", -5), ("0.5", 0.5), ("1e3", 1000.0), ("true", True), ("false", False), ("null", None), ("", None)],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    assert read_yaml(f"a: {text}").data == {"a": value}


@pytest.mark.parametrize("quoted", ['"5"', "'5'", "|-\n  5", '"true"'])
def test_quoted_scalars_are_text(quoted: str) -> None:
    assert isinstance(read_yaml(f"a: {quoted}").data["a"], str)


def test_json_is_read_too() -> None:
    assert read_yaml('{"a": [1, "x", null, true]}').data == {"a": [1, "x", None, True]}


def test_positions_name_the_place_of_each_path() -> None:
    file = read_yaml("a: 1\nphases:\n  - {to: 5%}\n  - {to: 20%, who: random}\n")
    assert file.position_of("$.phases[1].who") == Position(line=4, column=15)
    assert file.position_of("$.phases[1].nothing") == Position(line=4, column=5)
    assert file.position_of("$.elsewhere") == Position(line=1, column=1)


def test_an_alias_is_followed() -> None:
    assert read_yaml("a: &x [1]\nb: *x").data == {"a": [1], "b": [1]}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("a: 1\na: 2", "line 2, column 1: `a` stands here twice", "keep one"),
        ("a: *@example.com", "undefined alias", "needs quotes"),
        ("a: > 5% for 5m", "line 1", "needs quotes"),
        ("a: {critical: > 5% for 5m}", "line 1", "needs quotes"),
        ("a: {critical: > 10% for 5m}", "`critical: > 10% for 5m`", '`critical: "> 10% for 5m"`'),
        ("a:\n  critical: > 10% for 5m\n  b: 1", "line 2", '`critical: "> 10% for 5m"`'),
        ("a: @x", "line 1", "needs quotes"),
        ("a: b: c", "line 1", "needs quotes"),
        ("a: [1, 2", "line 1", "close with"),
        ("a: {b: 1", "line 1", "inside braces"),
        ("\ta: 1", "line 1", "a tab"),
        ("a: !!python/object:x 5", "a tag", "remove it"),
        ("a: !secret x", "a tag", "remove it"),
        ("a: !map {b: 1}", "a tag", "remove it"),
        ("a: &x !!str 5", "a tag", "remove it"),
        ("<<: {a: 1}", "merge keys", "write the keys out"),
        ("? [1, 2]\n: x", "a key must be text", "name: value"),
        ("a: &x [*x]", "an alias holds itself", "write it out"),
        ("a: .nan", "not a number that can be compared", "finite"),
        ("a: -.inf", "not a number that can be compared", "finite"),
        ("a: &x 1\nb: &x 2", "duplicate anchor", "check"),
        ("a: 1\n---\nb: 2", "another document", "one plan in a file"),
        ("", "empty", "ebbgate init"),
        ("# nothing", "empty", "ebbgate init"),
        ("[" * 1000, "nests too deeply", "levels"),
        ("[" * 60 + "]" * 60, "nests too deeply", "levels"),
        ("a" * 200_001, "200,001 characters", "at most"),
        ("a: \x00", "not YAML", "check"),
    ],
)
def test_what_hides_a_surprise_is_refused_with_a_hint(text: str, message: str, hint: str) -> None:
    error = refusal_of(text)
    assert message in error.message
    assert hint in error.hint


def test_aliases_cannot_grow_without_bound() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "too large" in refusal_of("\n".join(lines)).message
