"""`client.drills`: the way back, tried before it is needed."""

from urllib.parse import quote

from ebbgate.client.connection import Connection
from ebbgate.core.rollbacks.drill import Drill, StartDrill
from ebbgate.core.rollbacks.preflight import AskPreflight, Preflight

_PATH = "/api/v1/drills"


class Drills:
    """Drills and the pre-launch list."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def start(self, app: str, *, reason: str, environment: str = "production", flag_only: bool = False) -> Drill:
        """Begin one; it is not over when this returns. Raises ConflictError while another one runs."""
        body = StartDrill(app=app, reason=reason, environment=environment, flag_only=flag_only)
        return self._connection.post(_PATH, body, Drill)

    def get(self, drill_id: str) -> Drill:
        return self._connection.get(f"{_PATH}/{quote(drill_id, safe='')}", Drill)

    def preflight(
        self, plan: str, *, reason: str, release: str = "", overlay: str | None = None, tell: bool = True
    ) -> Preflight:
        """plan: the file's text. May take as long as evaluators need to confirm a toggle."""
        body = AskPreflight(plan=plan, reason=reason, release=release, overlay=overlay, tell=tell)
        return self._connection.post("/api/v1/preflight", body, Preflight)

    def list(self, *, app: str | None = None, limit: int = 50) -> list[Drill]:
        """Newest first."""
        return self._connection.get(_PATH, list[Drill], {"app": app, "limit": limit})
