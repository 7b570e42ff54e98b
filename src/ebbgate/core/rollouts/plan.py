"""A plan: what is to happen to one flag, phase by phase, and what may stop it. The file format is in `plan_file`."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

import msgspec

from ebbgate.core.flags import excluded_variants
from ebbgate.core.metrics.definition import Goal, Guardrail, Metric
from ebbgate.core.releases.terms import BuildTerms, DeployTerms

RANDOM = "random"
EVERYONE = "everyone"


class Mode(StrEnum):
    """RULES F6."""

    OBSERVE = "observe"  # says what it would do
    RECOMMEND = "recommend"  # asks a person
    ACT = "act"


class Response(StrEnum):
    """What to do when something happens (the plan's `when`)."""

    ROLLBACK = "rollback"
    REVIEW = "review"
    PAUSE = "pause"
    HOLD = "hold"


class Audience(msgspec.Struct, frozen=True, kw_only=True):
    """Who may be exposed by name. rule: JsonLogic over the evaluation context. is_opt_in: membership by list or
    attribute `beta`.

    is_split: the audience is randomised inside, instead of exposed whole (RULES B1). share: of all active units, as
    the plan expects it;
    used for an audience that joins in a phase, before its exposure can be measured.
    """

    name: str
    rule: Any = None
    share: float | None = None
    is_opt_in: bool = False
    is_split: bool = False


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a rollout.

    exposure: share of all active units to be exposed, in (0, 1]. who: audience names, `random`, `everyone`. Plan-time
    durations:
    stay_min: a younger phase never advances; stay_max: an older one gives the plan's `too_long`; None for the last
    phase.
    early: promotion may rest on E_k < 2 with the estimate inside the margin (RULES E6). reversible: RULES F7.
    """

    name: str
    exposure: float
    who: tuple[str, ...]
    stay_min: timedelta
    stay_max: timedelta | None = None
    why: str = ""
    early: bool = False
    reversible: bool = True

    @property
    def is_random(self) -> bool:
        """Whether units are drawn by hash in this phase."""
        return RANDOM in self.who or EVERYONE in self.who


class ReviewTerms(msgspec.Struct, frozen=True, kw_only=True):
    """`review in 4h, then pause` (RULES F3), plan time."""

    deadline: timedelta
    then: Response


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The plan's `when`: what follows from what. server_lost is machine time (RULES B7).

    critical: a critical limit is passed. harm_terms, critical_terms: of a review there, `review in 15m, then rollback`
    (plan time): the commander is paged, and it is acted alone after the deadline. None: those of off_target.
    """

    harm: Response = Response.ROLLBACK
    harm_terms: ReviewTerms | None = None
    critical: Response = Response.ROLLBACK
    critical_terms: ReviewTerms | None = None
    alert: Response = Response.HOLD  # a critical alert of another monitor; HOLD: it opens an incident, and that is all
    off_target: ReviewTerms = ReviewTerms(deadline=timedelta(hours=4), then=Response.PAUSE)
    no_data: Response = Response.HOLD
    too_long: Response = Response.REVIEW
    server_lost: timedelta = timedelta(minutes=15)
    flag_fails: str = "redeploy"
    starvation_window: timedelta = timedelta(minutes=30)  # RULES F4, plan time after an exposure step


class VerifyTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Deadlines of a rollback's proof (RULES H3). propagation, redeploy: machine time. recovery: plan time. min_units:
    of each arm. redeploy: after it, somebody is paged; the redeployment goes on.
    """

    propagation: timedelta = timedelta(seconds=60)
    recovery: timedelta = timedelta(hours=6)
    redeploy: timedelta = timedelta(minutes=10)
    min_units: int = 100


class Meaning(StrEnum):
    """What it means that a probe fails."""

    OUTAGE = "outage"
    DATA_CORRUPTION = "data_corruption"


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """A check from outside: `url` answers 2xx, or `run` ends with 0. Machine time.

    fails: so many failures in a row are critical (RULES G3). means: what it is then called.
    """

    name: str
    url: str | None = None
    run: tuple[str, ...] = ()
    every: timedelta = timedelta(seconds=10)
    timeout: timedelta = timedelta(seconds=5)
    fails: int = 3
    means: Meaning = Meaning.OUTAGE


class ReportTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from what users report of the new version; outside of the error budget of the metrics (RULES E3).

    rollback_at: so many people with the new version who report something. alpha: the chance to act on reports that
    come from both versions alike, over the whole rollout; None: only counts count. then: rollback or review.
    """

    rollback_at: int | None = None
    alpha: float | None = None
    then: Response = Response.REVIEW


class SourceKind(StrEnum):
    """Whom a `query` metric asks."""

    PROMETHEUS = "prometheus"  # its HTTP API
    SQL = "sql"  # any database that SQLAlchemy knows


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where `query` metrics come from. url: an address, or `env:NAME`, so that no secret stands in a plan."""

    name: str
    kind: SourceKind
    url: str


class PreflightTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be in place before a rollout starts. drill_within: a drill passed within this machine time.
    approvals: by so many people who did not register the release.
    """

    drill_within: timedelta | None = None
    approvals: int = 0


class OverlayChange(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an overlay changed, as the file writes it. before: None where the file said nothing."""

    path: str
    before: str | None
    after: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole plan. watch: plan time after the last phase began until the rollout has succeeded. tick: plan time
    between looks.

    holdout: share kept from everything, 0 = none; holdout_for: plan time after the last phase began (RULES B4).
    stale_after: machine time without any heartbeat after which
    data is unfit.
    critical: names of guardrails that must have data. min_units: of each arm before any gate passes.
    exclude: names of audiences whose units are never drawn and are in no comparison (docs/adr/0017).
    """

    app: str
    flag: str
    phases: tuple[Phase, ...]
    commander: str = ""
    environment: str = "production"
    treatment_variant: str = "on"
    control_variant: str = "off"
    audiences: tuple[Audience, ...] = ()
    exclude: tuple[str, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    goals: tuple[Goal, ...] = ()
    when: Policy = Policy()
    verify: VerifyTerms = VerifyTerms()
    watch: timedelta = timedelta(days=30)
    tick: timedelta = timedelta(minutes=1)
    mode: Mode | None = None
    holdout: float = 0.0
    holdout_for: timedelta | None = None
    alpha: float = 0.05
    min_units: int = 100
    stale_after: timedelta = timedelta(minutes=1)
    users: int | None = None  # expected active units in a day, for `plan power`
    build: BuildTerms | None = None
    deploy: DeployTerms | None = None
    probes: tuple[Probe, ...] = ()
    reports: ReportTerms | None = None
    preflight: PreflightTerms = PreflightTerms()
    sources: tuple[Source, ...] = ()
    is_external: bool = False  # another flag system assigns and exposes: nothing is served, nothing is taken back
    overlay: str | None = None  # name of the overlay that shortened it, printed wherever the plan is shown
    overlay_changes: tuple[OverlayChange, ...] = ()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of the guardrails and of the goals, in the plan's order."""
        return (*(guardrail.metric for guardrail in self.guardrails), *(goal.metric for goal in self.goals))

    @property
    def control_variants(self) -> tuple[str, ...]:
        return (self.control_variant, f"{self.control_variant}_holdout")

    @property
    def treatment_variants(self) -> tuple[str, ...]:
        return (self.treatment_variant, f"{self.treatment_variant}_audience")

    @property
    def excluded_variants(self) -> tuple[str, ...]:
        """Of the old version and of the new one; neither is among the control's or the treatment's."""
        return excluded_variants(self.control_variant, self.treatment_variant)

    @property
    def excluded(self) -> tuple[Audience, ...]:
        """The audiences that `exclude` names, in the order in which the plan defines them."""
        return tuple(audience for audience in self.audiences if audience.name in self.exclude)

    @property
    def excluded_share(self) -> float:
        """Expected share of all active units that are excluded; audiences without a `share` are taken to be empty."""
        return min(1.0, sum(audience.share or 0.0 for audience in self.excluded))
