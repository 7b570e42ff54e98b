"""ebbgate's rows: the engine, the SDK's client, the client under OpenFeature. And flagd's, from the same document."""

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from _flags_cases import CASES, DEFAULT, KEYS, MIXED, flagd_flag
from _flags_subject import Call, Subject, attributes

KIND: dict[str, Any] = {"boolean": "boolean", "sticky": "boolean", "five": "string"}


def document() -> dict[str, Any]:
    """The flagd document: the three cases, and the 200 under keys of their own."""
    return {"flags": {key: flagd_flag(case, key) for key, case in KEYS}}


def ebbgate() -> list[Subject]:
    """The engine's typed call, and its call with reason, variant and metadata."""
    from ebbgate.core.flags import Evaluator

    evaluator = Evaluator(document())
    every = Evaluator({"flags": {key: flagd_flag(case, key) for key, case in MIXED}}).evaluate_all

    def details(case: str) -> Call:
        call, default, kind = evaluator.evaluate, DEFAULT[case], KIND[case]
        return lambda context: call(case, default, context, kind)

    def typed(case: str) -> Call:
        call, default, kind = evaluator.value, DEFAULT[case], KIND[case]
        return lambda context: call(case, default, context, kind)

    return [
        Subject("ebbgate: value", dict, {case: typed(case) for case in CASES}, [every]),
        Subject("ebbgate: details", dict, {case: details(case) for case in CASES}, [every]),
    ]


def ebbgate_client() -> list[Subject]:
    """The SDK from a copy on disk, with nothing connected; and the same under OpenFeature's client, without hooks."""
    from ebbgate import Client
    from ebbgate.core.clock import ClockMapping
    from ebbgate.core.flags import Snapshot, encode_snapshot, raw_document
    from ebbgate.sdk.clock import SdkClock
    from ebbgate.sdk.disk import DiskCopy
    from ebbgate.sdk.openfeature import EbbgateProvider

    folder = Path(tempfile.mkdtemp())
    now = datetime.now(UTC)
    snapshot = Snapshot(
        version=1,
        environment="production",
        flag_set="default",
        published_at=now,
        clock=ClockMapping(origin_at=now, plan_origin_at=now),
        document=raw_document(document()),
    )
    DiskCopy(folder, "production").save(encode_snapshot(snapshot), SdkClock().unix(), is_durable=False)
    client = Client(cache_dir=folder)
    assert client.snapshot_version == 1
    calls = {"boolean": client.boolean_value, "sticky": client.boolean_value, "five": client.string_value}

    def one(case: str) -> Call:
        call, default = calls[case], DEFAULT[case]
        return lambda context: call(case, default, context)  # type: ignore[operator]

    def every(context: Any) -> dict[str, Any]:
        return {key: calls[case](key, DEFAULT[case], context) for key, case in MIXED}  # type: ignore[operator]

    own = Subject("ebbgate: SDK client", dict, {case: one(case) for case in CASES}, [every])
    return [own, openfeature("ebbgate: under OpenFeature", EbbgateProvider(client))]


def openfeature(name: str, provider: Any) -> Subject:
    """A provider asked through OpenFeature's client for values."""
    from openfeature import api
    from openfeature.evaluation_context import EvaluationContext

    api.set_provider_and_wait(provider, domain=name)
    client = api.get_client(name)
    calls: dict[str, Any] = {
        "boolean": client.get_boolean_value,
        "sticky": client.get_boolean_value,
        "five": client.get_string_value,
    }

    def one(case: str) -> Call:
        call, default = calls[case], DEFAULT[case]
        return lambda context: call(case, default, context)

    def every(context: Any) -> dict[str, Any]:
        return {key: calls[case](key, DEFAULT[case], context) for key, case in MIXED}

    def prepare(context: dict[str, Any]) -> Any:
        return EvaluationContext(context["targetingKey"], attributes(context))

    return Subject(name, prepare, {case: one(case) for case in CASES}, [every])


def flagd() -> list[Subject]:
    """flagd's own Python core."""
    from openfeature.contrib.tools.flagd.core.flagd_core import FlagdCore
    from openfeature.evaluation_context import EvaluationContext

    core = FlagdCore()
    core.set_flags(document())
    calls: dict[str, Any] = {
        "boolean": core.resolve_boolean_value,
        "sticky": core.resolve_boolean_value,
        "five": core.resolve_string_value,
    }

    def one(case: str) -> Call:
        call, default = calls[case], DEFAULT[case]
        return lambda context: call(case, default, context)

    def every(context: Any) -> dict[str, Any]:
        return {key: calls[case](key, DEFAULT[case], context) for key, case in MIXED}

    def prepare(context: dict[str, Any]) -> Any:
        return EvaluationContext(context["targetingKey"], attributes(context))

    return [Subject("openfeature-flagd-core", prepare, {case: one(case) for case in CASES}, [every])]


def flagd_openfeature() -> list[Subject]:
    """flagd's provider under OpenFeature's client, in process, from a file."""
    from openfeature.contrib.provider.flagd import FlagdProvider
    from openfeature.contrib.provider.flagd.config import ResolverType

    path = Path(tempfile.mkdtemp()) / "flags.json"
    path.write_text(json.dumps(document()), encoding="utf-8")
    provider = FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(path))
    return [openfeature("flagd's provider under OpenFeature", provider)]
