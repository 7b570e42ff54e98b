"""Sources of `query` metrics: Prometheus' HTTP API, and databases by SQLAlchemy."""

from ebbgate.adapters.sources.prometheus import PrometheusSource
from ebbgate.adapters.sources.sources import Sources
from ebbgate.adapters.sources.sql import SqlSource

__all__ = ["PrometheusSource", "Sources", "SqlSource"]
