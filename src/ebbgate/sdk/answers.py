"""Answers that are not what the flag itself says, or not surely."""

from typing import Any

import msgspec

from ebbgate.core.flags.details import EvaluationDetails


def code_default(default: Any, message: str) -> EvaluationDetails:
    """The caller's own default, with OpenFeature's reason ERROR. message: why."""
    return EvaluationDetails(value=default, reason="ERROR", error_code="GENERAL", error_message=message)


def stale(details: EvaluationDetails) -> EvaluationDetails:
    """The same answer with OpenFeature's reason STALE: it may be out of date. What the flag gave as its reason moves to
    `staleReason` in the metadata."""
    metadata = {**details.metadata, "staleReason": details.reason}
    return msgspec.structs.replace(details, reason="STALE", metadata=metadata)
