"""Plan files: YAML text in, `Plan` out."""

from ebbgate.adapters.plans.read import read_data, read_plan

__all__ = ["read_data", "read_plan"]
