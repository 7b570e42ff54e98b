"""What a rollout or a kill makes of a flag, as plain flagd JsonLogic (RULES B2, B3, B4, B6)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from ebbgate.core.audiences import Bucketing, compile_rule, unit_bucket
from ebbgate.core.errors import FlagDocumentError

TOTAL_PPM = 1_000_000
Ppm = Annotated[int, msgspec.Meta(ge=0, le=TOTAL_PPM)]


class AudienceRule(msgspec.Struct, frozen=True, kw_only=True):
    """A named audience that a phase has reached, or that is excluded from all of them.

    rule: JsonLogic, true for members. split_ppm: None exposes every member (`on_audience`, B3); otherwise members are
    randomised by the rollout's own hash, up to this share or the rollout's, whichever is larger.
    """

    name: str
    rule: Any
    split_ppm: Ppm | None = None


class RolloutRule(msgspec.Struct, frozen=True, kw_only=True):
    """Who is exposed in the current phase. Only `hash_ppm`, `audiences` and `opt_in` grow within a try (B2).

    salt: the rollout's lineage id. hash_ppm: the share of all units in treatment by hash, in millionths of 1.
    opt_in: targeting keys exposed by list (B5). holdout_ppm: the share kept out on purpose, by its own hash (B4).
    excluded: audiences that are in no comparison. Exclusion outranks everything that exposes (docs/adr/0017).
    """

    salt: str
    control_variant: str = "off"
    treatment_variant: str = "on"
    audiences: tuple[AudienceRule, ...] = ()
    opt_in: tuple[str, ...] = ()
    hash_ppm: Ppm = 0
    holdout_ppm: Ppm = 0
    excluded: tuple[AudienceRule, ...] = ()

    @property
    def audience_variant(self) -> str:
        """The variant of units exposed by attribute (B3)."""
        return f"{self.treatment_variant}_audience"

    @property
    def holdout_variant(self) -> str:
        """The variant of held-out units (B3)."""
        return f"{self.control_variant}_holdout"

    @property
    def excluded_variants(self) -> tuple[str, str]:
        """The variants of excluded units: as long as anybody is to keep the control, and once nobody is."""
        return excluded_variants(self.control_variant, self.treatment_variant)


def excluded_variants(control_variant: str, treatment_variant: str) -> tuple[str, str]:
    """What excluded units report, with the control's and with the treatment's value (B3)."""
    return f"{control_variant}_excluded", f"{treatment_variant}_excluded"


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What a reported variant says about a unit. bucket: 0 to 999,999, or None where the unit was not randomised."""

    arm: Literal["treatment", "control", "audience", "holdout", "excluded", "unknown"]
    bucket: int | None = None


_KEY: dict[str, Any] = {"var": "targetingKey"}
# A text that is not empty, said so that every JsonLogic engine agrees: `cat` makes a text of anything.
_HAS_KEY: dict[str, Any] = {"and": [{"===": [_KEY, {"cat": [_KEY]}]}, {"!==": [_KEY, ""]}]}


