"""The provider in OpenFeature's own SDK, over HTTP."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import FlagEvaluationDetails, Reason
from openfeature.hook import Hook, HookContext, HookHints
from openfeature.provider import ProviderStatus
from openfeature.track import TrackingEventDetails

from ebbgate.core.flags import raw_document
from ebbgate.sdk.openfeature import EbbgateProvider

USER = EvaluationContext("user-1", {"plan": "pro", "since": datetime(2026, 1, 1, tzinfo=UTC)})


@pytest.fixture(autouse=True)
def _fresh_openfeature() -> Iterator[None]:
    yield
    api.shutdown()


class _Recorder(Hook):
    """Notes what OpenFeature tells hooks."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def before(self, hook_context: HookContext, hints: HookHints) -> EvaluationContext | None:
        self.calls.append(f"before {hook_context.flag_key}")
        return None

    def after(self, hook_context: HookContext, details: FlagEvaluationDetails[Any], hints: HookHints) -> None:
        self.calls.append(f"after {details.variant}")

    def error(self, hook_context: HookContext, exception: Exception, hints: HookHints) -> None:
        self.calls.append(f"error {type(exception).__name__}")


def a_document() -> Any:
    def flag(**variants: Any) -> dict[str, Any]:
        return {
            "state": "ENABLED",
            "variants": variants,
            "defaultVariant": next(iter(variants)),
            "metadata": {"owner": "web"},
        }

    rule = {"if": [{"==": [{"var": "plan"}, "pro"]}, "b", "a"]}
    return raw_document(
        {
            "flags": {
                "bool": flag(on=True, off=False),
                "text": {**flag(a="A", b="B"), "targeting": rule},
                "int": flag(one=1),
                "float": flag(half=0.5, one=1),
                "object": flag(x={"a": [1]}),
            }
        }
    )


def test_every_type_is_resolved_in_both_ways(edge: Any, connect: Any, a_snapshot: Any) -> None:
    edge.publish(a_snapshot(1, document=a_document(), leases={}))
    api.set_provider_and_wait(EbbgateProvider(connect()))
    client = api.get_client()
    assert client.get_boolean_value("bool", False, USER) is True
    assert client.get_string_value("text", "x", USER) == "B"
    assert client.get_integer_value("int", 0, USER) == 1
    assert client.get_float_value("float", 0.0, USER) == 0.5
    assert client.get_object_value("object", {}, USER) == {"a": [1]}
    details = client.get_string_details("text", "x", USER)
    assert (details.variant, details.reason) == ("b", Reason.TARGETING_MATCH)
    assert details.flag_metadata["owner"] == "web"


async def test_asynchronous_clients_are_answered(edge: Any, connect: Any, a_snapshot: Any) -> None:
    edge.publish(a_snapshot(1, document=a_document(), leases={}))
    api.set_provider_and_wait(EbbgateProvider(connect()))
    client = api.get_client()
    assert await client.get_boolean_value_async("bool", False, USER) is True
    assert await client.get_string_value_async("text", "x") == "A"
    assert await client.get_integer_value_async("int", 0) == 1
    assert await client.get_float_value_async("float", 0.0) == 0.5
    assert await client.get_object_value_async("object", {}) == {"a": [1]}


def test_errors_have_openfeatures_codes_and_the_callers_default(edge: Any, connect: Any, a_snapshot: Any) -> None:
    edge.publish(a_snapshot(1, document=a_document(), leases={}))
    hook = _Recorder()
    api.set_provider_and_wait(EbbgateProvider(connect(), hooks=[hook]))
    client = api.get_client()
    missing = client.get_boolean_details("nowhere", True)
    assert (missing.value, missing.error_code, missing.reason) == (True, ErrorCode.FLAG_NOT_FOUND, Reason.ERROR)
    mismatch = client.get_boolean_details("text", True)
    assert (mismatch.value, mismatch.error_code) == (True, ErrorCode.TYPE_MISMATCH)
    client.get_boolean_details("bool", True)
    assert hook.calls == [
        "before nowhere",
        "error FlagNotFoundError",
        "before text",
        "error TypeMismatchError",
        "before bool",
        "after on",
    ]


