"""The JSON Schema (draft 2020-12) of plan files, for editors: spec/plan.schema.json. It says which clock each duration
is on (RULES A1).

The reader (`plan_file`) is stricter and has the better messages; the schema refuses what can be told by shape alone.
"""

from typing import Any

from ebbgate.core.metrics.definition import Direction, HarmBy, Reading
from ebbgate.core.rollouts import plan_file_policy as policy
from ebbgate.core.rollouts.plan import Meaning, Mode
from ebbgate.core.rollouts.plan_file_metrics import KINDS, QUANTILES
from ebbgate.core.rollouts.plan_schema_query import queried, source
from ebbgate.core.rollouts.plan_schema_release import build_schema, deploy_schema
from ebbgate.core.rollouts.plan_schema_values import (
    BARE,
    CHANGE,
    CRITICAL,
    DURATION,
    MARGIN,
    NAME,
    PERCENT,
    QUANTITY,
    STAY,
    choice,
    closed,
    integer,
    machine_time,
    mapping_of,
    one_or_more,
    pattern,
    plan_time,
    text,
)

Schema = dict[str, Any]

_REVIEW = rf"^review\s+in\s+{DURATION}\s*,\s*then\s+(pause|rollback|hold)$"

IDENTIFIER = "https://ebbgate.dev/plan.schema.json"


