"""The OpenFeature SDK for Python with `openfeature-provider-flagd`, which evaluates in its own process (issue 3: 2).

Its newest evaluator knows bucketing v3 alone, where the production environment here has v2 (flags.md, section 1).
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.evaluation_context import EvaluationContext

UNITS = [f"py-flagd-{n}" for n in range(60)]
ANYBODY = EvaluationContext("py-anybody")


@pytest.fixture
def provide() -> Iterator[Callable[..., OpenFeatureClient]]:
    """Makes a client whose provider has these settings."""
    with ExitStack() as stack:
        stack.callback(api.clear_providers)

        def make(**settings: Any) -> OpenFeatureClient:
            provider = FlagdProvider(**settings)
            stack.callback(provider.shutdown)
            api.set_provider_and_wait(provider, "python-flagd")
            return api.get_client("python-flagd")

        yield make


@pytest.fixture
def exported(world: Any, tmp_path: Path) -> Path:
    """The flagd document that the edge serves, in a file."""
    path = tmp_path / "flags.json"
    path.write_text(json.dumps(fetch(world)), encoding="utf-8")
    return path


def fetch(world: Any) -> Any:
    """The document as the edge serves it to those who evaluate themselves."""
    headers = {"authorization": f"Bearer {world.server_token}"}
    answer = httpx.get(f"{world.url}/flagd/v1/flags", headers=headers)
    return answer.raise_for_status().json()


def test_a_served_document_in_a_file_gives_values_of_every_type(
    exported: Path, provide: Callable[..., OpenFeatureClient], assert_every_type: Callable[..., None]
) -> None:
    client = provide(resolver_type=ResolverType.FILE, offline_flag_source_path=str(exported), deadline_ms=100)

    assert_every_type(client)


def test_a_toggle_is_seen_when_the_file_is_replaced(
    world: Any, exported: Path, provide: Callable[..., OpenFeatureClient], eventually: Any
) -> None:
    client = provide(resolver_type=ResolverType.FILE, offline_flag_source_path=str(exported), deadline_ms=100)
    assert client.get_boolean_value("kiosk", False, ANYBODY) is True

    with world.kiosk_off():
        eventually(lambda: fetch(world)["flags"]["kiosk"]["defaultVariant"] == "off", "the edge to serve it")
        draft = exported.with_suffix(".new")
        draft.write_text(json.dumps(fetch(world)), encoding="utf-8")
        draft.replace(exported)

        eventually(lambda: client.get_boolean_value("kiosk", True, ANYBODY) is False, "the toggle")


def test_users_have_the_variants_of_bucketing_v3_and_hence_not_those_of_v2(
    world: Any, exported: Path, provide: Callable[..., OpenFeatureClient]
) -> None:
    client = provide(resolver_type=ResolverType.FILE, offline_flag_source_path=str(exported), deadline_ms=100)

    found = {unit: client.get_boolean_details("newWidgets", False, EvaluationContext(unit)).variant for unit in UNITS}

    assert found == world.expected(UNITS, bucketing="v3")
    assert found != world.expected(UNITS)  # why such an evaluator needs an environment of its own generation
