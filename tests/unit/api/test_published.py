"""The description of the API is whole, and true of what the API answers."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ebbgate.api.app import describable_app
from ebbgate.api.published import openapi_text


@pytest.fixture(scope="module", name="document")
def described() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(openapi_text(describable_app()))
    return document


def test_what_is_served_is_what_is_described_without_any_services(desk: Any, document: dict[str, Any]) -> None:
    assert desk.call("GET", "/api/v1/openapi.json").json() == document


def test_it_is_openapi_3_1_and_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    schemas = document["components"]["schemas"]
    for reference in references(document):
        prefix, _, name = reference.rpartition("/")
        assert prefix == "#/components/schemas"
        assert name in schemas


def test_each_operation_has_its_own_id_a_description_and_problems(document: dict[str, Any]) -> None:
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    for operation in operations:
        assert operation["description"], operation["operationId"]
        assert "application/problem+json" in operation["responses"]["default"]["content"]


def test_only_health_is_described_as_open(document: dict[str, Any]) -> None:
    paths = document["paths"]
    open_to_all = {path for path, methods in paths.items() for one in methods.values() if one.get("security") == []}
    assert open_to_all == {"/healthz", "/readyz"}


def test_a_decision_is_told_apart_by_its_tag(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Hold"]["properties"]["decision"] == {"enum": ["hold"]}
    assert schemas["DecisionView"]["properties"]["decision"]["discriminator"]["propertyName"] == "decision"


def test_what_the_api_answers_is_what_it_describes(desk: Any, document: dict[str, Any]) -> None:
    desk.start()
    desk.live(30)
    desk.call("POST", "/api/v1/flags/newWidgets/status", {"status": "disabled", "reason": "x"})
    desk.live(1)
    desk.call("POST", "/api/v1/postmortems/INC-1/status", {"step": "draft", "reason": "x"})
    desk.build()
    desk.call("POST", "/api/v1/drills", {"app": "dash", "reason": "x"})
    desk.call("POST", "/api/v1/releases/v1.0.0/deploy", {"reason": "x"})
    names = {"releases/{ref}": "releases/v1.0.0", "{paper}": "manifest", "{deployment_id}": "dash-deploy-1"}
    names["{drill_id}"] = "drill-1"
    names |= {"incidents/{ref}": "incidents/INC-1", "postmortems/{ref}": "postmortems/INC-1"}
    names |= {"{ref}": "newWidgets", "{key}": "newWidgets", "{name}": "production"}
    seen = 0
    for path, methods in document["paths"].items():
        if "get" not in methods or not path.startswith("/api/"):
            continue
        url = path
        for placeholder, name in names.items():
            url = url.replace(placeholder, name)
        needed = {"older": 1, "newer": 1, "against": "v1.0.0"} if path.endswith("/diff") else {}
        answer = desk.call("GET", url, kind="admin", params=needed)
        assert answer.status_code == 200, answer.text
        content = methods["get"]["responses"]["200"]["content"]
        if answer.headers["content-type"].partition(";")[0] != "application/json":
            assert "application/json" not in content, f"{path} answers {answer.headers['content-type']}"
            continue
        validator_of(document, content["application/json"]["schema"]).validate(answer.json())
        seen += 1
    assert seen >= 13


def test_a_problem_is_what_is_described_as_one(desk: Any, document: dict[str, Any]) -> None:
    problem = desk.call("POST", "/api/v1/rollouts", {"plan": "a: 1", "release": "v", "reason": "x"}).json()
    validator_of(document, {"$ref": "#/components/schemas/Problem"}).validate(problem)


def validator_of(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": document["components"]})


def references(node: Any) -> set[str]:
    """Every `$ref` below a node."""
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(value) for value in node.values()))
    return set().union(*(references(value) for value in node)) if isinstance(node, list) else set()
