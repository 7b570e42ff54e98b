from pathlib import Path

from ebbgate.api.app import describable_app
from ebbgate.api.published import openapi_text

SPEC = Path(__file__).parents[2] / "spec" / "openapi.json"


def test_the_committed_description_of_the_api_is_current() -> None:
    assert SPEC.read_bytes() == openapi_text(describable_app()), "run `make gen`"
