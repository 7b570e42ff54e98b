"""What benchmarks/flags.py measures: the flags, the contexts, and what each answer must be."""

import random
from typing import Any

SEED = 20_261_123
CONTEXTS = 10_000
COUNTRIES = ["DE", "FR", "US", "GB", "JP", "BR"]
PLANS = ["free", "pro", "team", "p0", "p1", "p2", "p3", "p4"]
FIVE = [(["DE", "FR"], f"p{row}", 20 + 10 * row, "abc"[row % 3]) for row in range(5)]
"""(countries, plan, least age, variant): the five rules of three conditions."""

SHARES = {"a": 50, "b": 30, "c": 20}


def contexts() -> list[dict[str, Any]]:
    """Distinct users in random order, the same at every run."""
    rng = random.Random(SEED)
    made = [
        {
            "targetingKey": f"user-{number}",
            "country": rng.choice(COUNTRIES),
            "plan": rng.choice(PLANS),
            "age": rng.randint(16, 80),
        }
        for number in range(CONTEXTS)
    ]
    rng.shuffle(made)
    return made


def expected(case: str, context: dict[str, Any]) -> str | None:
    """The variant that conditions decide; None where the engine's own hash does."""
    if case == "boolean":
        return "off"
    if case == "sticky":
        return "on" if context["country"] == "DE" else None
    for countries, plan, age, variant in FIVE:
        if context["country"] in countries and context["plan"] == plan and context["age"] >= age:
            return variant
    return None


def shares(case: str) -> dict[str, int]:
    """The percentages that a case's hash must spread units by."""
    return {"on": 20, "off": 80} if case == "sticky" else SHARES


def mixed() -> list[tuple[str, str]]:
    """(key, case) of 200 flags: half boolean, a quarter sticky, a quarter of five rules."""
    return [(f"flag-{n}", ("boolean", "boolean", "sticky", "five")[n % 4]) for n in range(200)]


def flagd_flag(case: str, salt: str) -> dict[str, Any]:
    """The case as a flagd flag."""
    on_off = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
    key = {"cat": [f"{salt}:", {"var": "targetingKey"}]}
    if case == "boolean":
        return on_off
    if case == "sticky":
        split = {"fractional": [key, ["on", 20], ["off", 80]]}
        return {**on_off, "targeting": {"if": [{"==": [{"var": "country"}, "DE"]}, "on", split]}}
    rule: Any = {"fractional": [key, *([name, share] for name, share in SHARES.items())]}
    for countries, plan, age, variant in reversed(FIVE):
        tests = [
            {"in": [{"var": "country"}, countries]},
            {"==": [{"var": "plan"}, plan]},
            {">=": [{"var": "age"}, age]},
        ]
        rule = {"if": [{"and": tests}, variant, rule]}
    variants = {name: name for name in SHARES}
    return {"state": "ENABLED", "variants": variants, "defaultVariant": "a", "targeting": rule}


def eppo_flag(key: str, case: str) -> dict[str, Any]:
    """The case in Eppo's universal flag configuration."""
    names = ["on", "off"] if case != "five" else list(SHARES)
    values: dict[str, Any] = {"on": True, "off": False, **{name: name for name in SHARES}}

    def allocation(name: str, rules: list[Any], splits: list[Any]) -> dict[str, Any]:
        return {"key": name, "rules": rules, "splits": splits, "doLog": False}

    def always(variant: str) -> list[dict[str, Any]]:
        return [{"variationKey": variant, "shards": []}]

    def condition(attribute: str, operator: str, value: Any) -> dict[str, Any]:
        return {"attribute": attribute, "operator": operator, "value": value}

    allocations = []
    if case == "boolean":
        allocations.append(allocation("all", [], always("off")))
    elif case == "sticky":
        allocations.append(allocation("de", [{"conditions": [condition("country", "ONE_OF", ["DE"])]}], always("on")))
    else:
        for row, (countries, plan, age, variant) in enumerate(FIVE):
            tests = [condition("country", "ONE_OF", countries), condition("plan", "ONE_OF", [plan])]
            tests.append(condition("age", "GTE", age))
            allocations.append(allocation(f"rule-{row}", [{"conditions": tests}], always(variant)))
    if case != "boolean":
        start, splits = 0, []
        for name, share in shares(case).items():
            ranges = [{"start": start, "end": start + share * 100}]
            splits.append({"variationKey": name, "shards": [{"salt": key, "ranges": ranges}]})
            start += share * 100
        allocations.append(allocation("split", [], splits))
    return {
        "key": key,
        "enabled": True,
        "variationType": "STRING" if case == "five" else "BOOLEAN",
        "variations": {name: {"key": name, "value": values[name]} for name in names},
        "allocations": allocations,
        "totalShards": 10_000,
    }


def growthbook_feature(key: str, case: str) -> dict[str, Any]:
    """The case as a GrowthBook feature."""
    if case == "boolean":
        return {"defaultValue": False}
    if case == "sticky":
        split = {"force": True, "coverage": 0.2, "hashAttribute": "targetingKey", "seed": key, "hashVersion": 2}
        return {"defaultValue": False, "rules": [{"condition": {"country": "DE"}, "force": True}, split]}
    rules: list[dict[str, Any]] = [
        {"condition": {"country": {"$in": countries}, "plan": plan, "age": {"$gte": age}}, "force": variant}
        for countries, plan, age, variant in FIVE
    ]
    weights = [share / 100 for share in SHARES.values()]
    split = {"variations": list(SHARES), "weights": weights, "hashAttribute": "targetingKey", "key": key}
    return {"defaultValue": "a", "rules": [*rules, {**split, "hashVersion": 2}]}
