"""One flag, asked for in every way that there is."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx
import pytest
from openfeature.evaluation_context import EvaluationContext

from ebbgate import Client
from ebbgate.client import ControlClient
from ebbgate.demo.server import LocalServer
from ebbgate.sdk.openfeature import EbbgateProvider

Variants = dict[str, str | None]
EVERYBODY = """
app: dashboard
flag: newWidgets
mode: act
commander: devops-lead
phases:
  - {name: full, to: 100%, who: everyone, watch: 9d}
guardrails:
  errors: {rate: api_error / api_request, worse_by: 5pp}
"""


@pytest.fixture
def by_sdk() -> Callable[..., Variants]:
    """The variant of each user in the SDK, in process."""

    def ask(client: Client, users: Iterable[dict[str, Any]], flag: str = "newWidgets") -> Variants:
        return {user["targetingKey"]: client.boolean_details(flag, False, user).variant for user in users}

    return ask


@pytest.fixture
def by_openfeature() -> Callable[..., Variants]:
    """The same through the OpenFeature provider."""

    def ask(client: Client, users: Iterable[dict[str, Any]], flag: str = "newWidgets") -> Variants:
        provider = EbbgateProvider(client)
        found: Variants = {}
        for user in users:
            attributes = {name: value for name, value in user.items() if name != "targetingKey"}
            context = EvaluationContext(user["targetingKey"], attributes)
            found[user["targetingKey"]] = provider.resolve_boolean_details(flag, False, context).variant
        return found

    return ask


@pytest.fixture
def by_ofrep() -> Callable[..., Variants]:
    """The same over OFREP: one flag at a time, and all flags at once; both must agree."""

    def ask(url: str, token: str, users: Iterable[dict[str, Any]], flag: str = "newWidgets") -> Variants:
        found: Variants = {}
        with httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}) as http:
            for user in users:
                single = http.post(f"/ofrep/v1/evaluate/flags/{flag}", json={"context": user}).json()
                bulk = http.post("/ofrep/v1/evaluate/flags", json={"context": user}).json()
                assert single in bulk["flags"], (user, single)
                found[user["targetingKey"]] = single["variant"]
        return found

    return ask


@pytest.fixture(scope="module")
def keyless_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, str, str]]:
    """A rollout that has reached everybody: an SDK, and where and with what token OFREP is asked."""
    with LocalServer(tmp_path_factory.mktemp("keyless")) as server:
        with ControlClient(server.control_url, server.admin_token) as control:
            token = control.tokens.create("server", "test", reason="to ask").secret
            control.rollouts.start(EVERYBODY, release="v2.0.0", reason="for everybody")
            newest = control.flags.get("newWidgets").snapshot_version
        with Client(server.edge_url, token) as client:
            assert client.wait_ready(15)
            assert client.snapshot_version == newest
            yield client, server.edge_url, token
