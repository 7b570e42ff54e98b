"""What benchmarks/flags.py measures: the flags, the contexts, and what each answer must be."""

import random
from typing import Any

SEED = 20_261_123
CONTEXTS = 10_000
COUNTRIES = ["DE", "FR", "US", "GB", "JP", "BR"]
PLANS = ["free", "pro", "team", "p0", "p1", "p2", "p3", "p4"]
FIVE = [(["DE", "FR"], f"p{row}", 20 + 10 * row, "abc"[row % 3]) for row in range(5)]
"""(countries, plan, least age, variant): the five rules of three conditions."""

CASES = ["boolean", "sticky", "five"]
DEFAULT: dict[str, Any] = {"boolean": True, "sticky": True, "five": "none"}
"""What the caller passes; no right answer is the default of `boolean` or `five`."""

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


MIXED = mixed()
KEYS = [(case, case) for case in CASES] + MIXED
"""(key, case) of every flag of a run."""
