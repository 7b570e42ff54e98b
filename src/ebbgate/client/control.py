"""`ControlClient`: the control API for Python programs, the CLI among them."""

from types import TracebackType
from typing import Self

import httpx

from ebbgate.client.connection import Connection
from ebbgate.client.drills import Drills
from ebbgate.client.environments import Environments
from ebbgate.client.flags import Flags
from ebbgate.client.incidents import Incidents, PostMortems
from ebbgate.client.notifications import Notifications
from ebbgate.client.observations import Observations
from ebbgate.client.records import Records
from ebbgate.client.releases import Releases
from ebbgate.client.rollouts import Rollouts
from ebbgate.client.server import Server
from ebbgate.client.tokens import Tokens


class ControlClient:
    """One attribute a noun: `client.rollouts.get("newWidgets")`. Safe to use from several threads; close it at the end.

    url: of the control API, such as http://127.0.0.1:8121. token: of kind operator or admin. timeout: machine seconds
    for each of connecting, sending and reading. transport: another way to carry requests, such as to an app in process.

    Every call raises the EbbgateError that the server raised, and StoreUnavailableError when it cannot be reached.
    """

    def __init__(
        self, url: str, token: str, timeout: float = 10.0, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._connection = Connection(url, token, timeout_s=timeout, transport=transport)
        self.rollouts = Rollouts(self._connection)
        self.flags = Flags(self._connection)
        self.environments = Environments(self._connection)
        self.tokens = Tokens(self._connection)
        self.releases = Releases(self._connection)
        self.notifications = Notifications(self._connection)
        self.incidents = Incidents(self._connection)
        self.postmortems = PostMortems(self._connection)
        self.drills = Drills(self._connection)
        self.records = Records(self._connection)
        self.observations = Observations(self._connection)
        self.server = Server(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()
