"""flagd's own providers over gRPC, in process (`flagd.sync.v1`) and remote (`flagd.evaluation`), from Python and npm.

They can send no token, so this edge lets them in without one (issue 3: 2).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest
from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import Reason

Variants = dict[str, str | None]
NAMES = ("python-in-process", "python-rpc", "node-in-process", "node-rpc")
PYTHON = {"python-in-process": ResolverType.IN_PROCESS, "python-rpc": ResolverType.RPC}
NODE = {"node-in-process": "in-process", "node-rpc": "rpc"}
ANYBODY = "anybody"


class FlagdClient(Protocol):
    """An OpenFeature client, wherever it runs."""

    def value(self, type_: str, flag: str, fallback: Any) -> Any:
        """The flag's value for anybody."""

    def variants(self, units: list[str]) -> Variants:
        """The variants of `newWidgets`."""


class PythonClient:
    """In this process."""

    def __init__(self, name: str, port: int, **settings: Any) -> None:
        self._provider = FlagdProvider(
            host="127.0.0.1",
            port=port,
            resolver_type=PYTHON[name],
            deadline_ms=5_000,
            retry_backoff_ms=100,
            retry_backoff_max_ms=300,
            stream_deadline_ms=60_000,
            **settings,
        )
        api.set_provider_and_wait(self._provider, name)
        self._client = api.get_client(name)

    def value(self, type_: str, flag: str, fallback: Any) -> Any:
        read = getattr(self._client, f"get_{'integer' if type_ == 'number' else type_}_value")
        return read(flag, fallback, EvaluationContext(ANYBODY))

    def variants(self, units: list[str]) -> Variants:
        read = self._client.get_boolean_details
        return {unit: read("newWidgets", False, EvaluationContext(unit)).variant for unit in units}

    def close(self) -> None:
        self._provider.shutdown()


class NodeClient:
    """In a node process."""

    def __init__(self, name: str, port: int, ask: Callable[..., Any]) -> None:
        self._ask = ask
        options = {
            "host": "127.0.0.1",
            "port": port,
            "resolverType": NODE[name],
            "deadlineMs": 5_000,
            "retryBackoffMs": 100,
            "retryBackoffMaxMs": 300,
        }
        ask("provide", provider="flagd", options=options)

    def value(self, type_: str, flag: str, fallback: Any) -> Any:
        context = {"targetingKey": ANYBODY}
        return self._ask("evaluate", type=type_, flag=flag, fallback=fallback, context=context)["value"]

    def variants(self, units: list[str]) -> Variants:
        return dict(self._ask("variants", flag="newWidgets", units=units))


@pytest.fixture(scope="module")
def clients(world: Any, node: Any) -> Iterator[dict[str, FlagdClient]]:
    """By name. They stay over a restart of the server."""
    port = world.server.grpc_port
    made: dict[str, FlagdClient] = {}
    with ExitStack() as stack:
        stack.callback(api.clear_providers)
        for name in PYTHON:
            client = PythonClient(name, port)
            stack.callback(client.close)
            made[name] = client
        for name in NODE:
            made[name] = NodeClient(name, port, node("server.mjs").ask)
        yield made


@pytest.mark.parametrize("name", NAMES)
def test_values_of_every_type_and_a_pushed_toggle(
    world: Any, clients: dict[str, FlagdClient], eventually: Any, name: str
) -> None:
    client = clients[name]
    eventually(lambda: client.value("boolean", "kiosk", False) is True, "the flag")
    assert client.value("string", "greeting", "") == "Good day"
    assert client.value("number", "pageSize", 0) == 50
    assert client.value("object", "theme", {}) == {"colour": "black", "sizes": [1, 2]}

    with world.kiosk_off():
        eventually(lambda: client.value("boolean", "kiosk", True) is False, "the toggle")
    eventually(lambda: client.value("boolean", "kiosk", False) is True, "the toggle back")


@pytest.mark.parametrize("name", NAMES)
def test_where_the_code_decides_its_default_is_served(clients: dict[str, FlagdClient], name: str) -> None:
    for flag in ("resting", "undecided"):
        for default in (True, False):
            assert clients[name].value("boolean", flag, default) is default


def test_users_keep_their_variant_over_a_restart_and_remote_evaluations_are_exposures(
    world: Any, clients: dict[str, FlagdClient], eventually: Any
) -> None:
    units = {name: [f"grpc-{name}-{n}" for n in range(30)] for name in NAMES}
    expected = {name: world.expected(units[name]) for name in NAMES}
    expected["python-in-process"] = world.expected(units["python-in-process"], bucketing="v3")  # it knows no other

    assert {name: clients[name].variants(units[name]) for name in NAMES} == expected
    with world.stopped():
        in_process = [name for name in NAMES if name.endswith("in-process")]
        for name in in_process:  # the last good document
            assert clients[name].variants(units[name]) == expected[name]
        assert world.exposures("grpc-") == expected["python-rpc"] | expected["node-rpc"]

    with world.kiosk_off():
        for name in NAMES:
            eventually(lambda name=name: clients[name].value("boolean", "kiosk", True) is False, name)
    assert {name: clients[name].variants(units[name]) for name in NAMES} == expected


def test_where_bucketing_is_v3_pythons_evaluator_in_process_and_ofrep_give_a_user_the_same_variant(
    world: Any,
) -> None:
    world.control.environments.create("third", bucketing="v3", reason="its services evaluate v3")
    rule = {"fractional": [{"cat": ["salt:", {"var": "targetingKey"}]}, ["on", 1], ["off", 1]]}
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off", "targeting": rule}
    world.control.flags.put("newWidgets", flag, environment="third", reason="half of them")
    token = world.control.tokens.create("client", "third", environment="third", reason="to ask").secret
    units = [f"third-{n}" for n in range(60)]

    with ExitStack() as stack:
        stack.callback(api.clear_providers)
        in_process = PythonClient("python-in-process", world.server.grpc_port, selector="source=third")
        stack.callback(in_process.close)
        ofrep = OFREPProvider(world.url, headers_factory=lambda: {"authorization": f"Bearer {token}"})
        stack.callback(ofrep.session.close)
        resolve = ofrep.resolve_boolean_details
        remote = {unit: resolve("newWidgets", False, EvaluationContext(unit)).variant for unit in units}

        assert set(remote.values()) == {"on", "off"}
        assert in_process.variants(units) == remote


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the provider's own thread
def test_without_a_token_a_closed_edge_is_left_for_the_default(strict: Any) -> None:
    """flagd's providers can send none; see `grpc_without_token`. The last test here: it forgets all providers."""
    with ExitStack() as stack:
        stack.callback(api.clear_providers)
        provider = FlagdProvider(
            host="127.0.0.1", port=strict.grpc_port, resolver_type=ResolverType.RPC, deadline_ms=2_000
        )
        stack.callback(provider.shutdown)
        api.set_provider(provider, "closed")
        client = api.get_client("closed")
        details = client.get_boolean_details("kiosk", False, EvaluationContext(ANYBODY))
        assert (details.value, details.reason, details.error_code is None) == (False, Reason.ERROR, False)
