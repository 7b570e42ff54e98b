"""/openapi.json: this API's own description, and the text of it that is committed as spec/openapi.json."""

import msgspec
from litestar import Litestar, Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme


class DescriptionOnly(JsonRenderPlugin):
    """Serves the JSON and nothing else: the framework would add an HTML page for every unknown path beside it."""

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
    compact = msgspec.json.encode(app.openapi_schema.to_schema(), order="sorted")
    return msgspec.json.format(compact, indent=2) + b"\n"
