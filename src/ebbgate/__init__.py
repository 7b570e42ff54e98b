"""The SDK's public names, loaded when first asked for, so that `import ebbgate` stays light."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Client", "EbbgateError", "EvaluationDetails", "Timing", "__version__"]

if TYPE_CHECKING:
    from ebbgate.core.errors import EbbgateError
    from ebbgate.core.flags import EvaluationDetails
    from ebbgate.sdk.client import Client
    from ebbgate.sdk.timing import Timing

_HOMES = {
    "Client": "ebbgate.sdk.client",
    "EbbgateError": "ebbgate.core.errors",
    "EvaluationDetails": "ebbgate.core.flags",
    "Timing": "ebbgate.sdk.timing",
}


def __getattr__(name: str) -> Any:
    if home := _HOMES.get(name):
        from importlib import import_module

        return getattr(import_module(home), name)
    raise AttributeError(f"module 'ebbgate' has no attribute {name!r}")
