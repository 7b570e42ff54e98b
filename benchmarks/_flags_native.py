"""Peers whose evaluator is native (Rust): Eppo, Statsig, Unleash."""

import json
import tempfile
from typing import Any

from _flags_cases import CASES, DEFAULT, FIVE, KEYS, MIXED, SHARES, shares
from _flags_subject import Call, Subject, attributes


def eppo() -> list[Subject]:
    """Its configuration format, given at the start; exposures are not logged."""
    import eppo_client
    from eppo_client import AssignmentLogger, ClientConfig, Configuration

    flags = {key: _eppo_flag(key, case) for key, case in KEYS}
    frame = {"createdAt": "2026-01-01T00:00:00.000Z", "format": "SERVER", "environment": {"name": "bench"}}
    data = json.dumps({**frame, "flags": flags}).encode()
    client = eppo_client.init(
        ClientConfig(
            api_key="none",
            base_url="http://127.0.0.1:9",
            assignment_logger=AssignmentLogger(),
            poll_interval_seconds=None,
            initial_configuration=Configuration(flags_configuration=data),
        )
    )
    boolean, text = client.get_boolean_assignment, client.get_string_assignment

    def one(case: str) -> Call:
        call, default = (text if case == "five" else boolean), DEFAULT[case]
        return lambda pair: call(case, pair[0], pair[1], default)

    def every(pair: Any) -> dict[str, Any]:
        unit, known = pair
        return {
            key: text(key, unit, known, "none") if case == "five" else boolean(key, unit, known, True)
            for key, case in MIXED
        }

    def prepare(context: dict[str, Any]) -> Any:
        return context["targetingKey"], attributes(context)

    return [Subject("eppo-server-sdk", prepare, {case: one(case) for case in CASES}, [every])]


def _eppo_flag(key: str, case: str) -> dict[str, Any]:
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


def statsig() -> list[Subject]:
    """Gates and dynamic configs from a data store, network and logging off."""
    from statsig_python_core import (
        DataStore,
        DataStoreResponse,
        DynamicConfigEvaluationOptions,
        FeatureGateEvaluationOptions,
        Statsig,
        StatsigOptions,
        StatsigUser,
    )

    specs = json.dumps(_statsig_specs())

    class Store(DataStore):  # type: ignore[misc]
        def get(self, key: str) -> Any:
            return DataStoreResponse(result=specs, time=1_700_000_000_000)

    options = StatsigOptions()
    options.disable_network = options.disable_all_logging = True
    options.data_store, options.output_log_level = Store(), "error"
    client = Statsig("secret-bench", options)
    client.initialize().wait()
    gate, config = client.check_gate, client.get_dynamic_config
    no_gate = FeatureGateEvaluationOptions(disable_exposure_logging=True)
    no_config = DynamicConfigEvaluationOptions(disable_exposure_logging=True)

    def one(case: str) -> Call:
        if case == "five":
            return lambda user: config(user, case, no_config).get_string("v", "none")
        return lambda user: gate(user, case, no_gate)

    def every(user: Any) -> dict[str, Any]:
        return {
            key: config(user, key, no_config).get_string("v", "none") if case == "five" else gate(user, key, no_gate)
            for key, case in MIXED
        }

    def prepare(context: dict[str, Any]) -> Any:
        custom = {"plan": context["plan"], "age": context["age"]}
        return StatsigUser(user_id=context["targetingKey"], country=context["country"], custom=custom)

    return [Subject("statsig-python-core", prepare, {case: one(case) for case in CASES}, [every])]


