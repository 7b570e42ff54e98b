"""`exposures: external`: a plan that only watches what another flag system does (RULES C2, F6)."""

from typing import Any

from ebbgate.core.rollouts.plan import Mode, Plan
from ebbgate.core.rollouts.plan_file_reader import read_choice, refusal

EXPOSURES = ("own", "external")


def read_exposures(value: Any, path: str) -> bool:
    """Whether another system exposes."""
    return read_choice(value, path, EXPOSURES) == "external"


def refuse_unobservable(plan: Plan) -> None:
    """What cannot be where nothing is ours to change. Raises PlanError."""
    if not plan.is_external:
        return
    if plan.mode is not Mode.OBSERVE:
        hint = "write `mode: observe`: what another system exposes can be judged, not taken back"
        raise refusal("external exposures are only observed", path="$.mode", hint=hint)
    if len(plan.phases) != 1:
        hint = "write one phase: how much the other system exposes when is not told"
        raise refusal(f"external exposures in {len(plan.phases)} phases", path="$.phases", hint=hint)
    if not plan.phases[0].is_random or plan.phases[0].exposure >= 1.0:
        hint = "write `{to: 50%}`: the share of users that the other system gives the new version, drawn at random"
        raise refusal("nobody would be left to compare with", path="$.phases[0].to", hint=hint)
    for key, is_there in (("audiences", bool(plan.audiences)), ("holdout", plan.holdout > 0)):
        if is_there:
            raise refusal(f"the other system draws, so that `{key}` says nothing", path=f"$.{key}", hint="remove it")
