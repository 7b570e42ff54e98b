"""Units that a plan keeps out of the comparison by audience: bots, test users (docs/adr/0017)."""

import msgspec

from ebbgate.core.flags import AudienceRule, RolloutRule, excluded_variants
from ebbgate.core.metrics.contrast import Contrast
from ebbgate.core.rollouts.exposure import rule_of
from ebbgate.core.rollouts.state import RolloutState


def served_rule(state: RolloutState, *, opt_in: tuple[str, ...] = ()) -> RolloutRule:
    """The flag rule that serves a rollout's current phase, with whom it excludes. opt_in: as `rule_of` takes it."""
    excluded = tuple(AudienceRule(name=audience.name, rule=audience.rule) for audience in state.plan.excluded)
    return msgspec.structs.replace(rule_of(state, opt_in=opt_in), excluded=excluded)


def excluded_of(contrast: Contrast) -> tuple[str, str]:
    """The variants by which excluded units of a contrast are known, with the old and with the new value.

    After a rollback both arms of a contrast see the control, so the treatment is told by its audience's variant.
    """
    return excluded_variants(contrast.control_variant, contrast.audience_variant.removesuffix("_audience"))
