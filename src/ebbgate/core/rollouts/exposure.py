"""How much of the hash a phase opens, and the rule that serves it (RULES B1, B2)."""

from datetime import datetime

from ebbgate.core.flags import AudienceRule, RolloutRule
from ebbgate.core.metrics.contrast import TOTAL_PPM
from ebbgate.core.rollouts.plan import EVERYONE, Audience, Phase, Plan
from ebbgate.core.rollouts.state import PhaseRecord, RolloutState


def hash_share_ppm(phase: Phase, *, attribute_share: float, previous_ppm: int) -> int:
    """Buckets opened in a phase: max(previous, (exposure - a) / (1 - a)); only phases that draw by hash open any.

    attribute_share: share of active units exposed by attribute, in [0, 1].
    """
    if EVERYONE in phase.who or phase.exposure >= 1.0:
        return TOTAL_PPM
    if not phase.is_random or attribute_share >= 1.0:
        return previous_ppm
    share = (phase.exposure - attribute_share) / (1.0 - attribute_share)
    return max(previous_ppm, round(share * TOTAL_PPM))


def audiences_until(plan: Plan, index: int) -> tuple[Audience, ...]:
    """Named audiences exposed in a phase: they accumulate over phases."""
    names = {name for phase in plan.phases[: index + 1] for name in phase.who}
    return tuple(audience for audience in plan.audiences if audience.name in names)


def expected_attribute_share(plan: Plan, index: int, measured: float) -> float:
    """Share exposed by attribute in a phase: what is measured, and the declared share of audiences that join in it."""
    before = {a.name for a in audiences_until(plan, index - 1)} if index else set()
    joining = [a for a in audiences_until(plan, index) if a.name not in before and not a.is_split]
    return min(1.0, measured + sum(a.share or 0.0 for a in joining))


def begin_phase(
    state: RolloutState, index: int, *, measured_attribute_share: float, snapshot_version: int, now: datetime
) -> PhaseRecord:
    """The record of a phase that begins now; fixed for its length."""
    previous = state.phases[-1].hash_to if state.phases else 0
    share = expected_attribute_share(state.plan, index, measured_attribute_share)
    opened = hash_share_ppm(state.plan.phases[index], attribute_share=share, previous_ppm=previous)
    return PhaseRecord(
        index=index,
        entered_at=now,
        snapshot_version=snapshot_version,
        attribute_share=share,
        hash_from=previous,
        hash_to=opened,
    )


def rule_of(state: RolloutState, *, opt_in: tuple[str, ...] = ()) -> RolloutRule:
    """The flag rule that serves a rollout's current phase. opt_in: units that asked for the new version (RULES B5)."""
    audiences = audiences_until(state.plan, state.phase_index)
    split_ppm = round(state.phase.exposure * TOTAL_PPM)
    return RolloutRule(
        salt=state.lineage,
        control_variant=state.plan.control_variant,
        treatment_variant=state.plan.treatment_variant,
        audiences=tuple(
            AudienceRule(name=a.name, rule=a.rule, split_ppm=split_ppm if a.is_split else None)
            for a in audiences
            if a.rule is not None
        ),
        opt_in=opt_in if any(a.is_opt_in for a in audiences) else (),
        hash_ppm=state.record.hash_to,
        holdout_ppm=0 if state.holdout_ended_at is not None else round(state.plan.holdout * TOTAL_PPM),
    )
