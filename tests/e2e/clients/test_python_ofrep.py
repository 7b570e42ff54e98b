"""The OpenFeature SDK for Python with `openfeature-provider-ofrep` (issue 3: 2)."""

from collections.abc import Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

UNITS = [f"py-ofrep-{n}" for n in range(40)]
ANYBODY = EvaluationContext("py-anybody")


@pytest.fixture
def client(world: Any) -> Iterator[OpenFeatureClient]:
    provider = OFREPProvider(world.url, headers_factory=lambda: {"authorization": f"Bearer {world.client_token}"})
    api.set_provider_and_wait(provider, "python-ofrep")
    yield api.get_client("python-ofrep")
    api.clear_providers()
    provider.session.close()


def test_values_of_every_type_come_with_variant_reason_and_metadata(world: Any, client: OpenFeatureClient) -> None:
    boolean = client.get_boolean_details("kiosk", False, ANYBODY)
    assert (boolean.value, boolean.variant, boolean.reason) == (True, "on", Reason.STATIC)
    assert boolean.flag_metadata["flagSetId"] == "production"
    assert client.get_string_value("greeting", "", ANYBODY) == "Good day"
    assert client.get_integer_value("pageSize", 0, ANYBODY) == 50
    assert client.get_float_value("ratio", 0.0, ANYBODY) == 0.5
    assert client.get_object_value("theme", {}, ANYBODY) == {"colour": "black", "sizes": [1, 2]}

    missing = client.get_boolean_details("no such flag", True, ANYBODY)
    assert (missing.value, missing.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)
    mismatch = client.get_boolean_details("greeting", True, ANYBODY)
    assert (mismatch.value, mismatch.error_code) == (True, ErrorCode.TYPE_MISMATCH)


def test_a_toggle_is_seen_at_the_next_evaluation(world: Any, client: OpenFeatureClient, eventually: Any) -> None:
    assert client.get_boolean_value("kiosk", False, ANYBODY) is True

    with world.kiosk_off():
        eventually(lambda: client.get_boolean_value("kiosk", True, ANYBODY) is False, "the toggle")


def test_users_keep_their_variant_over_a_restart_and_are_in_the_table_of_exposures(
    world: Any, client: OpenFeatureClient
) -> None:
    expected = world.expected(UNITS)
    assert set(expected.values()) == {"on", "off"}

    assert _variants(client) == expected
    with world.stopped():
        down = client.get_boolean_details("newWidgets", False, ANYBODY)
        assert (down.value, down.error_code) == (False, ErrorCode.GENERAL)
        assert world.exposures("py-ofrep-") == expected

    assert _variants(client) == expected


def _variants(client: OpenFeatureClient) -> dict[str, str | None]:
    return {unit: client.get_boolean_details("newWidgets", False, EvaluationContext(unit)).variant for unit in UNITS}
