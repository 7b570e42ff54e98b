"""OpenTelemetry hooks of OpenFeature beside evaluators that report nothing themselves (issue 3: 2, RULES C2).

npm's reports log records, in both encodings. Python's reports on the open span, so that OTLP carries a trace; it says
neither flag set nor version: the environment is its token's, and the version the one that was in force then.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from openfeature import api
from openfeature.contrib.hook.opentelemetry import TracingHook
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

PLAN = """
app: dashboard
flag: newWidgets
environment: traced
mode: act
commander: devops-lead
phases:
  - {name: half, to: 50%, who: random, stay: 1d..9d}
  - {name: full, to: 100%, who: everyone, watch: 9d}
guardrails:
  errors: {rate: api_error / api_request, worse_by: 5pp}
"""


@pytest.fixture
def token(world: Any) -> str:
    """Of an environment with the generation that Python's evaluator has, where `newWidgets` is rolled out."""
    world.control.environments.create("traced", bucketing="v3", reason="its services evaluate v3")
    world.control.rollouts.start(PLAN, release="v2.0.0", reason="to see who gets it")
    return str(world.control.tokens.create("client", "traced", environment="traced", reason="to report").secret)


@pytest.fixture
def ending() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        stack.callback(api.clear_providers)
        yield stack


def by_python(world: Any, token: str, ending: ExitStack) -> dict[str, str | None]:
    """Who saw what by Python's providers for flagd (in process) and OFREP, each with the hook."""
    headers = {"authorization": f"Bearer {token}"}
    traces = TracerProvider(shutdown_on_exit=False)
    ending.callback(traces.shutdown)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{world.url}/v1/traces", headers=headers)))
    flagd = FlagdProvider(
        host="127.0.0.1",
        port=world.server.grpc_port,
        resolver_type=ResolverType.IN_PROCESS,
        selector="source=traced",
        deadline_ms=5_000,
    )
    ending.callback(flagd.shutdown)
    ofrep = OFREPProvider(world.url, headers_factory=lambda: headers)
    ending.callback(ofrep.session.close)
    seen: dict[str, str | None] = {}
    for name, provider in (("flagd", flagd), ("ofrep", ofrep)):
        api.set_provider_and_wait(provider, f"traced-{name}")
        client = api.get_client(f"traced-{name}")
        client.add_hooks([TracingHook()])
        with traces.get_tracer("shop").start_as_current_span("GET /cart"):
            for unit in [f"py-otel-{name}-{n}" for n in range(30)] * 2:
                seen[unit] = client.get_boolean_details("newWidgets", False, EvaluationContext(unit)).variant
    assert traces.force_flush(10_000)
    return seen


def by_node(world: Any, node: Any, path: Path) -> dict[str, str | None]:
    """Who saw what by npm's provider for flagd, which evaluates a file, with the hook."""
    headers = {"authorization": f"Bearer {world.server_token}"}
    document = httpx.get(f"{world.url}/flagd/v1/flags", headers=headers).raise_for_status().json()
    path.write_text(json.dumps(document), encoding="utf-8")
    ask = node("server.mjs").ask
    ask("provide", provider="flagd", options={"resolverType": "in-process", "offlineFlagSourcePath": str(path)})
    seen: dict[str, str | None] = {}
    for encoding in ("json", "protobuf"):
        headers = {"Authorization": f"Bearer {world.client_token}"}
        ask("report", encoding=encoding, options={"url": f"{world.url}/v1/logs", "headers": headers})
        for _ in range(2):
            seen |= ask("variants", flag="newWidgets", units=[f"node-otel-{encoding}-{n}" for n in range(30)])
        ask("flush")
    return seen


def test_users_are_in_the_table_of_exposures_by_the_hook_once(
    world: Any, node: Any, token: str, ending: ExitStack, tmp_path: Path
) -> None:
    """Also those of whom both OFREP and the hook tell."""
    seen = {"node-otel-": by_node(world, node, tmp_path / "flags.json"), "py-otel-": by_python(world, token, ending)}
    environments = {"node-otel-": "production", "py-otel-": "traced"}
    for prefix, environment in environments.items():
        assert seen[prefix] == world.expected(seen[prefix], environment=environment)
        assert set(seen[prefix].values()) == {"on", "off"}

    with world.stopped():
        for prefix, variants in seen.items():
            assert sorted(world.exposure_rows(prefix)) == sorted(variants.items())
