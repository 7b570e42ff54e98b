"""What a rollout or a kill makes of a flag, as plain flagd JsonLogic (RULES B2, B3, B4, B6)."""

from typing import Annotated, Any, Literal

import msgspec

TOTAL_PPM = 1_000_000
Ppm = Annotated[int, msgspec.Meta(ge=0, le=TOTAL_PPM)]


class AudienceRule(msgspec.Struct, frozen=True, kw_only=True):
    """A named audience that a phase has reached.

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
    """

    salt: str
    control_variant: str = "off"
    treatment_variant: str = "on"
    audiences: tuple[AudienceRule, ...] = ()
    opt_in: tuple[str, ...] = ()
    hash_ppm: Ppm = 0
    holdout_ppm: Ppm = 0

    @property
    def audience_variant(self) -> str:
        """The variant of units exposed by attribute (B3)."""
        return f"{self.treatment_variant}_audience"

    @property
    def holdout_variant(self) -> str:
        """The variant of held-out units (B3)."""
        return f"{self.control_variant}_holdout"


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """What a reported variant says about a unit. bucket: 0 to 999,999, or None where the unit was not randomised."""

    arm: Literal["treatment", "control", "audience", "holdout", "unknown"]
    bucket: int | None = None


def render_rollout(flag: dict[str, Any], rule: RolloutRule) -> dict[str, Any]:
    """The flag with the rollout's rule as its targeting. Raises FlagDocumentError when a variant is missing."""
    raise NotImplementedError


def render_kill(flag: dict[str, Any], control_variant: str) -> dict[str, Any]:
    """The flag switched off (B6): ENABLED, no targeting, the control for everyone. Raises FlagDocumentError."""
    raise NotImplementedError


def assignment_of(rule: RolloutRule, unit: str, variant: str | None) -> Assignment:
    """The arm and the bucket of a unit that reported `variant`."""
    raise NotImplementedError
