"""Evaluators that draw people by another bucketing generation than the environment's: named, where they can be known.

A document tells nothing of the generation, so such an evaluator gives people other variants than everybody else does,
and says nothing. What it is can be told by how it calls alone; others, and evaluators of files, nobody sees.
"""

import structlog

from ebbgate.core.audiences import Bucketing
from ebbgate.edge.guard import Grant
from ebbgate.edge.http import Scope, header
from ebbgate.edge.metrics import EdgeMetrics
from ebbgate.edge.served import Served

_log = structlog.get_logger("ebbgate.edge")

_CLIENTS: tuple[tuple[bytes, str, Bucketing], ...] = (
    (b"grpc-python/", "flagd's provider for Python", "v3"),  # flagd-core 2, which knows no other
    (b"grpc-node-js/", "flagd's provider for Node", "v2"),
    (b"grpc-go/", "flagd, or its provider for Go", "v2"),
    (b"Go-http-client/", "flagd, or its provider for Go", "v2"),
)
"""How a caller's user agent begins, who it is, and its generation in the newest release (flags.md, section 1)."""


class ClientGenerations:
    """Compares whoever reads a document with the document's environment."""

    def __init__(self, metrics: EdgeMetrics) -> None:
        self._metrics = metrics
        self._told: set[tuple[str, Bucketing, str]] = set()

    def look(self, scope: Scope, grant: Grant, served: Served) -> None:
        """Count a reader of another generation, and warn of its kind once for each environment and generation."""
        agent = header(scope, b"user-agent") or b""
        wanted = served.evaluator.bucketing
        for begins, client, generation in _CLIENTS:
            if agent.startswith(begins) and generation != wanted:
                self._metrics.bucketing_mismatches.labels(served.environment, client).inc()
                key = (served.environment, wanted, client)
                if key not in self._told:
                    self._told.add(key)
                    _log.warning(
                        "bucketing_mismatch",
                        environment=served.environment,
                        environment_bucketing=wanted,
                        client=client,
                        client_bucketing=generation,
                        user_agent=agent[:100].decode("latin-1"),
                        token=grant.token.id,
                        hint=f"let it ask over OFREP or RPC, or give it an environment with bucketing {generation}",
                    )
