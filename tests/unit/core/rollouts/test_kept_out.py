"""Units that a plan keeps out of the comparison by audience: the rule and the variants that tell them."""

from ebbgate.core.rollouts.exposure import rule_of
from ebbgate.core.rollouts.kept_out import excluded_of, served_rule
from ebbgate.core.rollouts.plan import Audience
from ebbgate.core.rollouts.recovery import recovery_contrast
from ebbgate.core.rollouts.state import contrast_of
from ebbgate.core.rollouts.steps import roll_back
from ebbgate.testing.rollouts import NOON, a_plan, a_rollout

BOTS = Audience(name="bots", rule={"in": ["bot", {"var": "agent"}]}, share=0.1)


def test_the_rule_excludes_what_the_plan_names_in_every_phase_and_nothing_else_changes() -> None:
    plan = a_plan(audiences=(*a_plan().audiences, BOTS), exclude=("bots",))
    for phase in range(4):
        state = a_rollout(phase=phase, plan=plan)
        served, plain = served_rule(state, opt_in=("u",)), rule_of(a_rollout(phase=phase), opt_in=("u",))
        assert [(one.name, one.rule) for one in served.excluded] == [("bots", BOTS.rule)]
        assert (served.audiences, served.hash_ppm, served.salt) == (plain.audiences, plain.hash_ppm, plain.salt)
    assert served_rule(a_rollout()) == rule_of(a_rollout())


def test_excluded_units_are_told_by_the_same_variants_before_and_after_a_rollback() -> None:
    state = a_rollout(plan=a_plan(treatment_variant="new", control_variant="old"))
    assert excluded_of(contrast_of(state)) == state.plan.excluded_variants == ("old_excluded", "new_excluded")
    ended = roll_back(state, reason="harm", actor="ebbgate", off_version=9, now=NOON, machine_now=NOON)
    assert excluded_of(recovery_contrast(ended)) == ("old_excluded", "new_excluded")


def test_excluded_variants_are_of_neither_version() -> None:
    """So that nobody counts them among those who saw the new version, nor a report of theirs for either."""
    plan = a_plan()
    assert not set(plan.excluded_variants) & {*plan.treatment_variants, *plan.control_variants}
