"""Which release of the demo's application is deployed, as it says itself."""

import http.client
import json
import threading
from urllib.parse import urlsplit

EVERY_S = 0.25
_TIMEOUT_S = 2.0


class Watchman:
    """Asks again and again, on a thread of its own; while nothing answers, it stays with what it knows.

    url: of the application's `/version`.
    """

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._is_over = threading.Event()
        self.release = self._ask()
        threading.Thread(target=self._watch, name="watchman", daemon=True).start()

    def close(self) -> None:
        self._is_over.set()

    def _watch(self) -> None:
        while not self._is_over.wait(EVERY_S):
            self.release = self._ask() or self.release

    def _ask(self) -> str:
        connection = http.client.HTTPConnection(self._url.netloc, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", self._url.path)
            return str(json.loads(connection.getresponse().read())["version"])
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return ""  # between two processes
        finally:
            connection.close()
