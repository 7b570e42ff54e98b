"""The OpenFeature SDK for Python with `openfeature-provider-ofrep` (issue 3: 2)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

ANYBODY = EvaluationContext("py-anybody")


@pytest.fixture
def client(world: Any) -> Iterator[OpenFeatureClient]:
    provider = OFREPProvider(world.url, headers_factory=lambda: {"authorization": f"Bearer {world.client_token}"})
    api.set_provider_and_wait(provider, "python-ofrep")
    yield api.get_client("python-ofrep")
    api.clear_providers()
    provider.session.close()


def test_values_of_every_type_come_with_variant_reason_and_metadata(
    client: OpenFeatureClient, assert_every_type: Callable[..., None]
) -> None:
    assert_every_type(client)
    mismatch = client.get_boolean_details("greeting", True, ANYBODY)
    assert (mismatch.value, mismatch.error_code) == (True, ErrorCode.TYPE_MISMATCH)


def test_a_toggle_is_seen_at_the_next_evaluation(world: Any, client: OpenFeatureClient, eventually: Any) -> None:
    assert client.get_boolean_value("kiosk", False, ANYBODY) is True

    with world.kiosk_off():
        eventually(lambda: client.get_boolean_value("kiosk", True, ANYBODY) is False, "the toggle")


@pytest.mark.parametrize("flag", ["resting", "undecided"])
def test_where_the_code_decides_its_default_is_served(client: OpenFeatureClient, flag: str) -> None:
    """The provider insists on a variant and says GENERAL of an answer without one."""
    for default in (True, False):
        assert client.get_boolean_value(flag, default, ANYBODY) is default


def test_a_token_that_is_not_known_and_one_that_asks_too_often_get_the_default_with_an_error(
    strict: Any,
) -> None:
    headers = {"authorization": "Bearer ebb_client_nobody"}
    provider = OFREPProvider(strict.url, headers_factory=lambda: headers)
    api.set_provider_and_wait(provider, "python-refused")
    client = api.get_client("python-refused")
    try:
        unknown = client.get_boolean_details("kiosk", False, ANYBODY)
        assert (unknown.value, unknown.reason, unknown.error_code) == (False, Reason.ERROR, ErrorCode.GENERAL)

        headers["authorization"] = f"Bearer {strict.tokens['python']}"
        answers = [client.get_boolean_details("kiosk", False, ANYBODY) for _ in range(6)]
        assert (answers[0].value, answers[0].error_code) == (True, None)
        assert (answers[-1].value, answers[-1].error_code) == (False, ErrorCode.GENERAL)
        assert "TooManyRequests" in (answers[-1].error_message or "")  # it asks no more before Retry-After
    finally:
        provider.session.close()
        api.clear_providers()
