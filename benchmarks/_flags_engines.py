"""Peers in Python that are an engine: GrowthBook, Flagsmith, Microsoft's feature management."""

from typing import Any

from _flags_cases import CASES, DEFAULT, FIVE, KEYS, MIXED, SHARES
from _flags_subject import Call, Subject, attributes


def growthbook() -> list[Subject]:
    """Attributes are set on the instance for every user, as its guide says."""
    from growthbook import GrowthBook

    client = GrowthBook(features={key: _growthbook_feature(key, case) for key, case in KEYS})

    def one(case: str) -> Call:
        default = DEFAULT[case]

        def call(context: dict[str, Any]) -> Any:
            client.set_attributes(context)
            return client.get_feature_value(case, default)

        return call

    def every(context: Any) -> dict[str, Any]:
        client.set_attributes(context)
        return {key: client.get_feature_value(key, DEFAULT[case]) for key, case in MIXED}

    return [Subject("growthbook", dict, {case: one(case) for case in CASES}, [every])]


def _growthbook_feature(key: str, case: str) -> dict[str, Any]:
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


def flagsmith() -> list[Subject]:
    """Its engine evaluates every feature of the environment that it is given: for one flag, an environment of one."""
    from flag_engine.engine import get_evaluation_result

    def one(case: str) -> Call:
        environment = _flagsmith_environment([(case, case)])
        read = "value" if case == "five" else "enabled"

        def call(identity: dict[str, Any]) -> Any:
            return get_evaluation_result({**environment, "identity": identity})["flags"][case][read]

        return call

    whole = _flagsmith_environment(MIXED)

    def every(identity: Any) -> dict[str, Any]:
        flags = get_evaluation_result({**whole, "identity": identity})["flags"]
        return {key: flags[key]["value" if case == "five" else "enabled"] for key, case in MIXED}

    def prepare(context: dict[str, Any]) -> Any:
        key = context["targetingKey"]
        return {"identifier": key, "key": key, "traits": attributes(context)}

    return [Subject("flagsmith-flag-engine", prepare, {case: one(case) for case in CASES}, [every])]


def _flagsmith_environment(keys: list[tuple[str, str]]) -> dict[str, Any]:
    """Rules are segments that override features, the smallest priority first."""
    features: dict[str, Any] = {}
    segments: dict[str, Any] = {}

    def condition(name: str, operator: str, value: Any) -> dict[str, Any]:
        return {"property": name, "operator": operator, "value": value}

    def segment(key: str, row: int, asked: list[Any], *, enabled: bool, value: Any) -> None:
        name = f"{key}-{row}"
        override = {"key": key, "name": key, "enabled": enabled, "value": value, "priority": row}
        segments[name] = {"key": name, "name": name, "rules": [{"type": "ALL", "conditions": asked}]}
        segments[name]["overrides"] = [override]

    for key, case in keys:
        features[key] = {"key": key, "name": key, "enabled": case == "five", "value": None}
        if case == "sticky":
            segment(key, 0, [condition("country", "EQUAL", "DE")], enabled=True, value=None)
            segment(key, 1, [condition("", "PERCENTAGE_SPLIT", "20")], enabled=True, value=None)
        elif case == "five":
            for row, (countries, plan, age, variant) in enumerate(FIVE):
                asked = [condition("country", "IN", countries), condition("plan", "EQUAL", plan)]
                asked.append(condition("age", "GREATER_THAN_INCLUSIVE", str(age)))
                segment(key, row, asked, enabled=True, value=variant)
            features[key]["variants"] = [
                {"key": name, "value": name, "weight": share, "priority": place}
                for place, (name, share) in enumerate(SHARES.items())
            ]
    return {"environment": {"key": "bench", "name": "bench"}, "features": features, "segments": segments}


def microsoft() -> list[Subject]:
    """Its filters know a user and groups: the country is given as a group."""
    from featuremanagement import FeatureManager, TargetingContext

    audience = {"Groups": [{"Name": "DE", "RolloutPercentage": 100}], "DefaultRolloutPercentage": 20}
    targeting = {"name": "Microsoft.Targeting", "parameters": {"Audience": audience}}
    flags = [
        {"id": "boolean", "enabled": False},
        {"id": "sticky", "enabled": True, "conditions": {"client_filters": [targeting]}},
    ]
    enabled = FeatureManager({"feature_management": {"feature_flags": flags}}).is_enabled

    def one(case: str) -> Call:
        return lambda context: enabled(case, context)

    def prepare(context: dict[str, Any]) -> Any:
        return TargetingContext(user_id=context["targetingKey"], groups=[context["country"]])

    reason = "featuremanagement's filters compare a user and groups; other attributes need code of one's own"
    calls = {case: one(case) for case in ("boolean", "sticky")}
    return [Subject("featuremanagement", prepare, calls, [], lacks={"five": reason, "all": reason})]
