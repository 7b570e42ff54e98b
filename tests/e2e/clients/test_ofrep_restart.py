"""Server-side OFREP clients, from Python and npm, over a restart of the server (issue 3: 2)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

ANYBODY = "restart-anybody"
Details = dict[str, Any]
"""As JSON has it: value, variant, errorCode."""


@pytest.fixture
def python(world: Any) -> Iterator[Callable[[str], Details]]:
    provider = OFREPProvider(world.url, headers_factory=lambda: {"authorization": f"Bearer {world.client_token}"})
    api.set_provider_and_wait(provider, "python-restart")
    client = api.get_client("python-restart")

    def evaluate(unit: str) -> Details:
        found = client.get_boolean_details("newWidgets", False, EvaluationContext(unit))
        return {"value": found.value, "variant": found.variant, "errorCode": found.error_code}

    yield evaluate
    api.clear_providers()
    provider.session.close()


@pytest.fixture
def ask(world: Any, node: Any) -> Callable[..., Any]:
    """Asks npm's SDK in its own process."""
    process = node("server.mjs")
    headers = {"Authorization": f"Bearer {world.client_token}"}
    process.ask("provide", provider="ofrep", options={"baseUrl": world.url, "headers": headers})
    return process.ask  # type: ignore[no-any-return]


def test_users_keep_their_variant_over_a_restart_and_are_in_the_table_of_exposures(
    world: Any, python: Callable[[str], Details], ask: Callable[..., Any]
) -> None:
    """Those that OFREP and the OpenTelemetry hook both report are there once."""
    of_node = [f"ofrep-node-{n}" for n in range(40)]
    of_python = [f"ofrep-python-{n}" for n in range(40)]
    expected_node, expected_python = world.expected(of_node), world.expected(of_python)
    reported_twice = [f"ofrep-both-{n}" for n in range(20)]
    assert set(expected_node.values()) == set(expected_python.values()) == {"on", "off"}

    def variants() -> list[dict[str, str]]:
        of_each = {unit: python(unit)["variant"] for unit in of_python}
        return [ask("variants", flag="newWidgets", units=of_node), of_each]

    assert variants() == [expected_node, expected_python]
    headers = {"Authorization": f"Bearer {world.client_token}"}
    ask("report", encoding="protobuf", options={"url": f"{world.url}/v1/logs", "headers": headers})
    seen = ask("variants", flag="newWidgets", units=reported_twice)
    ask("flush")
    with world.stopped():
        context = {"targetingKey": ANYBODY}
        down = ask("evaluate", type="boolean", flag="newWidgets", fallback=False, context=context)
        assert (down["value"], down["errorCode"]) == (False, "GENERAL")
        assert (python(ANYBODY)["value"], python(ANYBODY)["errorCode"]) == (False, "GENERAL")
        assert world.exposures("ofrep-node-") == expected_node
        assert world.exposures("ofrep-python-") == expected_python
        assert sorted(world.exposure_rows("ofrep-both-")) == sorted(seen.items())

    assert variants() == [expected_node, expected_python]
