"""Where the demo's application runs: a directory on this machine, with one release adopted and two deployed."""

import hashlib
import os
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

from ebbgate.bootstrap.builds import pack_folder, pieces
from ebbgate.client import ControlClient
from ebbgate.core.errors import DeployError
from ebbgate.core.releases import RELEASE_FILE, Deployment, DeploymentStatus, Documents, encode_manifest
from ebbgate.core.releases.requests import RegisterRelease
from ebbgate.core.releases.terms import DeployTerms, TargetTerms
from ebbgate.ports.clock import Clock

ADOPTED = "v1.3.2"
"""What ran before the demo began: the first release that there is to go back to."""

RESTART = """#!/bin/sh
if [ -f "$EBBGATE_SHARED/pid" ]; then
  kill "$(cat "$EBBGATE_SHARED/pid")" 2>/dev/null
  while kill -0 "$(cat "$EBBGATE_SHARED/pid")" 2>/dev/null; do sleep 0.05; done
fi
"$PYTHON" dashboard.py "$PORT" "$PLAYER" &
echo $! > "$EBBGATE_SHARED/pid"
"""

CLIENTS_HEALTH, CLIENTS_CHECK = "http://127.0.0.1:3456/health", "npm run check-data"
"""What the client's plan asks its own application."""

_POLL = timedelta(milliseconds=50)
_WITHIN_S = 60.0


class DemoTarget:
    """Makes releases of the demo's application and has them deployed by control. Close it at the end.

    admin: deploy terms that an app has not had before need an admin's token.
    """

    def __init__(self, app: str, directory: Path, admin: ControlClient, clock: Clock) -> None:
        self._app = app
        self._directory = directory
        self._admin = admin
        self._clock = clock
        self._port = _free_port()

    @property
    def version_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/version"

    @property
    def health_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/health"

    def placed(self, plan: str, *, may_redeploy: bool) -> str:
        """The plan's text with the addresses and commands of this machine in place of the client's. may_redeploy: if
        not, a person is paged where the flag is not enough.
        """
        check = f"test -s {self._directory.absolute()}/current/{RELEASE_FILE}"
        changes = {CLIENTS_HEALTH: self.health_url, CLIENTS_CHECK: check}
        if not may_redeploy:
            changes["flag_fails: redeploy"] = "flag_fails: page"
        for before, after in changes.items():
            assert before in plan, f"the demo's plan no longer says {before}"
            plan = plan.replace(before, after)
        return plan

    def begin(self) -> None:
        """Adopt what runs, and start it."""
        self._release(ADOPTED, is_adopted=True)
        self.deploy(ADOPTED)

    def ship(self, version: str) -> None:
        """Make a release, and deploy it. Raises DeployError."""
        self._release(version, is_adopted=False)
        self.deploy(version)

    def deploy(self, version: str) -> Deployment:
        """Until it answers with its own digest. Raises DeployError."""
        asked = self._admin.releases.deploy(f"{self._app}@{version}", reason="the demo begins an act")
        until = self._clock.monotonic() + _WITHIN_S
        while not asked.is_over and self._clock.monotonic() < until:
            self._clock.sleep(_POLL)
            asked = self._admin.releases.deployment(asked.id)
        if asked.status is not DeploymentStatus.DONE:
            raise DeployError(f"{version} does not answer: {asked.error}", hint="see the deployment's steps")
        return asked

    def close(self) -> None:
        """End what runs there."""
        with suppress(OSError, ValueError):
            os.kill(int((self._directory / "shared" / "pid").read_text(encoding="utf-8")), signal.SIGTERM)

    def _release(self, version: str, *, is_adopted: bool) -> None:
        with tempfile.TemporaryDirectory(prefix="ebbgate-release-") as work:
            folder = Path(work) / "application"
            folder.mkdir()
            program = (files("ebbgate.demo") / "dashboard.py").read_text(encoding="utf-8")
            (folder / "dashboard.py").write_text(program, encoding="utf-8")
            (folder / "restart.sh").write_text(RESTART, encoding="utf-8")
            (folder / "VERSION").write_text(f"{version}\n", encoding="utf-8")  # so that each has its own digest
            archive, artifact, manifest = pack_folder(folder, work=Path(work))
            self._admin.releases.upload(artifact.digest, pieces(archive))
            document = encode_manifest(manifest)
            request = RegisterRelease(
                app=self._app,
                version=version,
                artifact=artifact,
                documents=Documents(manifest=self._sent(document)),
                reason="the demo begins",
                deploy=self._terms(),
                is_adopted=is_adopted,
            )
            self._admin.releases.register(request)

    def _sent(self, document: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(document).hexdigest()}"
        self._admin.releases.upload(digest, [document])
        return digest

    def _terms(self) -> DeployTerms:
        return DeployTerms(
            to=TargetTerms(directory=str(self._directory.absolute())),
            restart=("sh restart.sh",),
            health=self.health_url,
            version=self.version_url,
            passes=2,
            within=timedelta(seconds=30),
            every=timedelta(milliseconds=100),
            env={"PYTHON": sys.executable, "PORT": str(self._port), "PLAYER": str(os.getpid())},
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
