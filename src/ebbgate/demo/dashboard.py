"""The application of the demo as it is deployed: it answers `/health` and `/version`, and ends with who plays the demo.

It runs alone from the folder of a release, so it needs the standard library only.
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

RELEASE_FILE = Path(".ebbgate-release.json")
"""Written by the deployment: which release this folder is, with its digest."""


class Dashboard(ThreadingHTTPServer):
    """Listens on loopback for as long as the demo lives."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, player: int) -> None:
        """player: process id of the demo."""
        super().__init__(("127.0.0.1", port), Answers)
        self._player = player

    def service_actions(self) -> None:
        """Called between requests, about twice a second."""
        try:
            os.kill(self._player, 0)
        except OSError:
            os._exit(0)


class Answers(BaseHTTPRequestHandler):
    """What it answers: always which release it is, and so its digest."""

    def do_GET(self) -> None:
        body = RELEASE_FILE.read_bytes()
        self.send_response(200 if self.path in ("/health", "/version") else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # the name is the standard library's
        """Say nothing of each request."""


if __name__ == "__main__":
    Dashboard(int(sys.argv[1]), int(sys.argv[2])).serve_forever()
