"""What users report of an application, tied to the version that they had, and whether the new one has more of it.

Reports come when people write them, so they are no metric: the test here has an alpha of its own, outside of the error
budget of the rollout (RULES E3).
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from math import exp, log
from typing import Annotated

import msgspec

from ebbgate.core.incidents.requests import Name, Text
from ebbgate.core.metrics.contrast import TOTAL_PPM
from ebbgate.core.rollouts.plan import Plan, ReportTerms
from ebbgate.core.stats import ODDS_WEIGHTS, log_average
from ebbgate.core.stats.poisson import count_log_e


class Arm(StrEnum):
    """Which version whoever reports had."""

    TREATMENT = "treatment"
    CONTROL = "control"
    UNKNOWN = "unknown"  # nobody saw that unit, or neither unit nor variant was given


class AddReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A report, or a number of them. app or flag: what it is about. unit: who reports; the version is looked up by it.
    variant: the version, where no unit is known. count: of so many tickets, without a unit. reason: its text.
    """

    kind: Name
    reason: Text
    app: Annotated[str, msgspec.Meta(max_length=200)] = ""
    flag: Annotated[str, msgspec.Meta(max_length=200)] = ""
    environment: str = "production"
    unit: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
    variant: Annotated[str, msgspec.Meta(max_length=200)] = ""
    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One that was stored. id 0 = not stored yet. at: machine time. rollout: that it counts for, empty for none.
    share: of randomised people who had the new version then; 0 where nobody was drawn, or everybody.
    """

    at: datetime
    app: str
    environment: str
    kind: str
    text: str
    reporter: str
    rollout: str = ""
    flag: str = ""
    unit: str = ""
    variant: str = ""
    arm: Arm = Arm.UNKNOWN
    count: int = 1
    share: float = 0.0
    id: int = 0


class ReportStanding(msgspec.Struct, frozen=True, kw_only=True):
    """The reports of a rollout. treatment, control, unknown: people (each once) and tickets without a person. e_value:
    evidence that the new version has more of them than its share; is_alarming: whether the plan's terms are met, and
    `why` says which.
    """

    rollout: str
    treatment: int = 0
    control: int = 0
    unknown: int = 0
    e_value: float = 1.0
    is_alarming: bool = False
    why: str = ""


class ReportTaken(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a report: as it counts for each rollout under way. outcome: what followed, empty for nothing."""

    report: Report
    standing: ReportStanding | None = None
    outcome: str = ""
    incident: str = ""


def arm_of(plan: Plan, variant: str) -> Arm:
    """The arm of a variant, exposed by hash or by attribute."""
    if variant in plan.treatment_variants:
        return Arm.TREATMENT
    return Arm.CONTROL if variant in plan.control_variants else Arm.UNKNOWN


def standing(plan: Plan, rollout: str, reports: Iterable[Report]) -> ReportStanding:
    """Pure: the same reports in the order in which they came give the same standing.

    The test takes each person once, and only those drawn at random: who chose to have the new version reports more
    (RULES D5). It is the count over exposure shares, as they were at each report; anybody may look at any time.
    """
    people: set[str] = set()
    counts = dict.fromkeys(Arm, 0)
    sums, highest = (0.0,) * len(ODDS_WEIGHTS), 0.0
    for report in reports:
        if report.unit:
            if report.unit in people:
                continue
            people.add(report.unit)
        counts[report.arm] += report.count
        if 0 < report.share < 1 and report.variant in (plan.treatment_variant, plan.control_variant):
            is_new = report.variant == plan.treatment_variant
            more = count_log_e(
                report.count if is_new else 0, report.share, 0 if is_new else report.count, 1 - report.share
            )
            sums = tuple(before + one for before, one in zip(sums, more, strict=True))
            highest = max(highest, log_average(sums, ODDS_WEIGHTS))
    why = _alarm(plan.reports, counts[Arm.TREATMENT], highest)
    return ReportStanding(
        rollout=rollout,
        treatment=counts[Arm.TREATMENT],
        control=counts[Arm.CONTROL],
        unknown=counts[Arm.UNKNOWN],
        e_value=exp(min(highest, 700.0)),
        is_alarming=bool(why),
        why=why,
    )


def _alarm(terms: ReportTerms | None, treatment: int, log_e: float) -> str:
    if terms is None:
        return ""
    if terms.rollback_at is not None and treatment >= terms.rollback_at:
        return f"{treatment:,} reports from the new version; the plan allows fewer than {terms.rollback_at:,}"
    if terms.alpha is not None and log_e >= log(1 / terms.alpha):
        return f"more reports from the new version than its share of the people (E = {exp(min(log_e, 700.0)):.3g})"
    return ""


def share_of(hash_to: int) -> float:
    """The share of randomised people who have the new version; 0 where there is nobody to compare with."""
    return hash_to / TOTAL_PPM if 0 < hash_to < TOTAL_PPM else 0.0
