"""The client of the control API: the same types as the server's, over HTTP."""

from ebbgate.client.connection import RemoteError
from ebbgate.client.control import ControlClient

__all__ = ["ControlClient", "RemoteError"]
