"""The evidence on one absolute limit, for one function (RULES G1): one arm against a fixed value, whatever the other
does."""

from datetime import datetime, timedelta
from math import ceil, exp, fsum, log

import msgspec

from ebbgate.core.metrics.blocks import LimitBlock
from ebbgate.core.metrics.definition import Direction, Guardrail, MetricKind
from ebbgate.core.metrics.limits_delay import limit_delay
from ebbgate.core.stats import above_log_e, below_log_e, block_log_e, log_average, restarting, start_weight

LIMIT_MIN_N = 30
"""Observations of the treatment without which a window says nothing; it is widened until it has them."""

FEW_ALPHA = 0.05
"""A control of fewer than the minimum excuses the treatment only when its own e-value against the limit says so."""


class Window(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Counts of one block inside the trailing window: n observations, y of them bad."""

    opened_at: datetime
    closed_at: datetime
    treatment_n: int
    treatment_y: int
    control_n: int
    control_y: int


class LimitEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything needed to go on with one limit.

    share: of bad observations at which the limit is just met. bad_is_above: whether observations above the limit are
    the bad ones. threshold: log(1 / alpha). above, within, control_above: restarting log e-values on the grid of odds
    (`stats.restarting`), over `steps` blocks. log_e: of the treatment being beyond the limit. recent: the trailing
    window, oldest first, at least `sustained` long and min_n large where the data allow. delay: from what happened to
    the block that counts it (`limit_delay`).

    breached_at: close of the block with which the breach began. is_own: whether it is the new version's doing, decided
    then and never again for worse: so the end of an outage of both versions cannot turn it into the new one's (RULES
    F4). A critical breach of its own is latched; any other ends when the treatment is no longer beyond. versus: log
    e-values, on the grid of odds, of the treatment doing worse than the control since a breach began that is not its
    own. began_at: event time at which the breach began, not before the trailing window.
    """

    metric: str
    function: str
    limit: float
    share: float
    bad_is_above: bool
    is_critical: bool
    sustained: timedelta
    min_n: int
    threshold: float
    steps: int = 0
    above: tuple[float, ...] = ()
    within: tuple[float, ...] = ()
    control_above: tuple[float, ...] = ()
    log_e: float = 0.0
    recent: tuple[Window, ...] = ()
    delay: timedelta = timedelta(0)
    breached_at: datetime | None = None
    began_at: datetime | None = None
    is_own: bool = False
    versus: tuple[float, ...] = ()


def start_limit(guardrail: Guardrail, *, limit: float, function: str, alpha: float) -> LimitEvidence:
    """No evidence yet on one of the guardrail's limits (`limit_keys`). alpha: of this limit and function
    (`limit_alphas`)."""
    assert 0 < alpha < 1
    critical = guardrail.critical
    is_critical = critical is not None and critical.value == limit and function in (critical.on or ("",))
    metric = guardrail.metric
    quantile = metric.quantile or 0.5
    rare = max(quantile, 1 - quantile) if metric.kind is MetricKind.QUANTILE else 0.5
    return LimitEvidence(
        metric=metric.name,
        function=function,
        limit=limit,
        share=_share_at(guardrail, limit),
        bad_is_above=metric.bad is Direction.INCREASE,
        is_critical=is_critical,
        sustained=critical.sustained if critical is not None and is_critical else timedelta(0),
        min_n=max(LIMIT_MIN_N, ceil(4 * rare / (1 - rare))),  # GrowthBook's rule for quantiles (analysis.md 1.7)
        threshold=log(1 / alpha),
        delay=limit_delay(metric),
    )


def fold_limit(evidence: LimitEvidence, block: LimitBlock) -> LimitEvidence:
    """The evidence with one more block of the same metric, limit and function. Pure. A block without observations
    changes nothing."""
    assert (block.metric, block.function, block.limit) == (evidence.metric, evidence.function, evidence.limit)
    if not block.treatment_n and not block.control_n:
        return evidence
    treatment = block.treatment_n, _bad(evidence, block.treatment_n, block.treatment_y)
    control = block.control_n, _bad(evidence, block.control_n, block.control_y)
    step, share = evidence.steps + 1, evidence.share
    above = restarting(evidence.above, above_log_e(*treatment, share), step=step)
    window = Window(
        opened_at=block.opened_at,
        closed_at=block.closed_at,
        treatment_n=treatment[0],
        treatment_y=treatment[1],
        control_n=control[0],
        control_y=control[1],
    )
    evidence = msgspec.structs.replace(
        evidence,
        steps=step,
        above=above,
        within=restarting(evidence.within, below_log_e(*treatment, share), step=step),
        control_above=restarting(evidence.control_above, above_log_e(*control, share), step=step),
        log_e=worth(above, step),
        recent=_trimmed(evidence, (*evidence.recent, window)),
    )
    return _judged(evidence, window)


def _judged(evidence: LimitEvidence, newest: Window) -> LimitEvidence:
    """The evidence with the breach begun, gone on or ended by its newest block."""
    if evidence.is_critical and evidence.breached_at is not None and evidence.is_own:
        return evidence
    if not is_beyond(evidence):
        return msgspec.structs.replace(evidence, breached_at=None, began_at=None, is_own=False, versus=())
    if evidence.breached_at is None:
        return msgspec.structs.replace(
            evidence,
            breached_at=newest.closed_at,
            began_at=onset(evidence),
            is_own=is_attributable(evidence),
            versus=(),
        )
    if evidence.is_own:
        return evidence
    # Both failed when it began. The treatment alone is to blame for going on only by evidence gathered since, block by
    # block against the control of the same time: an e-process from 1, so that its crossing is right at any look.
    counts = newest.treatment_n, newest.treatment_y, newest.control_n, newest.control_y
    block = block_log_e(*counts)
    versus = tuple(a + b for a, b in zip(evidence.versus, block, strict=True)) if evidence.versus else block
    is_own = log_average(versus) >= evidence.threshold
    return msgspec.structs.replace(evidence, versus=versus, is_own=is_own)


def is_attributable(evidence: LimitEvidence) -> bool:
    """Whether a breach that began now would be the new version's doing: the control is not beyond the limit, or far
    less so.

    "Beyond" by its e-process; or by its share in the trailing window where it has enough observations, and by its
    e-value there where it has few, as beside a version that nearly everybody has. "Far less" by the exact two-sample
    test on that window, so that an old version slightly over a limit does not excuse a new one that fails every second
    time.
    """
    treatment_n, treatment_y = treatment_count(evidence.recent)
    control_n, control_y = control_count(evidence.recent)
    shown = worth(evidence.control_above, evidence.steps) >= evidence.threshold
    seen = _exceeds(control_n, control_y, evidence.share)
    if control_n < evidence.min_n:
        seen = log_average(above_log_e(control_n, control_y, evidence.share)) >= log(1 / FEW_ALPHA)
    if not shown and not seen:
        return True
    return log_average(block_log_e(treatment_n, treatment_y, control_n, control_y)) >= evidence.threshold


def onset(evidence: LimitEvidence) -> datetime:
    """Event time from which the treatment's breach may date: the opening of the first block of the trailing window
    that is itself beyond the limit, less the delay. Not after the true beginning, and before it by one block at most
    where blocks are large."""
    beyond = (w for w in evidence.recent if _exceeds(w.treatment_n, w.treatment_y, evidence.share))
    return next(beyond, evidence.recent[0]).opened_at - evidence.delay


def worth(grid: tuple[float, ...], steps: int) -> float:
    """log of the whole e-process: the grid's average and the budget that later starts have not spent yet. 0 before
    any block."""
    if not grid:
        return 0.0
    unspent = 1 - fsum(start_weight(step) for step in range(1, steps + 1)) if steps < 50 else 1 / (steps + 1)
    spent = log_average(grid)
    return spent + log(1 + unspent * exp(-spent)) if spent > 0 else log(exp(spent) + unspent)


def is_beyond(evidence: LimitEvidence) -> bool:
    """Shown to be beyond the limit, and for as long as the limit says.

    The e-process says *that*; the trailing window says *how long*: it must be `sustained` long, large enough, and
    beyond the limit in both halves, so that one spike inside it is no lasting breach.
    """
    if evidence.log_e < evidence.threshold or not evidence.recent:
        return False
    first, last = evidence.recent[0].opened_at, evidence.recent[-1].closed_at
    middle = first + (last - first) / 2
    if last - first < evidence.sustained or treatment_count(evidence.recent)[0] < evidence.min_n:
        return False
    early = tuple(window for window in evidence.recent if window.closed_at <= middle)
    late = tuple(window for window in evidence.recent if window.closed_at > middle)
    halves = (early, late) if evidence.sustained else (evidence.recent,)
    return all(_exceeds(*treatment_count(half), evidence.share) for half in halves if half)


def treatment_count(windows: tuple[Window, ...]) -> tuple[int, int]:
    """Observations and bad ones of the treatment."""
    return sum(window.treatment_n for window in windows), sum(window.treatment_y for window in windows)


def control_count(windows: tuple[Window, ...]) -> tuple[int, int]:
    """Observations and bad ones of the control."""
    return sum(window.control_n for window in windows), sum(window.control_y for window in windows)


def _exceeds(n: int, y: int, share: float) -> bool:
    return n > 0 and y > share * n


def _trimmed(evidence: LimitEvidence, windows: tuple[Window, ...]) -> tuple[Window, ...]:
    """Drop the oldest blocks while the rest is still long and large enough."""
    last, n, first = windows[-1].closed_at, treatment_count(windows)[0], 0
    while first + 1 < len(windows):
        rest = n - windows[first].treatment_n
        if last - windows[first + 1].opened_at < evidence.sustained or rest < evidence.min_n:
            break
        n, first = rest, first + 1
    return windows[first:]


def _bad(evidence: LimitEvidence, n: int, y: int) -> int:
    return y if evidence.bad_is_above else n - y


def _share_at(guardrail: Guardrail, limit: float) -> float:
    """The share of bad observations at which the limit is just met.

    For rates that is the limit itself. A p95 is at its limit when 5 % of the observations lie above it. A mean is
    judged by the typical (median) observation: half of them above.
    """
    metric = guardrail.metric
    is_increase = metric.bad is Direction.INCREASE
    if metric.kind is MetricKind.QUANTILE:
        assert metric.quantile is not None, metric.name
        return 1 - metric.quantile if is_increase else metric.quantile
    if metric.kind in (MetricKind.SHARE, MetricKind.RATE):
        share = limit if is_increase else 1 - limit
        return min(max(share, 1e-9), 1 - 1e-9)
    return 0.5