def _statsig_specs() -> dict[str, Any]:
    """Statsig's configuration: gates are boolean, a dynamic config holds a text; conditions stand apart by id."""
    conditions: dict[str, Any] = {}

    def condition(kind: str, operator: str | None, target: Any, field: str, salt: str = "") -> str:
        name = str(len(conditions))
        made = {"type": kind, "operator": operator, "targetValue": target, "field": field}
        conditions[name] = {**made, "additionalValues": {"salt": salt}, "isDeviceBased": False, "idType": "userID"}
        return name

    def rule(name: str, asked: list[str], value: Any, percent: int = 100) -> dict[str, Any]:
        made = {"name": name, "id": name, "groupName": name, "salt": name, "passPercentage": percent}
        return {**made, "conditions": asked, "returnValue": value, "idType": "userID", "isDeviceBased": False}

    def spec(key: str, case: str) -> dict[str, Any]:
        rules, default, kind = [], False, "feature_gate"
        if case == "sticky":
            rules.append(rule("de", [condition("user_field", "any", ["DE"], "country")], True))
            rules.append(rule(f"{key}-share", [condition("public", None, None, "")], True, percent=20))
        elif case == "five":
            default, kind = {"v": "c"}, "dynamic_config"  # type: ignore[assignment]
            for row, (countries, plan, age, variant) in enumerate(FIVE):
                asked = [condition("user_field", "any", countries, "country")]
                asked.append(condition("user_field", "any", [plan], "plan"))
                asked.append(condition("user_field", "gte", age, "age"))
                rules.append(rule(f"rule-{row}", asked, {"v": variant}))
            for variant, below in (("a", 500), ("b", 800)):  # of 1,000 buckets
                rules.append(rule(variant, [condition("user_bucket", "lt", below, "", key)], {"v": variant}))
        made = {"name": key, "type": kind, "entity": kind, "salt": key, "enabled": True, "defaultValue": default}
        return {**made, "rules": rules, "idType": "userID", "isDeviceBased": False, "version": 1}

    return {
        "feature_gates": {key: spec(key, case) for key, case in KEYS if case != "five"},
        "dynamic_configs": {key: spec(key, case) for key, case in KEYS if case == "five"},
        "condition_map": conditions,
        "layer_configs": {},
        "layers": {},
        "param_stores": {},
        "experiment_to_layer": {},
        "has_updates": True,
        "time": 1_700_000_000_000,
        "response_format": "dcs-v2",
    }


def yggdrasil() -> list[Subject]:
    """Unleash's engine, by its calls that record no metrics."""
    from yggdrasil_engine.engine import UnleashEngine

    engine = UnleashEngine()
    engine.take_state(json.dumps(_unleash_features()))
    enabled, variant = engine.check_enabled, engine.check_variant

    def one(case: str) -> Call:
        if case == "five":
            return lambda context: variant(case, context).variant.name
        return lambda context: enabled(case, context).is_enabled

    def every(context: Any) -> dict[str, Any]:
        return {
            key: variant(key, context).variant.name if case == "five" else enabled(key, context).is_enabled
            for key, case in MIXED
        }

    return [Subject("yggdrasil-engine", _unleash_context, {case: one(case) for case in CASES}, [every])]


def unleash() -> list[Subject]:
    """Unleash's client from a bootstrapped cache, never started, so that it connects to nothing."""
    from UnleashClient import UnleashClient
    from UnleashClient.cache import FileCache

    cache = FileCache("bench", directory=tempfile.mkdtemp())
    cache.bootstrap_from_dict(_unleash_features())
    off = {"disable_metrics": True, "disable_registration": True}
    client = UnleashClient("http://127.0.0.1:9", "bench", cache=cache, **off)
    enabled, variant = client.is_enabled, client.get_variant

    def one(case: str) -> Call:
        if case == "five":
            return lambda context: variant(case, context)["name"]
        return lambda context: enabled(case, context)

    def every(context: Any) -> dict[str, Any]:
        return {key: variant(key, context)["name"] if case == "five" else enabled(key, context) for key, case in MIXED}

    return [Subject("UnleashClient", _unleash_context, {case: one(case) for case in CASES}, [every])]


def _unleash_context(context: dict[str, Any]) -> Any:
    properties = {name: str(value) for name, value in attributes(context).items()}
    return {"userId": context["targetingKey"], "properties": properties}


def _unleash_features() -> dict[str, Any]:
    def constraint(name: str, operator: str, **values: Any) -> dict[str, Any]:
        return {"contextName": name, "operator": operator, "values": [], **values}

    def strategy(asked: list[Any], percent: int, group: str, variants: dict[str, int]) -> dict[str, Any]:
        parameters = {"rollout": str(percent), "stickiness": "userId", "groupId": group}
        listed = [
            {"name": name, "weight": weight * 10, "weightType": "variable", "stickiness": "userId"}
            for name, weight in variants.items()
        ]
        return {"name": "flexibleRollout", "constraints": asked, "parameters": parameters, "variants": listed}

    def feature(key: str, case: str) -> dict[str, Any]:
        strategies = []
        if case == "sticky":
            strategies.append(strategy([constraint("country", "IN", values=["DE"])], 100, key, {}))
            strategies.append(strategy([], 20, key, {}))
        elif case == "five":
            for countries, plan, age, variant in FIVE:
                asked = [constraint("country", "IN", values=countries), constraint("plan", "IN", values=[plan])]
                asked.append(constraint("age", "NUM_GTE", value=str(age)))
                strategies.append(strategy(asked, 100, key, {variant: 100}))
            strategies.append(strategy([], 100, key, SHARES))
        made = {"name": key, "type": "release", "enabled": case != "boolean", "strategies": strategies}
        return {**made, "variants": [], "impressionData": False}

    return {"version": 2, "features": [feature(key, case) for key, case in KEYS]}
