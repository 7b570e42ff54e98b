"""Peers in Python that are a service's client: ConfigCat, LaunchDarkly, PostHog; from files and memory alone."""

import json
import logging
import tempfile
from pathlib import Path
from typing import Any

from _flags_cases import CASES, DEFAULT, FIVE, KEYS, MIXED, SHARES
from _flags_subject import Call, Subject, attributes


def configcat() -> list[Subject]:
    """A local file, nothing else; its look at the file's time at every call is part of that mode."""
    from configcatclient import ConfigCatClient
    from configcatclient.configcatoptions import ConfigCatOptions
    from configcatclient.localfiledatasource import LocalFileFlagOverrides
    from configcatclient.overridedatasource import OverrideBehaviour
    from configcatclient.user import User

    path = _file({"p": {"s": "salt"}, "f": {key: _configcat_setting(case) for key, case in KEYS}})
    overrides = LocalFileFlagOverrides(str(path), OverrideBehaviour.LocalOnly)
    client = ConfigCatClient.get("local", ConfigCatOptions(flag_overrides=overrides, offline=True))
    value = client.get_value

    def one(case: str) -> Call:
        default = DEFAULT[case]
        return lambda user: value(case, default, user)

    def every(user: Any) -> dict[str, Any]:
        return {key: value(key, DEFAULT[case], user) for key, case in MIXED}

    def prepare(context: dict[str, Any]) -> Any:
        custom = {"plan": context["plan"], "age": context["age"]}
        return User(context["targetingKey"], country=context["country"], custom=custom)

    calls = {case: one(case) for case in CASES}
    return [Subject("configcat-client", prepare, calls, [every, client.get_all_values])]


def _configcat_setting(case: str) -> dict[str, Any]:
    """Comparators: 0 is one of, 28 equals, 15 is at least."""

    def asked(attribute: str, comparator: int, **value: Any) -> dict[str, Any]:
        return {"u": {"a": attribute, "c": comparator, **value}}

    if case == "boolean":
        return {"t": 0, "v": {"b": False}}
    if case == "sticky":
        rule = {"c": [asked("Country", 28, s="DE")], "s": {"v": {"b": True}}}
        return {
            "t": 0,
            "v": {"b": False},
            "r": [rule],
            "p": [{"p": 20, "v": {"b": True}}, {"p": 80, "v": {"b": False}}],
        }
    rules = [
        {
            "c": [asked("Country", 0, l=countries), asked("plan", 28, s=plan), asked("age", 15, d=float(age))],
            "s": {"v": {"s": variant}},
        }
        for countries, plan, age, variant in FIVE
    ]
    return {
        "t": 1,
        "v": {"s": "a"},
        "r": rules,
        "p": [{"p": share, "v": {"s": name}} for name, share in SHARES.items()],
    }


def launchdarkly() -> list[Subject]:
    """Flags from a file, events off."""
    import ldclient
    from ldclient.config import Config
    from ldclient.integrations import Files

    logging.getLogger("ldclient").setLevel(logging.ERROR)
    path = _file({"flags": {key: _launchdarkly_flag(key, case) for key, case in KEYS}})
    source = Files.new_data_source(paths=[str(path)])
    off = {"send_events": False, "diagnostic_opt_out": True}
    client = ldclient.LDClient(Config("sdk-bench", update_processor_class=source, **off))
    variation = client.variation

    def one(case: str) -> Call:
        default = DEFAULT[case]
        return lambda context: variation(case, context, default)

    def every(context: Any) -> dict[str, Any]:
        return {key: variation(key, context, DEFAULT[case]) for key, case in MIXED}

    def state(context: Any) -> dict[str, Any]:
        found: dict[str, Any] = client.all_flags_state(context).to_values_map()
        return found

    def prepare(context: dict[str, Any]) -> Any:
        builder = ldclient.Context.builder(context["targetingKey"])
        for name, value in attributes(context).items():
            builder.set(name, value)
        return builder.build()

    calls = {case: one(case) for case in CASES}
    return [Subject("launchdarkly-server-sdk", prepare, calls, [every, state])]