def test_exposures_and_tracked_events_reach_the_server(edge: Any, connect: Any, a_snapshot: Any) -> None:
    edge.publish(a_snapshot(4))
    client = connect()
    api.set_provider_and_wait(EbbgateProvider(client))
    openfeature = api.get_client()
    openfeature.get_boolean_value("new", False, USER)
    openfeature.track("checkout", USER, TrackingEventDetails(9.5, {"currency": "EUR"}))
    openfeature.track("visit", USER)
    assert client.flush()
    exposure = edge.of_type("exposure")[0]
    assert (exposure["unit"], exposure["flag"], exposure["snapshot_version"]) == ("user-1", "new", 4)
    checkout, visit = edge.of_type("event")
    assert (checkout["unit"], checkout["value"], checkout["attributes"]) == ("user-1", 9.5, {"currency": "EUR"})
    assert checkout["snapshot_version"] == 4
    assert "value" not in visit


def test_provider_events_follow_the_connection(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Callable[..., None]
) -> None:
    seen: list[tuple[str, list[str] | None]] = []

    def note(event: ProviderEvent) -> None:
        def handler(details: EventDetails) -> None:
            seen.append((event.value, details.flags_changed))

        api.add_handler(event, handler)

    edge.publish(a_snapshot(1))
    for event in ProviderEvent:
        note(event)
    api.set_provider_and_wait(EbbgateProvider(connect()))
    client = api.get_client()
    edge.publish(a_snapshot(2, old="on"))
    eventually(lambda: ("PROVIDER_CONFIGURATION_CHANGED", ["old"]) in seen)
    edge.stop()
    eventually(lambda: client.get_provider_status() is ProviderStatus.STALE)
    assert client.get_boolean_value("old", False, USER) is True  # the last good snapshot serves
    edge.start()
    eventually(lambda: client.get_provider_status() is ProviderStatus.READY)

    def kinds() -> list[str]:
        told = [kind.removeprefix("PROVIDER_") for kind, _ in seen]
        return [kind for kind in told if kind != "ERROR"]

    # OpenFeature runs handlers in a pool of its own: the last one may come after the status.
    eventually(lambda: len(kinds()) >= 5)
    assert kinds() == ["READY", "READY", "CONFIGURATION_CHANGED", "STALE", "READY"]


def test_without_server_and_disk_the_provider_is_not_ready_until_it_is(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Callable[..., None]
) -> None:
    edge.stop()
    with pytest.raises(ProviderNotReadyError, match="none on disk: the server cannot be reached"):
        api.set_provider_and_wait(EbbgateProvider(connect(), ready_timeout_s=2.0))
    client = api.get_client()
    details = client.get_boolean_details("old", True, USER)
    assert (details.value, details.error_code) == (True, ErrorCode.PROVIDER_NOT_READY)
    edge.snapshot = a_snapshot(1, old="off")
    edge.start()
    eventually(lambda: client.get_provider_status() is ProviderStatus.READY)
    assert client.get_boolean_value("old", True, USER) is False


def test_a_provider_over_a_copy_on_disk_says_that_it_is_stale_until_the_server_is_there(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Callable[..., None], tmp_path: Path
) -> None:
    edge.publish(a_snapshot(1, old="on"))
    first = connect(cache_dir=tmp_path)
    assert first.wait_ready(5)
    first.close()
    edge.stop()
    second = connect(cache_dir=tmp_path)
    told: list[str] = []
    second.on("stale", lambda notice: told.append(notice.kind))
    eventually(lambda: told == ["stale"])  # so that no notice is left that could tell the provider
    api.set_provider_and_wait(EbbgateProvider(second))
    client = api.get_client()
    eventually(lambda: client.get_provider_status() is ProviderStatus.STALE)
    assert client.get_boolean_value("old", False, USER) is True
    edge.start()
    eventually(lambda: client.get_provider_status() is ProviderStatus.READY)
