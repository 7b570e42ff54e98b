"""Flag documents in files of this machine."""

import json
from typing import Any

from ebbgate.adapters.plans.yaml_file import read_yaml
from ebbgate.core.errors import FlagDocumentError, PlanError


def flag_data(text: str, *, name: str) -> Any:
    """What a text says, JSON or YAML 1.2, in which `on` and `off` stay text. name: of the file, for the message.

    Raises FlagDocumentError. A text that begins as JSON does is judged as JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip()[:1] in ("{", "["):
            raise FlagDocumentError(
                f"{name} cannot be read: it is not JSON: {error}", hint="give a flagd document, as JSON or as YAML"
            ) from None
    try:
        return read_yaml(text).data
    except PlanError as error:  # what a plan file may not have, a flag file may not have either
        raise FlagDocumentError(f"{name} cannot be read: {error.message}", hint=error.hint) from None
