"""`read_plan`: the one way from a plan file's text to a `Plan`."""

from typing import Any

from ebbgate.adapters.plans.yaml_file import read_yaml
from ebbgate.core.errors import PlanError
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.plan_file import plan_from_data


def read_plan(text: str, *, overlay: str | None = None) -> Plan:
    """text: YAML 1.2 (JSON is YAML too). overlay: the name of one in the file.

    Raises PlanError with path, line and hint.
    """
    file = read_yaml(text)
    try:
        return plan_from_data(file.data, overlay=overlay)
    except PlanError as error:
        position = file.position_of(error.path or "$")
        where = f"line {position.line}, column {position.column}: " if position else ""
        raise PlanError(f"{where}{error.message}", hint=error.hint, path=error.path) from None


def read_data(text: str) -> Any:
    """The file's plain data, as the JSON Schema of plan files sees it. Raises PlanError."""
    return read_yaml(text).data