def render_rollout(
    flag: dict[str, Any], rule: RolloutRule, *, evaluators: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The flag, as flagd's JSON object, with the rollout's rule as its targeting. The argument is not changed.

    No valid targeting key: control, by default. Excluded audiences: `off_excluded`, and `on_excluded` once the hash
    exposes everybody. Whole audiences and opt-ins: `on_audience`. Holdout: `off_holdout`. Everyone else, and `split`
    audiences with their own share: by hash, `on` first. Raises FlagDocumentError when the
    flag lacks the control or the treatment, or has another value under a name that the rollout needs (B3), and
    RuleError when an audience's rule cannot be applied: such a flag would give everyone the code's default.
    evaluators: the document's `$evaluators`, where audiences refer to them.
    """
    for audience in (*rule.audiences, *rule.excluded):
        compile_rule(audience.rule, evaluators=evaluators)
    variants = dict(_variants(flag, rule.control_variant, rule.treatment_variant))
    for name, source in _reported(rule):
        if variants.setdefault(name, variants[source]) != variants[source]:
            raise FlagDocumentError(
                f"variant {name!r} exists with another value than {source!r}",
                hint="Rename it: the rollout reports its audience, holdout and excluded units under these names.",
            )
    return {
        **flag,
        "state": "ENABLED",
        "variants": variants,
        "defaultVariant": rule.control_variant,
        "targeting": {"if": [_HAS_KEY, _for_keyed_units(rule), None]},
    }


def _reported(rule: RolloutRule) -> list[tuple[str, str]]:
    """Variants that tell the assignment, each with the one whose value it has (B3); all of them in every phase."""
    names = [(rule.audience_variant, rule.treatment_variant), (rule.holdout_variant, rule.control_variant)]
    if rule.excluded:
        names += zip(rule.excluded_variants, (rule.control_variant, rule.treatment_variant), strict=True)
    return names


def _for_keyed_units(rule: RolloutRule) -> dict[str, Any]:
    chosen = _hashed(rule, rule.hash_ppm)
    for audience in reversed([audience for audience in rule.audiences if audience.split_ppm is not None]):
        share = max(audience.split_ppm or 0, rule.hash_ppm)
        chosen = {"if": [audience.rule, _hashed(rule, share), chosen]}
    if rule.holdout_ppm:
        chosen = {"if": [{"===": [_holdout(rule), "held"]}, rule.holdout_variant, chosen]}
    exposed = [audience.rule for audience in rule.audiences if audience.split_ppm is None]
    if rule.opt_in:
        exposed.append({"in": [_KEY, list(rule.opt_in)]})
    if exposed:
        chosen = {"if": [_any_of(exposed), rule.audience_variant, chosen]}
    if rule.excluded:
        while_drawn, once_everybody = rule.excluded_variants
        variant = once_everybody if rule.hash_ppm == TOTAL_PPM else while_drawn
        chosen = {"if": [_any_of([audience.rule for audience in rule.excluded]), variant, chosen]}
    return chosen


def _any_of(tests: list[Any]) -> Any:
    return {"or": tests} if len(tests) > 1 else tests[0]


def _hashed(rule: RolloutRule, on_ppm: int) -> dict[str, Any]:
    """One growing first entry, constant total (B2)."""
    return {
        "fractional": [
            {"cat": [f"{rule.salt}:", _KEY]},
            [rule.treatment_variant, on_ppm],
            [rule.control_variant, TOTAL_PPM - on_ppm],
        ]
    }


def _holdout(rule: RolloutRule) -> dict[str, Any]:
    """The holdout's own hash, so that being held out says nothing of the order in which others are exposed."""
    return {
        "fractional": [
            {"cat": [f"{_holdout_salt(rule.salt)}:", _KEY]},
            ["held", rule.holdout_ppm],
            ["open", TOTAL_PPM - rule.holdout_ppm],
        ]
    }


def _holdout_salt(salt: str) -> str:
    return f"{salt}:holdout"


def render_kill(flag: dict[str, Any], control_variant: str) -> dict[str, Any]:
    """The flag switched off (B6): ENABLED, no targeting, the control for everyone.

    Raises FlagDocumentError when the flag has no such variant. The argument is not changed, so the rule is kept.
    """
    _variants(flag, control_variant)
    killed = {name: value for name, value in flag.items() if name != "targeting"}
    return {**killed, "state": "ENABLED", "defaultVariant": control_variant}


def _variants(flag: dict[str, Any], *needed: str) -> dict[str, Any]:
    variants = flag.get("variants")
    for name in needed:
        if not isinstance(variants, dict) or name not in variants:
            listed = ", ".join(map(repr, variants)) if isinstance(variants, dict) else "none"
            raise FlagDocumentError(
                f"the flag has no variant {name!r}; it has {listed}", hint="Name one of its variants, or add this one."
            )
    assert isinstance(variants, dict)
    return variants


def assignment_of(rule: RolloutRule, unit: str, variant: str | None, *, bucketing: Bucketing = "v2") -> Assignment:
    """The arm of a unit that reported `variant`, and its bucket where it was randomised.

    The bucket tells the phase: below the hash share of an earlier phase, the unit was exposed then (D1).
    """
    if variant == rule.audience_variant:
        return Assignment(arm="audience")
    if variant == rule.holdout_variant:
        return Assignment(arm="holdout")
    if variant in rule.excluded_variants:
        return Assignment(arm="excluded")
    if not unit or variant not in (rule.control_variant, rule.treatment_variant):
        return Assignment(arm="unknown")
    arm: Literal["treatment", "control"] = "treatment" if variant == rule.treatment_variant else "control"
    return Assignment(arm=arm, bucket=unit_bucket(rule.salt, unit, bucketing=bucketing))
