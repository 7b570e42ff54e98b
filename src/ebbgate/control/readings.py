"""What does not come from events: numbers of a release, and answers of monitoring systems and databases."""

from collections.abc import Mapping
from datetime import datetime

import msgspec
import structlog

from ebbgate.control.evidence_broken import DEFECTS
from ebbgate.core.errors import SourceUnavailableError
from ebbgate.core.metrics.analysis import Analysis
from ebbgate.core.metrics.blocks import AnyBlock, LimitBlock, ProportionBlock
from ebbgate.core.metrics.definition import Metric, MetricKind, NoData, Query
from ebbgate.core.metrics.ledger import limit_keys
from ebbgate.core.metrics.readings import ReadingBlock, SourceFailure
from ebbgate.core.metrics.values import is_usable, is_usable_count
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.state import RolloutState
from ebbgate.ports.control_store import ControlStore, Evidence
from ebbgate.ports.metric_source import Answer, MetricSource, Question

INTERVALS_MAX = 60
"""Intervals that one look asks for; what is older is given up, as after a long outage."""

ERROR_SHOWN = 200
"""Characters of a source's error that are stored with a decision."""

SILENT_INTERVALS = 3
"""After so many without an answer, a metric's data are missing."""

log = structlog.get_logger("ebbgate.readings")


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """counted: blocks of metrics whose requests were counted. read: numbers. failures: of sources, as they stand."""

    counted: list[AnyBlock] = []
    read: list[ReadingBlock] = []
    failures: list[SourceFailure] = []


class ReadingService:
    """Reads once for each interval. The evidence itself says how far it was read, so that a restart goes on there."""

    def __init__(self, store: ControlStore, sources: MetricSource) -> None:
        self._store = store
        self._sources = sources
        self._failed_at: dict[tuple[str, str], datetime] = {}
        self._failures: dict[tuple[str, str], SourceFailure] = {}

    def read(self, state: RolloutState, evidence: Evidence, *, until: datetime | None) -> Readings:
        """What is due at a look. until: plan time. A source that fails says nothing this time, and holds nobody up
        again before its next interval."""
        if until is None:
            return Readings()
        counted: list[AnyBlock] = []
        read: list[ReadingBlock] = []
        for metric in measured(state.plan):
            if metric.kind is MetricKind.BUILD:
                read += self._of_release(state, metric, evidence)
            elif metric.query is not None:
                for block in self._asked(state, metric, metric.query, evidence, until=until):
                    if isinstance(block, ProportionBlock):
                        counted += [block, *_limit_blocks(state.plan, block)]
                    else:
                        read.append(block)
        failures = [failure for (rollout_id, _), failure in self._failures.items() if rollout_id == state.id]
        return Readings(counted=counted, read=read, failures=failures)

    def _of_release(self, state: RolloutState, metric: Metric, evidence: Evidence) -> list[ReadingBlock]:
        """The release's number, when it is first known and when it changes."""
        value = release_measures(self._store, state).get(metric.event)
        known = evidence.readings.get(metric.name)
        if value is None or not is_usable(value, name=metric.name):
            return []
        if known is not None and known.newest is not None and known.newest.treatment == value:
            return []
        at = state.record.entered_at
        return [ReadingBlock(metric=metric.name, phase=state.phase_index, closed_at=at, treatment=value)]

    def _asked(
        self, state: RolloutState, metric: Metric, query: Query, evidence: Evidence, *, until: datetime
    ) -> list[ProportionBlock | ReadingBlock]:
        closes = due(metric, query, since=_read_to(state, metric, evidence), until=until)
        failed_at = self._failed_at.get((state.id, metric.name))
        if not closes or (failed_at is not None and until < failed_at + query.interval):
            return []
        source = next(source for source in state.plan.sources if source.name == query.source)
        question = Question(
            expression=query.numerator, arm=query.arm, closes=closes, interval=query.interval, timeout=query.timeout
        )
        try:
            above = self._sources.ask(source, question)
            below: Answer | None = None
            if query.denominator is not None:
                below = self._sources.ask(source, msgspec.structs.replace(question, expression=query.denominator))
        except (SourceUnavailableError, *DEFECTS) as error:  # an answer that nobody foresaw is no answer
            self._failed_at[state.id, metric.name] = until
            self._failed(state, metric, query, error, until=until)
            log.warning("source_failed", rollout=state.id, metric=metric.name, error=str(error))
            return []
        self._failed_at.pop((state.id, metric.name), None)
        self._failures.pop((state.id, metric.name), None)
        if dropped := _dropped(metric, above, below):
            # Without both its numbers an arm has said nothing: requests with unknown errors are not without errors.
            log.warning("values_dropped", rollout=state.id, metric=metric.name, values=len(dropped))
            above, below = _without(above, dropped), _without(below, dropped) if below is not None else None
        found = (_block(state, metric, query, close, above, below) for close in closes)
        return [block for block in found if block is not None]

    def _failed(self, state: RolloutState, metric: Metric, query: Query, error: Exception, *, until: datetime) -> None:
        """Remember it for the decision's row. Of a database's words, which may fill a page, one line."""
        known = self._failures.get((state.id, metric.name))
        said = next(iter(str(error).splitlines()), "") or type(error).__name__
        self._failures[state.id, metric.name] = SourceFailure(
            metric=metric.name,
            source=query.source,
            since=known.since if known is not None else until,
            error=said[:ERROR_SHOWN],
        )


