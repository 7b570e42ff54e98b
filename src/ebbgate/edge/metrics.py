"""What Prometheus sees of the edge. What is counted on hot paths is kept as plain ints, and read at the scrape."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ebbgate.edge.proof import ChangeTally

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class EdgeMetrics:
    """The edge's own registry: nothing global, so that two edges in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events_accepted = Counter(
            "ebbgate_events_accepted", "Entries written to the log for clients.", registry=self.registry
        )
        self.events_rejected = Counter(
            "ebbgate_events_rejected", "Entries refused, by code.", ["code"], registry=self.registry
        )
        self.problems = Counter(
            "ebbgate_edge_problems", "Requests answered with a problem, by code.", ["code"], registry=self.registry
        )
        self.exposures = Counter(
            "ebbgate_ofrep_exposures", "Exposures recorded for OFREP callers.", registry=self.registry
        )
        self.otel_records = Counter(
            "ebbgate_otel_records",
            "Log records and span events over OTLP: exposed, known already, refused, or no exposure (other, failed, "
            "not_in_rollout).",
            ["outcome"],
            registry=self.registry,
        )
        self.bucketing_mismatches = Counter(
            "ebbgate_bucketing_mismatches",
            "Documents read by an evaluator that, by its client, draws people by another generation.",
            ["environment", "client"],
            registry=self.registry,
        )
        self.stale_evaluations = Counter(
            "ebbgate_evaluations_stale",
            "Evaluations here from an older snapshot than there is, as the newer one could not be served.",
            ["environment"],
            registry=self.registry,
        )
        self.journal_dropped = Counter(
            "ebbgate_journal_dropped", "Own entries dropped because the log did not keep up.", registry=self.registry
        )
        self.snapshot_failures = Counter(
            "ebbgate_snapshot_failures", "Snapshots that could not be served.", registry=self.registry
        )
        self.streams_dropped = Counter(
            "ebbgate_streams_dropped", "Streams closed because their reader stalled.", registry=self.registry
        )
        self.append_s = Histogram(
            "ebbgate_log_fsync_seconds",
            "From handing a record to the log until it is on disk.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.push_s = Histogram(
            "ebbgate_push_seconds",
            "From noticing a new snapshot to the last write to a stream.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.log_writable = Gauge("ebbgate_log_writable", "1 while the log takes records.", registry=self.registry)

    def read_from(
        self,
        *,
        evaluations: Callable[[], dict[tuple[str, str | None], int]],
        versions: Callable[[], dict[str, int]],
        streams: Callable[[], dict[str, int]],
        changes: Callable[[], dict[str, ChangeTally]],
        stale: Callable[[], dict[str, int]],
        is_log_writable: Callable[[], bool],
    ) -> None:
        """Say where the numbers are that are read at a scrape. Called once."""
        self.log_writable.set_function(lambda: float(is_log_writable()))
        self.registry.register(_Readings(evaluations, versions, streams, changes, stale))

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)


class _Readings(Collector):
    def __init__(
        self,
        evaluations: Callable[[], dict[tuple[str, str | None], int]],
        versions: Callable[[], dict[str, int]],
        streams: Callable[[], dict[str, int]],
        changes: Callable[[], dict[str, ChangeTally]],
        stale: Callable[[], dict[str, int]],
    ) -> None:
        self._evaluations = evaluations
        self._versions = versions
        self._streams = streams
        self._changes = changes
        self._stale = stale

    def collect(self) -> Iterable[Metric]:
        evaluations = CounterMetricFamily(
            "ebbgate_evaluations", "OFREP evaluations; no variant: the caller's default.", labels=["flag", "variant"]
        )
        for (flag, variant), count in self._evaluations().items():
            evaluations.add_metric([flag, variant or ""], count)
        yield evaluations
        yield _gauge("ebbgate_snapshot_version", "Version served, by environment.", self._versions())
        yield _gauge("ebbgate_streams_open", "Open event streams, by environment.", self._streams())
        yield _gauge(
            "ebbgate_snapshot_stale", "1 while a newer snapshot is there that cannot be served.", self._stale()
        )
        yield from _of_changes(self._changes())


def _of_changes(changes: dict[str, ChangeTally]) -> Iterable[Metric]:
    """How far the newest change of each environment has got (RULES H2)."""
    evaluators = GaugeMetricFamily(
        "ebbgate_change_evaluators", "Who has the newest change, by proof.", labels=["environment", "proof"]
    )
    lags = GaugeMetricFamily(
        "ebbgate_change_confirmed_seconds",
        "From noticing the newest change to its confirmations, by quantile.",
        labels=["environment", "quantile"],
    )
    for environment, tally in sorted(changes.items()):
        evaluators.add_metric([environment, "confirmed"], tally.confirmed)
        evaluators.add_metric([environment, "straggler"], tally.stragglers)
        evaluators.add_metric([environment, "unproven"], tally.unproven)
        for quantile, lag in tally.lags.items():
            lags.add_metric([environment, f"{quantile:g}"], lag)
    yield evaluators
    yield lags


def _gauge(name: str, text: str, by_environment: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["environment"])
    for environment, value in sorted(by_environment.items()):
        family.add_metric([environment], value)
    return family
