"""The `audiences:` of a plan file: short conditions, turned into JsonLogic over the evaluation context.

`{any: [{email: "*@example.com"}, {role: [qa, alpha]}]}` is `{"or": [{"ends_with": [{"var": "email"}, "@example.com"]},
{"in": [{"var": "role"}, ["qa", "alpha"]]}]}`.
"""

from collections.abc import Mapping
from typing import Any

from ebbgate.core.rollouts.plan import EVERYONE, RANDOM, Audience
from ebbgate.core.rollouts.plan_file_reader import (
    Fields,
    at_index,
    at_key,
    read_boolean,
    read_name,
    read_texts,
    refusal,
    shown,
    suggestion,
)
from ebbgate.core.rollouts.values import exposure

OPT_IN = "opt-in"
_EXAMPLE = '{any: [{email: "*@example.com"}, {role: [qa, alpha]}]}'
_DEEPEST = 20

AUDIENCE_KEYS = ("split", "share", OPT_IN, "members", "rule")
"""What else may stand beside the conditions; every other key is a condition."""


def read_audiences(value: Any, path: str) -> tuple[Audience, ...]:
    if not isinstance(value, Mapping):
        raise refusal(f"audiences are {shown(value)}, not a mapping", path=path, hint=f"write `internal: {_EXAMPLE}`")
    return tuple(_audience(name, item, at_key(path, name)) for name, item in value.items())


def read_exclude(value: Any, path: str, *, audiences: tuple[Audience, ...]) -> tuple[str, ...]:
    """`[bots, test_users]`: audiences of the plan, one or several."""
    names = read_texts(value, path, example="bots")
    known = {audience.name: audience for audience in audiences}
    for i, name in enumerate(names):
        place = at_index(path, i) if isinstance(value, list) else path
        if name in (RANDOM, EVERYONE):
            hint = "name the audiences that are no users of yours: `exclude: [bots, test_users]`"
            raise refusal(f"`{name}` cannot be excluded", path=place, hint=hint)
        if name not in known:
            hint = suggestion(name, known) if known else f"write `audiences: {{{name}: {{user_agent: '*bot*'}}}}`"
            raise refusal(f"there is no audience `{name}`", path=place, hint=hint)
        if name in names[:i]:
            raise refusal(f"`{name}` stands here twice", path=place, hint="name each audience once")
        if known[name].is_opt_in:
            hint = "tell its members by attributes, or by `members`; the list of a flag holds those who opted in"
            raise refusal(f"`{name}` is opted into, which exposes and cannot exclude", path=place, hint=hint)
    return names


def _audience(name: str, value: Any, path: str) -> Audience:
    read_name(name, path)
    if name in (RANDOM, EVERYONE):
        hint = f"`{RANDOM}` and `{EVERYONE}` mean units drawn by hash and all units; choose another name"
        raise refusal(f"`{name}` cannot name an audience", path=path, hint=hint)
    if value == OPT_IN:
        return Audience(name=name, rule=_opted_in(name), is_opt_in=True)
    if isinstance(value, str):
        hint = f"write `{OPT_IN}`, or who belongs to it: `{_EXAMPLE}`"
        raise refusal(f"audience `{name}` is {shown(value)}", path=path, hint=hint)
    fields = Fields(value, path, what=f"audience `{name}`", example=_EXAMPLE)
    is_split = fields.take("split", read_boolean, False)
    share = fields.take("share", exposure, None)
    is_opt_in = fields.take(OPT_IN, read_boolean, False)
    rules = [_opted_in(name)] if is_opt_in else []
    if fields.has("members"):
        members = fields.need("members", lambda v, p: read_texts(v, p, example="user-17"))
        rules.append({"in": [{"var": "targetingKey"}, list(members)]})
    if fields.has("rule"):
        rules.append(fields.need("rule", _json_logic))
    conditions = {k: v for k, v in value.items() if k not in AUDIENCE_KEYS}
    if conditions:
        rules.append(_condition(conditions, path, depth=0))
    if not rules:
        raise refusal(f"audience `{name}` says not who belongs to it", path=path, hint=f"write it like `{_EXAMPLE}`")
    return Audience(name=name, rule=_joined("or", rules), share=share, is_opt_in=is_opt_in, is_split=is_split)


def _opted_in(name: str) -> dict[str, Any]:
    """Opted in by an attribute of the audience's name; the list and self-service (RULES B5) stand beside the rule."""
    return {"==": [{"var": name}, True]}


def _json_logic(value: Any, path: str) -> Any:
    if isinstance(value, dict) and len(value) == 1:
        return value
    hint = 'write one operator: `rule: {"in": [{"var": "role"}, ["qa", "alpha"]]}`'
    raise refusal(f"the rule is {shown(value)}, not JsonLogic", path=path, hint=hint)


def _condition(value: Any, path: str, *, depth: int) -> dict[str, Any]:
    """`any`, `all`, `not`, or attributes that must all fit."""
    if depth > _DEEPEST:
        raise refusal("the conditions nest too deeply", path=path, hint="name parts of them as audiences of their own")
    if not isinstance(value, dict) or not value:
        raise refusal(
            f"a condition is {shown(value)}",
            path=path,
            hint='write `{role: [qa, alpha]}` or `{email: "*@example.com"}`',
        )
    return _joined("and", [_entry(key, item, at_key(path, key), depth=depth) for key, item in value.items()])


def _entry(key: str, value: Any, path: str, *, depth: int) -> dict[str, Any]:
    if key in ("any", "all"):
        if not isinstance(value, list) or not value:
            raise refusal(
                f"`{key}` is {shown(value)}", path=path, hint=f"write a list of conditions: `{key}: [{{role: qa}}]`"
            )
        parts = [_condition(item, at_index(path, i), depth=depth + 1) for i, item in enumerate(value)]
        return _joined("or" if key == "any" else "and", parts)
    if key == "not":
        return {"!": [_condition(value, path, depth=depth + 1)]}
    return _attribute(key, value, path)


def _attribute(name: str, value: Any, path: str) -> dict[str, Any]:
    variable = {"var": name}
    if isinstance(value, list):
        if not value:
            raise refusal(
                f"no value of `{name}` is listed", path=path, hint=f"write at least one: `{name}: [qa, alpha]`"
            )
        patterns = [(i, item) for i, item in enumerate(value) if isinstance(item, str) and "*" in item]
        plain = [_scalar(item, at_index(path, i)) for i, item in enumerate(value) if (i, item) not in patterns]
        rules = [_attribute(name, item, at_index(path, i)) for i, item in patterns]
        return _joined("or", [*([{"in": [variable, plain]}] if plain else []), *rules])
    if isinstance(value, str) and "*" in value:
        return _pattern(variable, value, path)
    return {"==": [variable, _scalar(value, path)]}


def _pattern(variable: dict[str, str], text: str, path: str) -> dict[str, Any]:
    body = text.strip("*")
    if not body or "*" in body or text.count("*") > 2:
        hint = 'put `*` at the beginning, at the end or at both: `"*@example.com"`; else use `rule:`'
        raise refusal(f"{shown(text)} is not a pattern", path=path, hint=hint)
    if text.startswith("*") and text.endswith("*"):
        return {"in": [body, variable]}
    return {"ends_with" if text.startswith("*") else "starts_with": [variable, body]}


def _scalar(value: Any, path: str) -> str | int | float | bool:
    if isinstance(value, str | int | float | bool):
        return value
    raise refusal(f"{shown(value)} cannot be compared", path=path, hint="write text, a number, `true` or `false`")


def _joined(operator: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return rules[0] if len(rules) == 1 else {operator: rules}
