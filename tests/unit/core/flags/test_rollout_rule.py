"""What a rollout and a kill make of a flag (RULES B2, B3, B4, B6)."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ebbgate.core.audiences import RuleError, unit_bucket
from ebbgate.core.errors import FlagDocumentError
from ebbgate.core.flags import (
    AudienceRule,
    Evaluator,
    RolloutRule,
    assignment_of,
    render_kill,
    render_rollout,
)

Build = Callable[..., dict[str, Any]]
STAFF = AudienceRule(name="staff", rule={"ends_with": [{"var": "email"}, "@example.com"]})
UNITS = [f"user-{number}" for number in range(4000)]


def serve(flag: dict[str, Any], rule: RolloutRule, **options: Any) -> Callable[..., str | None]:
    evaluator = Evaluator({"flags": {"f": render_rollout(flag, rule)}}, **options)
    return lambda context: evaluator.evaluate("f", None, context, "boolean").variant


@pytest.mark.parametrize("bucketing", ["v2", "v3"])
def test_the_same_user_keeps_the_treatment_through_every_phase(a_flag: Build, bucketing: Any) -> None:
    """B2: nested phases, and the share that was asked for."""
    before: set[str] = set()
    for share in (0, 50_000, 200_000, 500_000, 1_000_000):
        variant = serve(a_flag(), RolloutRule(salt="r-1", hash_ppm=share), bucketing=bucketing)
        exposed = {unit for unit in UNITS if variant({"targetingKey": unit}) == "on"}
        assert before <= exposed
        spread = 4 * (len(UNITS) * share / 1e6 * (1 - share / 1e6)) ** 0.5  # four standard deviations
        assert abs(len(exposed) - len(UNITS) * share / 1e6) <= spread
        before = exposed
    assert before == set(UNITS)


def test_another_salt_draws_other_users(a_flag: Build) -> None:
    """B2: a new lineage is a new draw; the overlap is that of independent draws."""
    first = serve(a_flag(), RolloutRule(salt="r-1", hash_ppm=200_000))
    second = serve(a_flag(), RolloutRule(salt="r-2", hash_ppm=200_000))
    both = sum(first({"targetingKey": unit}) == "on" == second({"targetingKey": unit}) for unit in UNITS)
    expected, deviation = len(UNITS) * 0.04, (len(UNITS) * 0.04 * 0.96) ** 0.5
    assert abs(both - expected) <= 4 * deviation


@pytest.mark.parametrize("key", [None, "", 5, 0, True, 1.5, ["u"], {"a": 1}, []])
def test_a_key_that_is_no_text_gets_the_control(a_flag: Build, key: Any) -> None:
    """B2."""
    rule = RolloutRule(salt="r", hash_ppm=1_000_000, audiences=(STAFF,))
    variant = serve(a_flag(), rule)
    assert variant({"targetingKey": key, "email": "a@example.com"}) == "off"
    assert variant({"email": "a@example.com"}) == "off"
    assert variant(None) == "off"


def test_the_key_zero_is_a_text_like_any_other(a_flag: Build) -> None:
    assert serve(a_flag(), RolloutRule(salt="r", hash_ppm=1_000_000))({"targetingKey": "0"}) == "on"


def test_the_variant_tells_the_assignment(a_flag: Build) -> None:
    """B3, B5: exposed by attribute or list is on_audience, with the value of on."""
    rule = RolloutRule(salt="r", audiences=(STAFF,), opt_in=("volunteer",))
    evaluator = Evaluator({"flags": {"f": render_rollout(a_flag(), rule)}})
    for context in ({"targetingKey": "u", "email": "a@example.com"}, {"targetingKey": "volunteer"}):
        details = evaluator.evaluate("f", None, context, "boolean")
        assert (details.value, details.variant) == (True, "on_audience")
    assert evaluator.evaluate("f", None, {"targetingKey": "u"}, "boolean").variant == "off"


def test_a_holdout_has_its_own_hash_and_stays_out_at_full_exposure(a_flag: Build) -> None:
    """B4."""
    rule = RolloutRule(salt="r", hash_ppm=1_000_000, holdout_ppm=100_000, audiences=(STAFF,))
    variant = serve(a_flag(), rule)
    seen = Counter(variant({"targetingKey": unit}) for unit in UNITS)
    assert set(seen) == {"on", "off_holdout"}
    assert abs(seen["off_holdout"] - 400) <= 4 * (4000 * 0.1 * 0.9) ** 0.5
    held = [unit for unit in UNITS if variant({"targetingKey": unit}) == "off_holdout"]
    early = sum(unit_bucket("r", unit) < 500_000 for unit in held)
    assert abs(early - len(held) / 2) <= 4 * (len(held) / 4) ** 0.5
    assert variant({"targetingKey": held[0], "email": "a@example.com"}) == "on_audience"


def test_a_split_audience_is_randomised_by_the_same_hash(a_flag: Build) -> None:
    """B1: members up to their own share, everyone up to the rollout's, nested as the rollout grows."""
    half = msgspec.structs.replace(STAFF, split_ppm=500_000)
    before: set[str] = set()
    for share in (0, 200_000, 700_000):
        variant = serve(a_flag(), RolloutRule(salt="r", hash_ppm=share, audiences=(half,)))
        members = {unit for unit in UNITS if variant({"targetingKey": unit, "email": "a@example.com"}) == "on"}
        assert members == {unit for unit in UNITS if unit_bucket("r", unit) < max(share, 500_000)}
        assert before <= members
        others = {unit for unit in UNITS if variant({"targetingKey": unit}) == "on"}
        assert others == {unit for unit in UNITS if unit_bucket("r", unit) < share}
        before = members


