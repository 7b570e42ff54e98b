"""The plan schema's part for `sources:` and `query` metrics."""

from typing import Any

from ebbgate.core.metrics.definition import NoData
from ebbgate.core.rollouts.plan_schema_values import NAME, choice, closed, machine_time, pattern, plan_time, text

Schema = dict[str, Any]


def queried() -> dict[str, Schema]:
    """The keys of metrics that a source answers."""
    arm = pattern(r"\S", "")
    return {
        "of": text("Of a query: all requests of the interval, by arm. Without it, the query's number is only read."),
        "source": pattern(NAME, "Of a query: one of `sources`."),
        "arm": pattern(NAME, "Of a query: the label or column that tells the versions apart."),
        "arms": closed(
            {"treatment": arm, "control": arm},
            required=("treatment", "control"),
            description="The label's values. Default: the plan's variants.",
        ),
        "interval": plan_time("Of a query: what one answer covers. Default: 1m."),
        "timeout": machine_time("Of a query: until no answer counts as none. Default: 2s."),
        "no_data": choice([n.value for n in NoData], "Of a query without answers: data are missing, or never mind."),
    }


def source() -> Schema:
    """One of `sources`."""
    address = r"^(env:|[a-z][a-z0-9+.-]*://)"
    return {
        **closed(
            {
                "prometheus": pattern(address, "Address of its HTTP API, or `env:NAME`."),
                "sql": pattern(address, "A database's URL as SQLAlchemy writes it, or `env:NAME`."),
            }
        ),
        "oneOf": [{"required": ["prometheus"]}, {"required": ["sql"]}],
    }