def plan_schema() -> Schema:
    """The whole schema, ready to be encoded."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": IDENTIFIER,
        "title": "ebbgate.yaml",
        "description": (
            "One rollout of one flag. Durations are written `90s`, `30m`, `4h`, `1d`, `2d12h`. Plan time may be scaled "
            "(a demo runs days in seconds); machine time never is."
        ),
        **closed(_top(), required=("app", "flag", "phases")),
    }


def _top() -> dict[str, Schema]:
    return {
        "app": pattern(NAME, "The application."),
        "flag": pattern(NAME, "The flag that is rolled out."),
        "variants": _variants(),
        "environment": pattern(NAME, "Where. Default: production."),
        "commander": text("Who owns reviews and is paged."),
        "mode": choice(
            [m.value for m in Mode],
            "observe: say what it would do. recommend: ask. act: do. Default: recommend for an application's first "
            "rollout, then act.",
        ),
        "users": integer(1, "Expected active units in a day; `plan power` and lint build on it."),
        "build": build_schema(),
        "deploy": deploy_schema(),
        "audiences": mapping_of(_audience(), "Named groups, told by the evaluation context."),
        "phases": {"type": "array", "minItems": 1, "items": _phase(), "description": "In order; exposure only grows."},
        "exclude": one_or_more(
            "Audiences whose units are never drawn: the old version until everybody has the new one, in no comparison "
            "and no limit."
        ),
        "guardrails": mapping_of(_guardrail(), "Metrics that may stop the rollout."),
        "goals": mapping_of(_goal(), "Targets against the old version; decided at the end, they gate no phase."),
        "probes": mapping_of(_probe(), "Checks from outside; failing takes the version back."),
        "reports": closed(
            {
                "rollback_at": integer(1, "So many people with the new version who report something."),
                "alpha": pattern(PERCENT, "Of a test that the new version has more reports than its share. Unset: no."),
                "then": choice([a.value for a in policy.REPORT_ANSWERS], "What follows. Default: review."),
            },
            description="What users report, tied to the version that they had; beside the error budget of the metrics.",
        ),
        "when": _when(),
        "preflight": closed(
            {
                "drill_within": machine_time("A drill must have passed within it. Default: none is asked for."),
                "approvals": integer(0, "By so many who did not register the release. Default: 0."),
            }
        ),
        "verify": _verify(),
        "watch": plan_time("From the beginning of the last phase until the rollout has succeeded. Default: 30d."),
        "tick": plan_time("Between looks; at most a tenth of the shortest phase. Default: 1m."),
        "stale_after": machine_time("Without any heartbeat, after which data is unfit. Default: 1m."),
        "min_units": integer(1, "Units of each arm before any gate passes. Default: 100."),
        "exposures": choice(
            ["own", "external"],
            "external: another flag system assigns and exposes; this plan only observes. Default: own.",
        ),
        "sources": mapping_of(source(), "Whom `query` metrics ask."),
        "holdout": closed(
            {
                "share": pattern(PERCENT, "Share of all units kept from the new version."),
                "for": plan_time("After the last phase began; then the holdout ends."),
            },
            required=("share", "for"),
            description="Units kept out on purpose, to compare after 100 %.",
        ),
        "overlays": mapping_of(_overlay(), "Named changes for a demo or a drill; only these keys."),
    }


def _variants() -> Schema:
    return closed(
        {
            "treatment": pattern(NAME, "The new one. Default: on. Unquoted `on` and `off` are text."),
            "control": pattern(NAME, "The old one. Default: off."),
        },
        description="The flag's two variants.",
    )


def _audience() -> Schema:
    mapping = {
        "type": "object",
        "minProperties": 1,
        "properties": {
            "any": {"type": "array", "minItems": 1, "items": {"type": "object"}, "description": "One must fit."},
            "all": {"type": "array", "minItems": 1, "items": {"type": "object"}, "description": "All must fit."},
            "not": {"type": "object", "description": "Must not fit."},
            "rule": {"type": "object", "minProperties": 1, "maxProperties": 1, "description": "JsonLogic itself."},
            "members": one_or_more("Targeting keys, one by one."),
            "opt-in": {"type": "boolean", "description": "Whoever asks for it belongs to it, too."},
            "share": pattern(PERCENT, "Expected share of all active units."),
            "split": {"type": "boolean", "description": "Randomise inside it instead of exposing it whole."},
        },
        "additionalProperties": {
            "description": 'An attribute of the context: a value, a list of values, or a pattern `"*@example.com"`.',
            "type": ["string", "number", "boolean", "array"],
        },
    }
    return {"oneOf": [{"const": "opt-in", "description": "Whoever asks for it belongs to it."}, mapping]}


def _phase() -> Schema:
    return closed(
        {
            "name": text("Default: its first audience, or its percentage."),
            "to": pattern(PERCENT, "Share of all active units to be exposed by the end, quoted or not: 5%."),
            "who": one_or_more("Audiences, `random` (drawn by hash), `everyone`. Default: random; everyone at 100%."),
            "stay": pattern(STAY, "Plan time, `1d..2d`: younger never advances, older does `when.too_long`."),
            "watch": plan_time("Last phase only: until the rollout has succeeded."),
            "why": text("What the phase is for."),
            "early": {
                "type": "boolean",
                "description": "Leave it while estimates are inside their margins and no harm shows, without proof.",
            },
            "reversible": {"type": "boolean", "description": "false: from here on nothing is taken back by itself."},
        },
        required=("to",),
    )


def _measured() -> dict[str, Schema]:
    """The keys that every metric may have."""
    division = pattern(r"^[^\s/]+\s*/\s*[^\s/]+$", "")
    words = {
        "rate": "Share of units whose first request (right) has the event (left).",
        "share": "Share of units whose first trial (right) succeeds (left).",
        "ratio": "Events (left) per event (right), clustered by unit.",
    }
    kinds = {name: {**division, "description": description} for name, description in words.items()}
    kinds["mean"] = pattern(BARE, "Mean of a unit's values.")
    kinds["count"] = pattern(BARE, "Number of a unit's events.")
    kinds["survey"] = pattern(BARE, "A unit's answer; needs `scale`.")
    kinds["gauge"] = pattern(BARE, "The last (or largest: `take`) of a unit's readings.")
    kinds["build"] = pattern(BARE, "A number measured on the release; only `limit` holds for it.")
    kinds["query"] = text("What a source is asked for, by arm: bad requests of an interval, or a number to be read.")
    for name, quantile in QUANTILES.items():
        kinds[name] = pattern(BARE, f"The {quantile * 100:g}th percentile of a unit's first request.")
    assert tuple(sorted(kinds)) == tuple(sorted(KINDS))
    return {
        **kinds,
        "window": plan_time("From a unit's first exposure in a phase. Default: 1h for rates and percentiles, else 1d."),
        "lateness": plan_time("After the window, until which events may still arrive. Default: 5m."),
        "bad": choice(
            [d.value for d in Direction],
            "Which way is worse. Default: increase for rates, percentiles and counts, else decrease; of goals, the "
            "opposite of the goal.",
        ),
        "harm": choice([h.value for h in HarmBy], "Default: distribution for percentiles, else mean."),
        "by": pattern(BARE, "The attribute that names the function or endpoint. Default: function."),
        "only": one_or_more("Measure only these values of `by`."),
        "cap": {**_quantity("Values above count as this, in tests and in what is shown.")},
        "scale": pattern(r"^-?[0-9.]+?\s*\.\.\s*-?[0-9.]+$", "A survey's lowest and highest answer: 1..5."),
        "asked": pattern(BARE, "The event that asks for a survey's answer. Default: everybody exposed is asked."),
        "take": choice([r.value for r in Reading], "Which reading of a gauge. Default: last."),
        "baseline": _quantity("The old version's expected value."),
        **queried(),
    }


def _quantity(description: str) -> Schema:
    return {
        "description": f"{description} With a unit where the event's name ends in one (`api_ms`): `400ms`, `1.2s`, "
        "`100MB`; shares and rates in percent.",
        "oneOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": f"^{QUANTITY}$"}],
    }


def _one_kind() -> list[Schema]:
    return [{"required": [kind]} for kind in KINDS]


def _guardrail() -> Schema:
    margin = {"oneOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": MARGIN}]}
    limit = {"oneOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": rf"^<?\s*{QUANTITY}$"}]}
    return {
        **closed(
            {
                **_measured(),
                "worse_by": {
                    **margin,
                    "description": "The margin inside which it must be proven before a phase is left: 10% (of the old "
                    "value), 0.5pp (shares and rates), 50ms.",
                },
                "tolerate": {**margin, "description": "Harm means worse than this. Default: 0."},
                "limit": {**limit, "description": "Beyond it, a review opens: < 1s."},
                "critical": pattern(CRITICAL, 'Beyond it for so long (plan time), taken back: "> 5% for 5m".'),
                "on": one_or_more("The functions that `critical` holds for, each by itself."),
                "weight": {"type": "number", "exclusiveMinimum": 0, "description": "Share of alpha. Default: 1."},
            }
        ),
        "oneOf": _one_kind(),
    }


def _goal() -> Schema:
    goal = pattern(CHANGE, "Relative change against the old version, with its sign: +30%, -25%.")
    return {**closed({**_measured(), "goal": goal}, required=("goal",)), "oneOf": _one_kind()}


def _probe() -> Schema:
    return {
        **closed(
            {
                "url": pattern(r"^https?://", "Must answer 2xx."),
                "run": one_or_more("Commands that must end with 0."),
                "every": machine_time("Between probes. Default: 10s."),
                "timeout": machine_time("Until a probe counts as failed. Default: 5s."),
                "fails": integer(1, "So many failures in a row take the version back. Default: 3."),
                "means": choice(list(Meaning), "What the incident is called then. Default: outage."),
            }
        ),
        "oneOf": [{"required": ["url"]}, {"required": ["run"]}],
    }


def _confirmed(description: str) -> Schema:
    answers = "|".join(answer.value for answer in policy.HARM_ANSWERS)
    more = "A review pages the commander; `review in 15m, then rollback` (plan time) acts alone after the deadline."
    return pattern(rf"^({answers})$|{_REVIEW}", f"{description} {answers}, or with terms. {more} Default: rollback.")


def _when() -> Schema:
    return closed(
        {
            "harm": _confirmed("Harm is shown."),
            "critical": _confirmed("A critical limit is passed."),
            "alert": choice(
                [a.value for a in policy.ALERT_ANSWERS],
                "A critical alert of Alertmanager that names the app or flag. hold: only an incident. Default: hold.",
            ),
            "off_target": pattern(
                _REVIEW,
                "A benchmark is missed. Plan time. Default: review in 4h, then pause.",
            ),
            "no_data": choice([a.value for a in policy.NO_DATA_ANSWERS], "Data is missing. Default: hold."),
            "too_long": choice([a.value for a in policy.TOO_LONG_ANSWERS], "Older than its stay. Default: review."),
            "server_lost": pattern(
                rf"^off\s+after\s+{DURATION}$",
                "Machine time. An evaluator without its server for so long serves the old version. Default: off after "
                "15m.",
            ),
            "flag_fails": choice(list(policy.FLAG_FAILS_ANSWERS), "The flag cannot be switched. Default: redeploy."),
            "starvation": plan_time("After an exposure step, in which a failure of both versions is its doing: 30m."),
        },
        description="What follows from what.",
    )


def _verify() -> Schema:
    return closed(
        {
            "propagation": machine_time("Until all evaluators have confirmed a flag-off. Default: 60s."),
            "recovery": plan_time("Until the metrics have recovered. Default: 6h."),
            "redeploy": machine_time("Until the last stable release answers; then somebody is paged. Default: 10m."),
            "min_units": integer(1, "Units of each arm for that. Default: 100."),
        },
        description="How a rollback is proven.",
    )


def _overlay() -> Schema:
    top = _top_of_overlay()
    guardrail = _guardrail()["properties"]
    lateness = {"lateness": guardrail["lateness"]}
    return closed(
        {
            **top,
            "verify": _verify(),
            "guardrails": mapping_of(closed({"worse_by": guardrail["worse_by"], **lateness}), "By name."),
            "goals": mapping_of(closed(lateness), "By name."),
        }
    )


def _top_of_overlay() -> dict[str, Schema]:
    return {
        "watch": plan_time("As at the top."),
        "tick": plan_time("As at the top."),
        "stale_after": machine_time("As at the top."),
        "mode": choice([m.value for m in Mode], "As at the top."),
        "users": integer(1, "As at the top."),
    }
