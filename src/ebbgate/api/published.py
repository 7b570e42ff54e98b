"""/openapi.json: this API's own description, and the text of it that is committed as spec/openapi.json.

Paths come from the handlers; schemas from msgspec, which checks the messages, so that both say the same.
"""

from typing import Any

import msgspec
from litestar import Litestar, Request, Response, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme
from litestar.routes import HTTPRoute

from ebbgate.api.guard import PERMISSION
from ebbgate.api.problems import PROBLEM, Problem

_REF = "#/components/schemas/{name}"
_REFUSED = {
    "description": "Refused: `code` is stable, `hint` says what to do.",
    "content": {PROBLEM: {"schema": {"$ref": _REF.format(name="Problem")}}},
}


class DescriptionOnly(JsonRenderPlugin):
    """Serves the JSON and nothing else: the framework would add an HTML page for every unknown path beside it."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return openapi_text(request.app)

    def receive_router(self, router: Router) -> None:
        router.routes[:] = [route for route in router.routes if route.path.endswith("/openapi.json")]


def openapi_config(prefix: str) -> OpenAPIConfig:
    """What the description says besides the routes."""
    return OpenAPIConfig(
        title="ebbgate control API",
        version="1",
        description="Rollouts, flags, tokens and records. Errors are problem+json with a stable `code` and a `hint`.",
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        path=prefix,
        render_plugins=[DescriptionOnly()],
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer"),
                "apiKey": SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header"),
            }
        ),
        security=[{"bearer": []}, {"apiKey": []}],
    )


def openapi_text(app: Litestar) -> bytes:
    """The description as it is committed: sorted and indented, so that a change reads well."""
    compact = msgspec.json.encode(describe(app), order="sorted")
    return msgspec.json.format(compact, indent=2) + b"\n"


def describe(app: Litestar) -> dict[str, Any]:
    """OpenAPI 3.1 of every route."""
    document = app.openapi_schema.to_schema()
    messages: list[Any] = [Problem]
    for method, path, handler in handlers_of(app):
        operation = document["paths"][path][method]
        operation.pop("summary", None)  # the operation id in other letters
        operation["responses"].pop("400", None)  # the framework's own form of errors, which is never sent
        if handler.opt.get(PERMISSION, "operate") is None:
            operation["security"] = []
        operation["responses"]["default"] = _REFUSED
        body = handler.parsed_fn_signature.parameters.get("data")
        if body is not None:
            messages.append(body.annotation)
            operation["requestBody"]["content"]["application/json"]["schema"] = _reference(body.annotation)
        answer = handler.parsed_fn_signature.return_type.annotation
        if answer not in (str, bytes, Response[str]):
            messages.append(answer)
            content = operation["responses"][str(handler.status_code)]["content"]
            content["application/json"]["schema"] = _reference(answer)
    _, schemas = msgspec.json.schema_components(messages, ref_template=_REF)
    document["components"]["schemas"] = schemas
    return document


def handlers_of(app: Litestar) -> list[tuple[str, str, HTTPRouteHandler]]:
    """(method, path, handler) of every route that is described, in lower case and as OpenAPI writes it."""
    return [
        (method.lower(), route.path_format, handler)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS" and handler.resolve_include_in_schema()
    ]


def _reference(message: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([message], ref_template=_REF)
    return schema
