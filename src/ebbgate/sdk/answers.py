"""Answers that come from no flag."""

from typing import Any

from ebbgate.core.flags.details import EvaluationDetails


def code_default(default: Any, message: str) -> EvaluationDetails:
    """The caller's own default, with OpenFeature's reason ERROR. message: why."""
    return EvaluationDetails(value=default, reason="ERROR", error_code="GENERAL", error_message=message)