def measured(plan: Plan) -> list[Metric]:
    """Every metric of a plan that does not come from events."""
    return [metric for metric in plan.metrics if not metric.is_of_events]


def due(metric: Metric, query: Query, *, since: datetime, until: datetime) -> list[datetime]:
    """Ends of the intervals after `since` whose wait is over. They lie on whole multiples of the interval."""
    step = query.interval
    origin = datetime.fromtimestamp(0, tz=since.tzinfo)
    last = origin + (until - metric.lateness - origin) // step * step
    first = origin + ((since - origin) // step + 1) * step
    # An interval that began before the phase did holds requests from before.
    if first - step < since and first - step != since:
        first += step
    count = (last - first) // step + 1
    skipped = max(0, count - INTERVALS_MAX)
    return [first + step * place for place in range(skipped, count)]


def silent_queries(plan: Plan, analyses: Mapping[str, Analysis], *, entered_at: datetime, until: datetime) -> list[str]:
    """Metrics of sources that have said nothing for long, where the plan minds it."""
    silent: list[str] = []
    for guardrail in plan.guardrails:
        metric, query = guardrail.metric, guardrail.metric.query
        if query is None or query.no_data is NoData.IGNORE:
            continue
        analysis = analyses.get(metric.name)
        newest = analysis.newest_at if analysis is not None else None
        if until - max(newest or entered_at, entered_at) > (SILENT_INTERVALS + 1) * query.interval + metric.lateness:
            silent.append(metric.name)
    return silent


def release_measures(store: ControlStore, state: RolloutState) -> dict[str, float]:
    """Numbers of the rollout's release: `growth_bytes`, `size_bytes` and `total_bytes`, of several budgets of a kind
    the largest."""
    with store.transaction() as tx:
        releases = tx.releases(app=state.plan.app)
    found: dict[str, float] = {}
    for release in releases:
        if state.release not in (release.id, release.version) or release.build is None:
            continue
        for result in release.build.budgets:
            if result.used is not None:
                name = f"{result.kind}_bytes"
                found[name] = max(found.get(name, float(result.used)), float(result.used))
        break
    return found


def _dropped(metric: Metric, above: Answer, below: Answer | None) -> set[tuple[datetime, str]]:
    """Intervals and arms in which a number is one that the metric cannot use (RULES D5)."""
    return {
        (close, arm)
        for answer in (above, below or {})
        for close, arms in answer.items()
        for arm, value in arms.items()
        if not (is_usable(value, name=metric.name) if below is None else is_usable_count(value))
    }


def _without(answer: Answer, dropped: set[tuple[datetime, str]]) -> Answer:
    return {
        close: {arm: value for arm, value in arms.items() if (close, arm) not in dropped}
        for close, arms in answer.items()
    }


def _limit_blocks(plan: Plan, block: ProportionBlock) -> list[LimitBlock]:
    """The same counts against the metric's absolute limits (RULES G1)."""
    keys = [key for g in plan.guardrails if g.metric.name == block.metric for key in limit_keys(g)]
    return [
        LimitBlock(
            metric=block.metric,
            phase=block.phase,
            opened_at=block.opened_at,
            closed_at=block.closed_at,
            limit=limit,
            treatment_n=block.treatment_n,
            treatment_y=block.treatment_y,
            control_n=block.control_n,
            control_y=block.control_y,
        )
        for limit, _ in keys
    ]


def _read_to(state: RolloutState, metric: Metric, evidence: Evidence) -> datetime:
    newest: datetime | None = None
    if metric.name in evidence.readings:
        block = evidence.readings[metric.name].newest
        newest = block.closed_at if block is not None else None
    for found in (evidence.metrics, evidence.goals):
        if metric.name in found:
            newest = found[metric.name].newest_at or newest
    return max(newest, state.record.entered_at) if newest is not None else state.record.entered_at


def _block(
    state: RolloutState, metric: Metric, query: Query, close: datetime, above: Answer, below: Answer | None
) -> ProportionBlock | ReadingBlock | None:
    treatment, control = query.treatment or state.plan.treatment_variant, query.control or state.plan.control_variant
    bad = above.get(close, {})
    if below is None:
        if treatment not in bad and control not in bad:
            return None
        return ReadingBlock(
            metric=metric.name,
            phase=state.phase_index,
            closed_at=close,
            treatment=bad.get(treatment),
            control=bad.get(control),
        )
    among = below.get(close, {})
    new, old = round(among.get(treatment, 0.0)), round(among.get(control, 0.0))
    if new <= 0 and old <= 0:
        return None
    # A source may estimate counts (Prometheus' `increase` does), and count the two a moment apart.
    return ProportionBlock(
        metric=metric.name,
        phase=state.phase_index,
        opened_at=close - query.interval,
        closed_at=close,
        treatment_n=max(new, 0),
        treatment_y=min(max(round(bad.get(treatment, 0.0)), 0), max(new, 0)),
        control_n=max(old, 0),
        control_y=min(max(round(bad.get(control, 0.0)), 0), max(old, 0)),
    )
