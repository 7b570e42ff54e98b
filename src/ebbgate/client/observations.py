"""`client.observations`: what control sees of the world."""

from ebbgate.client.connection import Connection
from ebbgate.core.events.view import ArrivalsView, EvaluatorView, TotalsView
from ebbgate.core.metrics.history import History, HistoryRequest
from ebbgate.core.rollbacks.probing import ProbeState


class Observations:
    """Evaluators, arrivals, totals, past days."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def evaluators(self) -> list[EvaluatorView]:
        return self._connection.get("/api/v1/evaluators", list[EvaluatorView])

    def arrivals(self) -> ArrivalsView:
        return self._connection.get("/api/v1/arrivals", ArrivalsView)

    def totals(self) -> TotalsView:
        return self._connection.get("/api/v1/totals", TotalsView)

    def probes(self) -> list[ProbeState]:
        """Of rollouts that are under way."""
        return self._connection.get("/api/v1/probes", list[ProbeState])

    def history(self, request: HistoryRequest) -> History:
        """What units did on past days, as a plan's metrics see it."""
        return self._connection.post("/api/v1/history", request, History)