BOTS = AudienceRule(name="bots", rule={"in": ["bot", {"var": "agent"}]})
TESTERS = AudienceRule(name="testers", rule={"in": [{"var": "targetingKey"}, ["user-7", "user-8"]]})


@pytest.mark.parametrize(
    ("share", "variant", "value"), [(500_000, "off_excluded", False), (10**6, "on_excluded", True)]
)
def test_excluded_units_are_never_drawn_and_follow_once_everybody_is_exposed(
    a_flag: Build, share: int, variant: str, value: bool
) -> None:
    """B3: a variant of their own. At full exposure they get the new value, held out or not: nobody is left behind."""
    rule = RolloutRule(salt="r", hash_ppm=share, holdout_ppm=500_000, excluded=(BOTS, TESTERS))
    evaluator = Evaluator({"flags": {"f": render_rollout(a_flag(), rule)}})
    for context in [*({"targetingKey": unit, "agent": "a bot"} for unit in UNITS[:50]), {"targetingKey": "user-7"}]:
        details = evaluator.evaluate("f", None, context, "boolean")
        assert (details.variant, details.value) == (variant, value)
    plain = serve(a_flag(), msgspec.structs.replace(rule, excluded=()))
    for unit in UNITS[20:200]:  # everybody else is drawn as if nobody were excluded
        assert evaluator.evaluate("f", None, {"targetingKey": unit}, "boolean").variant == plain({"targetingKey": unit})


def test_exclusion_outranks_audiences_opt_in_and_holdout_but_not_a_missing_key(a_flag: Build) -> None:
    """B2, B4, B5: a bot on the opt-in list would otherwise be in the limits of the new version."""
    half = AudienceRule(name="half", rule={"var": "half"}, split_ppm=500_000)
    rule = RolloutRule(
        salt="r", hash_ppm=10, holdout_ppm=10**6, audiences=(STAFF, half), opt_in=("user-9",), excluded=(BOTS,)
    )
    variant = serve(a_flag(), rule)
    bot = {"agent": "bot", "email": "a@example.com", "half": True}
    assert {variant({"targetingKey": unit, **bot}) for unit in ("user-9", *UNITS[:50])} == {"off_excluded"}
    assert variant({"targetingKey": "user-9"}) == "on_audience"
    assert variant({"targetingKey": "user-1"}) == "off_holdout"
    assert variant(bot) == "off"


@pytest.mark.parametrize("share", [0, 300_000, 1_000_000])
def test_the_engine_and_the_explanation_agree_on_a_rule_that_excludes(a_flag: Build, share: int) -> None:
    rule = RolloutRule(
        salt="r", hash_ppm=share, holdout_ppm=100_000, audiences=(STAFF,), opt_in=("user-3",), excluded=(BOTS, TESTERS)
    )
    evaluator = Evaluator({"flags": {"f": render_rollout(a_flag(), rule)}})
    seen = set()
    for unit in (*UNITS[:25], "", None):
        for extra in ({}, {"agent": "bot"}, {"email": "a@example.com"}, {"agent": 5, "email": "a@example.com"}):
            context = {"targetingKey": unit, **extra}
            explained, details = evaluator.explain("f", context), evaluator.evaluate("f", None, context, "boolean")
            assert explained.path is not None
            assert (explained.path.value or "off") == explained.details.variant == details.variant
            seen.add(details.variant)
    assert seen >= {"on_audience", "off_holdout", "off", "on_excluded" if share == 10**6 else "off_excluded"}


