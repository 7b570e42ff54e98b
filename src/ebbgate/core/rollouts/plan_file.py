"""A plan file's data, turned into a `Plan`: DESIGN section 5.

Strict: what is not understood is refused, with its path and a hint.
"""

from datetime import timedelta
from typing import Any

import msgspec

from ebbgate.core.errors import PlanError
from ebbgate.core.metrics.definition import Goal, Guardrail
from ebbgate.core.rollouts.overlay import apply_overlay, overlay_names
from ebbgate.core.rollouts.plan import Audience, Mode, Phase, Plan, Policy, PreflightTerms, Source, VerifyTerms
from ebbgate.core.rollouts.plan_file_audiences import read_audiences, read_exclude
from ebbgate.core.rollouts.plan_file_external import read_exposures, refuse_unobservable
from ebbgate.core.rollouts.plan_file_metrics import read_goals, read_guardrails
from ebbgate.core.rollouts.plan_file_phases import read_phases
from ebbgate.core.rollouts.plan_file_policy import (
    read_holdout,
    read_policy,
    read_preflight,
    read_probes,
    read_reports,
    read_variants,
    read_verify,
)
from ebbgate.core.rollouts.plan_file_query import SOURCE_EXAMPLE, read_sources
from ebbgate.core.rollouts.plan_file_reader import (
    Fields,
    read_choice,
    read_integer,
    read_name,
    read_text,
    refusal,
    suggestion,
)
from ebbgate.core.rollouts.plan_file_release import read_build, read_deploy
from ebbgate.core.rollouts.values import duration

PLAN_KEYS = (
    *("app", "flag", "variants", "environment", "commander", "mode", "users"),
    *(
        "build",
        "deploy",
        "audiences",
        "exclude",
        "phases",
        "guardrails",
        "goals",
        "probes",
        "reports",
        "when",
        "verify",
        "preflight",
    ),
    *("watch", "tick", "stale_after", "min_units", "holdout", "overlays", "exposures", "sources"),
)
"""Every key at the top of a plan file."""

_EXAMPLE = "app: my-app, flag: newWidgets, phases: [...]"


def plan_from_data(data: Any, *, overlay: str | None = None) -> Plan:
    """data: what `adapters.plans` made of the text, or decoded JSON. overlay: the name of one to apply.

    Every overlay of the file is read, so that a mistake in one shows before it is needed. Raises PlanError with a path.
    """
    fields = Fields(data, "$", what="the plan", example=_EXAMPLE)
    for key in PLAN_KEYS:
        fields.has(key)
    fields.finish()
    plan = _plan({key: value for key, value in data.items() if key != "overlays"})
    names = overlay_names(data)
    overlaid = {name: _overlaid(data, name) for name in (*names, *([overlay] if overlay else []))}
    return overlaid[overlay] if overlay else plan


def _overlaid(data: dict[str, Any], name: str) -> Plan:
    applied = apply_overlay(data, name)
    try:
        plan = _plan(applied.data)
    except PlanError as error:
        place = applied.origin_of(error.path or "$")
        raise PlanError(error.message, hint=error.hint, path=place) from None
    return msgspec.structs.replace(plan, overlay=name, overlay_changes=applied.changes)


def _plan(data: dict[str, Any]) -> Plan:
    fields = Fields(data, "$", what="the plan", example=_EXAMPLE)
    app, flag = fields.need("app", read_name), fields.need("flag", read_name)
    treatment, control = fields.take("variants", read_variants, ("on", "off"))
    audiences: tuple[Audience, ...] = fields.take("audiences", read_audiences, ())
    names = tuple(audience.name for audience in audiences)
    exclude: tuple[str, ...] = fields.take("exclude", lambda v, p: read_exclude(v, p, audiences=audiences), ())
    phases, phase_watch = fields.need("phases", lambda v, p: read_phases(v, p, audiences=names))
    guardrails: tuple[Guardrail, ...] = fields.take("guardrails", read_guardrails, ())
    goals: tuple[Goal, ...] = fields.take("goals", read_goals, ())
    _refuse_shared_names(guardrails, goals)
    sources: tuple[Source, ...] = fields.take("sources", read_sources, ())
    _refuse_unknown_sources([*guardrails, *goals], sources)
    holdout, holdout_for = fields.take("holdout", read_holdout, (0.0, None))
    default = Plan(app=app, flag=flag, phases=phases)
    plan = Plan(
        app=app,
        flag=flag,
        phases=phases,
        commander=fields.take("commander", read_text, default.commander),
        environment=fields.take("environment", read_name, default.environment),
        treatment_variant=treatment,
        control_variant=control,
        audiences=audiences,
        exclude=exclude,
        guardrails=guardrails,
        goals=goals,
        when=fields.take("when", read_policy, Policy()),
        verify=fields.take("verify", read_verify, VerifyTerms()),
        watch=_watch(fields, phases, phase_watch, default.watch),
        tick=fields.take("tick", duration, default.tick),
        mode=fields.take("mode", lambda v, p: Mode(read_choice(v, p, [m.value for m in Mode])), None),
        holdout=holdout,
        holdout_for=holdout_for,
        min_units=fields.take("min_units", lambda v, p: read_integer(v, p, least=1), default.min_units),
        stale_after=fields.take("stale_after", duration, default.stale_after),
        users=fields.take("users", lambda v, p: read_integer(v, p, least=1), None),
        build=fields.take("build", read_build, None),
        deploy=fields.take("deploy", read_deploy, None),
        probes=fields.take("probes", read_probes, ()),
        reports=fields.take("reports", read_reports, None),
        preflight=fields.take("preflight", read_preflight, PreflightTerms()),
        sources=sources,
        is_external=fields.take("exposures", read_exposures, False),
    )
    refuse_unobservable(plan)
    return plan


def _refuse_unknown_sources(measured: list[Guardrail | Goal], sources: tuple[Source, ...]) -> None:
    known = [source.name for source in sources]
    for one in measured:
        query = one.metric.query
        if query is not None and query.source not in known:
            group = "guardrails" if isinstance(one, Guardrail) else "goals"
            hint = (
                suggestion(query.source, known) if known else f"write `sources: {{{query.source}: {SOURCE_EXAMPLE}}}`"
            )
            path = f"$.{group}.{one.metric.name}.source"
            raise refusal(f"there is no source `{query.source}`", path=path, hint=hint)


def _watch(fields: Fields, phases: tuple[Phase, ...], phase_watch: timedelta | None, default: timedelta) -> timedelta:
    if fields.has("watch") and phase_watch is not None:
        hint = "keep the one of the last phase"
        raise refusal(
            "`watch` stands at the top and in the last phase", path=f"$.phases[{len(phases) - 1}].watch", hint=hint
        )
    return fields.take("watch", duration, phase_watch or default)


def _refuse_shared_names(guardrails: tuple[Guardrail, ...], goals: tuple[Goal, ...]) -> None:
    names = {guardrail.metric.name for guardrail in guardrails}
    for goal in goals:
        if goal.metric.name in names:
            name = goal.metric.name
            hint = "give the goal a name of its own: both appear in one table"
            raise refusal(f"`{name}` is a guardrail and a goal", path=f"$.goals.{name}", hint=hint)