def _launchdarkly_flag(key: str, case: str) -> dict[str, Any]:
    def clause(attribute: str, operator: str, values: list[Any]) -> dict[str, Any]:
        return {"attribute": attribute, "op": operator, "values": values, "negate": False, "contextKind": "user"}

    frame: dict[str, Any] = {"key": key, "version": 1, "salt": key, "on": True, "offVariation": 0}
    if case == "boolean":
        return {**frame, "variations": [False, True], "fallthrough": {"variation": 0}}
    if case == "sticky":
        rule = {"id": "de", "variation": 1, "clauses": [clause("country", "in", ["DE"])]}
        share = [{"variation": 1, "weight": 20_000}, {"variation": 0, "weight": 80_000}]
        return {
            **frame,
            "variations": [False, True],
            "rules": [rule],
            "fallthrough": {"rollout": {"variations": share}},
        }
    names = list(SHARES)
    rules = []
    for row, (countries, plan, age, variant) in enumerate(FIVE):
        asked = [clause("country", "in", countries), clause("plan", "in", [plan])]
        asked.append(clause("age", "greaterThanOrEqual", [age]))
        rules.append({"id": f"rule-{row}", "variation": names.index(variant), "clauses": asked})
    shares = [{"variation": names.index(name), "weight": share * 1000} for name, share in SHARES.items()]
    return {**frame, "variations": names, "rules": rules, "fallthrough": {"rollout": {"variations": shares}}}


def posthog() -> list[Subject]:
    """Local evaluation of definitions that are set, not fetched; no events."""
    from posthog import Posthog

    client = Posthog("none", host="http://127.0.0.1:9", sync_mode=True, enable_local_evaluation=False)
    client.feature_flags = [_posthog_flag(key, case) for key, case in KEYS]
    keys = [key for key, _ in MIXED]

    def ask(key: str, pair: Any) -> Any:
        return client.get_feature_flag(
            key, pair[0], person_properties=pair[1], only_evaluate_locally=True, send_feature_flag_events=False
        )

    def one(case: str) -> Call:
        return lambda pair: ask(case, pair)

    def every(pair: Any) -> dict[str, Any]:
        return {key: ask(key, pair) for key in keys}

    def bulk(pair: Any) -> dict[str, Any]:
        found: dict[str, Any] = client.get_all_flags(
            pair[0], person_properties=pair[1], only_evaluate_locally=True, flag_keys_to_evaluate=keys
        )
        return found

    def prepare(context: dict[str, Any]) -> Any:
        return context["targetingKey"], attributes(context)

    return [Subject("posthog", prepare, {case: one(case) for case in CASES}, [every, bulk])]


def _posthog_flag(key: str, case: str) -> dict[str, Any]:
    def asked(name: str, operator: str, value: Any) -> dict[str, Any]:
        return {"key": name, "operator": operator, "value": value, "type": "person"}

    groups: list[dict[str, Any]] = []
    variants: list[dict[str, Any]] = []
    if case == "sticky":
        groups.append({"properties": [asked("country", "exact", ["DE"])], "rollout_percentage": 100})
        groups.append({"properties": [], "rollout_percentage": 20})
    elif case == "five":
        for countries, plan, age, variant in FIVE:
            properties = [asked("country", "exact", countries), asked("plan", "exact", [plan])]
            properties.append(asked("age", "gte", age))
            groups.append({"properties": properties, "rollout_percentage": 100, "variant": variant})
        groups.append({"properties": [], "rollout_percentage": 100})
        variants = [{"key": name, "rollout_percentage": share} for name, share in SHARES.items()]
    filters = {"groups": groups, "multivariate": {"variants": variants} if variants else None, "payloads": {}}
    made = {"id": len(key), "key": key, "name": key, "active": case != "boolean", "filters": filters}
    return {**made, "ensure_experience_continuity": False, "version": 1}


def _file(content: Any) -> Path:
    path = Path(tempfile.mkdtemp()) / "flags.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