def test_only_a_rule_that_excludes_adds_variants_for_it_and_the_same_ones_in_every_phase(a_flag: Build) -> None:
    before, after = (
        render_rollout(a_flag(), RolloutRule(salt="r", hash_ppm=share, excluded=(BOTS,)))["variants"]
        for share in (0, 10**6)
    )
    assert before == after
    assert (before["off_excluded"], before["on_excluded"]) == (False, True)
    assert "off_excluded" not in render_rollout(a_flag(), RolloutRule(salt="r"))["variants"]
    taken = a_flag(variants={"on": True, "off": False, "off_excluded": True})
    with pytest.raises(FlagDocumentError, match="off_excluded"):
        render_rollout(taken, RolloutRule(salt="r", excluded=(BOTS,)))
    broken = AudienceRule(name="bots", rule={"end_with": [{"var": "agent"}, "bot"]})
    with pytest.raises(RuleError, match="end_with"):
        render_rollout(a_flag(), RolloutRule(salt="r", excluded=(broken,)))


def test_custom_variant_names_and_values_carry_over(a_flag: Build) -> None:
    flag = a_flag(variants={"old": "v1", "new": "v2"}, defaultVariant="new")
    rendered = render_rollout(flag, RolloutRule(salt="r", control_variant="old", treatment_variant="new"))
    assert rendered["variants"] == {"old": "v1", "new": "v2", "new_audience": "v2", "old_holdout": "v1"}
    assert rendered["defaultVariant"] == "old"


def test_rendering_changes_neither_the_flag_nor_what_is_rendered_again(a_flag: Build) -> None:
    flag = a_flag(metadata={"owner": "a"})
    before = json.dumps(flag)
    rule = RolloutRule(salt="r", hash_ppm=1)
    once = render_rollout(flag, rule)
    assert json.dumps(flag) == before
    assert render_rollout(once, rule) == once
    assert once["metadata"] == {"owner": "a"}


def test_a_flag_without_the_needed_variants_is_refused(a_flag: Build) -> None:
    with pytest.raises(FlagDocumentError, match="'on'"):
        render_rollout(a_flag(variants={"off": False}), RolloutRule(salt="r"))
    with pytest.raises(FlagDocumentError, match="on_audience"):
        render_rollout(a_flag(variants={"on": True, "off": False, "on_audience": False}), RolloutRule(salt="r"))
    with pytest.raises(FlagDocumentError, match="'gone'"):
        render_kill(a_flag(), "gone")


def test_an_audience_that_cannot_be_applied_is_refused_before_it_is_served(a_flag: Build) -> None:
    typo = RolloutRule(salt="r", audiences=(AudienceRule(name="typo", rule={"end_with": [{"var": "email"}, "@x"]}),))
    with pytest.raises(RuleError, match="end_with"):
        render_rollout(a_flag(), typo)
    shared = RolloutRule(salt="r", audiences=(AudienceRule(name="staff", rule={"$ref": "staff"}),))
    with pytest.raises(RuleError, match="staff"):
        render_rollout(a_flag(), shared)
    assert render_rollout(a_flag(), shared, evaluators={"staff": STAFF.rule})["targeting"]


def test_a_killed_flag_serves_the_control_to_everyone_and_keeps_nothing_of_the_rule(a_flag: Build) -> None:
    """B6: ENABLED, no targeting, defaultVariant = control, even where it was disabled or defaulted otherwise."""
    rolling = render_rollout(a_flag(), RolloutRule(salt="r", hash_ppm=1_000_000))
    killed = render_kill({**rolling, "state": "DISABLED", "defaultVariant": "on"}, "off")
    assert "targeting" not in killed
    assert "targeting" in rolling
    details = Evaluator({"flags": {"f": killed}}).evaluate("f", True, {"targetingKey": "u"}, "boolean")
    assert (details.value, details.variant, details.reason) == (False, "off", "STATIC")


def test_an_assignment_is_read_from_the_variant_and_the_bucket() -> None:
    rule = RolloutRule(salt="r", hash_ppm=200_000)
    bucket = unit_bucket("r", "u")
    assert assignment_of(rule, "u", "on").arm == "treatment"
    assert assignment_of(rule, "u", "off").bucket == bucket
    assert assignment_of(rule, "u", "on_audience").arm == "audience"
    assert {assignment_of(rule, "u", name).arm for name in ("off_excluded", "on_excluded")} == {"excluded"}
    assert assignment_of(rule, "u", "off_holdout") == assignment_of(rule, "v", "off_holdout")
    for variant in (None, "other"):
        assert assignment_of(rule, "u", variant).arm == "unknown"
    assert assignment_of(rule, "", "off").arm == "unknown"
