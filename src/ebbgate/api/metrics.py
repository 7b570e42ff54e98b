"""What Prometheus sees of control, read from the stores at the scrape."""

import threading
from collections import Counter
from collections.abc import Iterable

from litestar import get
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ebbgate.api.guard import READ_METRICS
from ebbgate.api.services import ApiServices
from ebbgate.control.propagation import CONFIRMING, is_connected
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.ports.control_store import ControlTransaction

_PAGE = 200
TEXT = CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8")  # the framework adds it


class ControlMetrics(Collector):
    """Numbers of one control process. Decisions are counted from its start on, as counters are: the history can be
    long.
    """

    def __init__(self, services: ApiServices) -> None:
        self._services = services
        self._counting = threading.Lock()
        self._decisions: Counter[tuple[str, str]] = Counter()
        with services.store.transaction() as tx:
            self._counted = {state.id: tx.decision_count(state.id) for state in tx.rollouts()}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """Prometheus' text format. Raises StoreUnavailableError."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not read the stores."""
        return ()

    def collect(self) -> Iterable[Metric]:
        loop, events = self._services.loop, self._services.events
        with self._services.store.transaction() as tx:
            states = tx.rollouts()
            decisions = self._count(tx, states)
            latest = {row.version for env in tx.environments() if (row := tx.latest_snapshot(env)) is not None}
        yield _rollouts(states)
        yield _decisions(decisions)
        yield CounterMetricFamily("ebbgate_loop_ticks", "Passes of the loop.", value=loop.ticks)
        yield CounterMetricFamily("ebbgate_loop_failures", "Looks that failed.", value=loop.failures)
        yield self._evaluators(latest)
        yield GaugeMetricFamily("ebbgate_log_offset", "Bytes of the event log that were read.", value=events.offset())
        watermark = events.watermark()
        if watermark is not None:
            age_s = (self._services.clock.plan_now() - watermark).total_seconds()
            yield GaugeMetricFamily("ebbgate_log_age_seconds", "Plan time since the newest record.", value=age_s)

    def _count(self, tx: ControlTransaction, states: list[RolloutState]) -> Counter[tuple[str, str]]:
        """Add the decisions that came since the last scrape."""
        with self._counting:
            for state in states:
                while rows := tx.decisions(state.id, after=self._counted.get(state.id, 0), limit=_PAGE):
                    for row in rows:
                        self._decisions[type(row.decision).__name__.lower(), row.decision.code.value] += 1
                    self._counted[state.id] = rows[-1].sequence
            return self._decisions.copy()

    def _evaluators(self, latest: set[int]) -> Metric:
        """confirmed: serves the newest snapshot of its environment (versions are unique over environments)."""
        counts = {"confirmed": 0, "lagging": 0, "unproven": 0}
        now = self._services.clock.machine_now()
        for evaluator in self._services.events.evaluators():
            if not is_connected(evaluator, now):
                continue
            if evaluator.kind not in CONFIRMING:
                counts["unproven"] += 1
            else:
                counts["confirmed" if evaluator.snapshot_version in latest else "lagging"] += 1
        family = GaugeMetricFamily(
            "ebbgate_evaluators", "Connected evaluators, by whether they serve the newest flags.", labels=["proof"]
        )
        for proof, count in counts.items():
            family.add_metric([proof], count)
        return family


def _rollouts(states: list[RolloutState]) -> Metric:
    counts = Counter(state.status for state in states)
    family = GaugeMetricFamily("ebbgate_rollouts", "Rollouts, by status.", labels=["status"])
    for status in Status:
        family.add_metric([status.value], counts[status])
    return family


def _decisions(counts: Counter[tuple[str, str]]) -> Metric:
    family = CounterMetricFamily(
        "ebbgate_decisions", "Decisions since this process began.", labels=["decision", "code"]
    )
    for (decision, code), count in sorted(counts.items()):
        family.add_metric([decision, code], count)
    return family


@get("/metrics", sync_to_thread=True, opt=READ_METRICS, operation_id="metrics", tags=["server"], media_type=TEXT)
def get_metrics(metrics: NamedDependency[SkipValidation[ControlMetrics]]) -> bytes:
    """Prometheus' text format."""
    return metrics.text()
