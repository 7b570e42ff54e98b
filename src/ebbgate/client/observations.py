"""`client.observations`: what control sees of the world."""

from ebbgate.client.connection import Connection
from ebbgate.core.events.view import ArrivalsView, EvaluatorView, TotalsView


class Observations:
    """Evaluators, arrivals, totals."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def evaluators(self) -> list[EvaluatorView]:
        return self._connection.get("/api/v1/evaluators", list[EvaluatorView])

    def arrivals(self) -> ArrivalsView:
        return self._connection.get("/api/v1/arrivals", ArrivalsView)

    def totals(self) -> TotalsView:
        return self._connection.get("/api/v1/totals", TotalsView)
