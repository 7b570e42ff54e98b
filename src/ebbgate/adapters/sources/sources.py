"""Which adapter answers for a source, and what its address is."""

import os

import msgspec

from ebbgate.adapters.sources.prometheus import PrometheusSource
from ebbgate.adapters.sources.sql import SqlSource
from ebbgate.core.errors import SourceUnavailableError
from ebbgate.core.rollouts.plan import Source, SourceKind
from ebbgate.ports.metric_source import Answer, MetricSource, Question

_FROM_ENVIRONMENT = "env:"


class Sources:
    """A MetricSource over all kinds."""

    def __init__(self) -> None:
        self._by_kind: dict[SourceKind, MetricSource] = {
            SourceKind.PROMETHEUS: PrometheusSource(),
            SourceKind.SQL: SqlSource(),
        }

    def ask(self, source: Source, question: Question) -> Answer:
        return self._by_kind[source.kind].ask(_resolved(source), question)


def _resolved(source: Source) -> Source:
    """The source with its address, where the plan names an environment variable."""
    if not source.url.startswith(_FROM_ENVIRONMENT):
        return source
    name = source.url.removeprefix(_FROM_ENVIRONMENT)
    url = os.environ.get(name)
    if not url:
        raise SourceUnavailableError(
            f"source `{source.name}` has its address in {name}, which is not set",
            hint=f"set {name} for the server, and start it again",
        )
    return msgspec.structs.replace(source, url=url)
