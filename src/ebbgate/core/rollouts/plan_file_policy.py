"""The parts of a plan file around the phases: `when`, `verify`, `probes`, `holdout`, `variants`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ebbgate.core.flags import excluded_variants
from ebbgate.core.rollouts.plan import (
    Meaning,
    Policy,
    PreflightTerms,
    Probe,
    ReportTerms,
    Response,
    ReviewTerms,
    VerifyTerms,
)
from ebbgate.core.rollouts.plan_file_reader import (
    Fields,
    at_key,
    read_choice,
    read_integer,
    read_name,
    read_texts,
    refusal,
    shown,
)
from ebbgate.core.rollouts.plan_file_release import read_url
from ebbgate.core.rollouts.values import duration, off_after, percent, review_terms

WHEN_KEYS = (
    "harm",
    "critical",
    "alert",
    "off_target",
    "no_data",
    "too_long",
    "server_lost",
    "flag_fails",
    "starvation",
)
VERIFY_KEYS = ("propagation", "recovery", "redeploy", "min_units")
PREFLIGHT_KEYS = ("drill_within", "approvals")
PROBE_KEYS = ("url", "run", "every", "timeout", "fails", "means")
REPORT_KEYS = ("rollback_at", "alpha", "then")
REPORT_ANSWERS = (Response.REVIEW, Response.ROLLBACK)
ALERT_ANSWERS = (Response.HOLD, Response.REVIEW, Response.ROLLBACK)
HOLDOUT_KEYS = ("share", "for")
VARIANT_KEYS = ("treatment", "control")

HARM_ANSWERS = (Response.ROLLBACK, Response.REVIEW, Response.PAUSE)
NO_DATA_ANSWERS = (Response.HOLD, Response.REVIEW, Response.PAUSE, Response.ROLLBACK)
TOO_LONG_ANSWERS = (Response.REVIEW, Response.ROLLBACK, Response.PAUSE)
FLAG_FAILS_ANSWERS = ("redeploy", "page")


def read_policy(value: Any, path: str) -> Policy:
    fields = Fields(value, path, what="`when`", example="{harm: rollback, too_long: review}")
    default = Policy()
    harm, harm_terms = fields.take("harm", _confirmed, (default.harm, None))
    critical, critical_terms = fields.take("critical", _confirmed, (default.critical, None))
    policy = Policy(
        harm=harm,
        harm_terms=harm_terms,
        critical=critical,
        critical_terms=critical_terms,
        alert=fields.take("alert", lambda v, p: _response(v, p, ALERT_ANSWERS), default.alert),
        off_target=fields.take("off_target", review_terms, default.off_target),
        no_data=fields.take("no_data", lambda v, p: _response(v, p, NO_DATA_ANSWERS), default.no_data),
        too_long=fields.take("too_long", lambda v, p: _response(v, p, TOO_LONG_ANSWERS), default.too_long),
        server_lost=fields.take("server_lost", off_after, default.server_lost),
        flag_fails=fields.take("flag_fails", lambda v, p: read_choice(v, p, FLAG_FAILS_ANSWERS), default.flag_fails),
        starvation_window=fields.take("starvation", duration, default.starvation_window),
    )
    fields.finish()
    return policy


def _confirmed(value: Any, path: str) -> tuple[Response, ReviewTerms | None]:
    """`rollback`, `review`, `pause`, or `review in 15m, then rollback`: paged, and acted alone after the deadline."""
    if isinstance(value, str) and value.strip().startswith("review "):
        return Response.REVIEW, review_terms(value, path)
    return _response(value, path, HARM_ANSWERS), None


def _response(value: Any, path: str, answers: tuple[Response, ...]) -> Response:
    return Response(read_choice(value, path, [answer.value for answer in answers]))


def read_verify(value: Any, path: str) -> VerifyTerms:
    fields = Fields(value, path, what="`verify`", example="{propagation: 60s, recovery: 6h}")
    default = VerifyTerms()
    terms = VerifyTerms(
        propagation=fields.take("propagation", duration, default.propagation),
        recovery=fields.take("recovery", duration, default.recovery),
        redeploy=fields.take("redeploy", duration, default.redeploy),
        min_units=fields.take("min_units", lambda v, p: read_integer(v, p, least=1), default.min_units),
    )
    fields.finish()
    return terms


def read_preflight(value: Any, path: str) -> PreflightTerms:
    fields = Fields(value, path, what="`preflight`", example="{drill_within: 30d, approvals: 1}")
    terms = PreflightTerms(
        drill_within=fields.take("drill_within", duration, None),
        approvals=fields.take("approvals", lambda v, p: read_integer(v, p, least=0), 0),
    )
    fields.finish()
    return terms


def read_probes(value: Any, path: str) -> tuple[Probe, ...]:
    if not isinstance(value, Mapping):
        hint = 'write `outage: {url: "http://127.0.0.1:3456/health", fails: 3}`'
        raise refusal(f"probes are {shown(value)}, not a mapping", path=path, hint=hint)
    return tuple(_probe(name, item, at_key(path, name)) for name, item in value.items())


def _probe(name: str, value: Any, path: str) -> Probe:
    example = '{url: "http://127.0.0.1:3456/health", every: 10s, fails: 3}'
    fields = Fields(value, path, what=f"probe `{name}`", example=example)
    if fields.choose(("url", "run")) is None:
        raise refusal(f"probe `{name}` asks nothing", path=path, hint=f"write `url` or `run`: `{example}`")
    default = Probe(name=name)
    probe = Probe(
        name=read_name(name, path),
        url=fields.take("url", read_url, None),
        run=fields.take("run", lambda v, p: read_texts(v, p, example="npm run check-data"), ()),
        every=fields.take("every", duration, default.every),
        timeout=fields.take("timeout", duration, default.timeout),
        fails=fields.take("fails", lambda v, p: read_integer(v, p, least=1), default.fails),
        means=fields.take("means", lambda v, p: Meaning(read_choice(v, p, list(Meaning))), default.means),
    )
    fields.finish()
    return probe


def read_reports(value: Any, path: str) -> ReportTerms:
    """`{rollback_at: 5, alpha: 1%, then: review}`."""
    fields = Fields(value, path, what="`reports`", example="{rollback_at: 5, then: review}")
    terms = ReportTerms(
        rollback_at=fields.take("rollback_at", lambda v, p: read_integer(v, p, least=1), None),
        alpha=fields.take("alpha", percent, None),
        then=fields.take("then", lambda v, p: _response(v, p, REPORT_ANSWERS), ReportTerms().then),
    )
    fields.finish()
    if terms.rollback_at is None and terms.alpha is None:
        hint = "write `rollback_at: 5` (people who report), `alpha: 1%` (more than from the old version), or both"
        raise refusal("nothing follows from any number of reports", path=path, hint=hint)
    if terms.alpha is not None and not 0 < terms.alpha <= 0.2:
        raise refusal(f"an alpha of {terms.alpha * 100:g}%", path=fields.at("alpha"), hint="write `1%`, at most `20%`")
    return terms


def read_holdout(value: Any, path: str) -> tuple[float, timedelta]:
    """`{share: 2%, for: 60d}`: a holdout has an end (RULES B4)."""
    fields = Fields(value, path, what="`holdout`", example="{share: 2%, for: 60d}")
    share, length = fields.need("share", percent), fields.need("for", duration)
    fields.finish()
    if not 0 < share <= 0.5:
        raise refusal(
            f"a holdout of {share * 100:g}%", path=fields.at("share"), hint="write more than `0%`, at most `50%`"
        )
    return share, length


def read_variants(value: Any, path: str) -> tuple[str, str]:
    """`{treatment: on, control: off}`: the values' names in the flag; treatment first."""
    fields = Fields(value, path, what="`variants`", example="{treatment: on, control: off}")
    treatment, control = fields.take("treatment", read_name, "on"), fields.take("control", read_name, "off")
    fields.finish()
    if treatment == control:
        raise refusal(f"both variants are `{control}`", path=path, hint="write `{treatment: on, control: off}`")
    reported = {f"{control}_holdout", f"{treatment}_audience", *excluded_variants(control, treatment)}
    if taken := reported & {treatment, control}:
        hint = "give the variant another name: by this one, a rollout reports whom it does not compare"
        raise refusal(f"`{taken.pop()}` is a name of the rollout's own", path=path, hint=hint)
    return treatment, control
