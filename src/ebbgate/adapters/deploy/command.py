"""A command target: any script puts the release where it runs, told by EBBGATE_* what, and from which file.

It is called for the way there and for the way back, and may be called twice for one release: it has to be repeatable.
"""

import os
import shutil
from datetime import timedelta
from pathlib import Path

from ebbgate.adapters.artifacts.archive import sync_path
from ebbgate.adapters.deploy.commands import deploy_environment, run_command
from ebbgate.adapters.deploy.hold import FileHold
from ebbgate.adapters.deploy.looking import look
from ebbgate.core.errors import DeployError, StoreUnavailableError
from ebbgate.core.releases import DeployTerms
from ebbgate.ports.clock import Clock
from ebbgate.ports.deployer import Answer, Hold, Shipment

SWITCHED = "switched"


class CommandTarget:
    """A Target by a command. work: control's own folder for it; archives wait there, under their digests."""

    def __init__(self, command: str, terms: DeployTerms, *, work: Path, clock: Clock) -> None:
        self._command = command
        self._terms = terms
        self._work = work
        self._clock = clock

    def current(self) -> str | None:
        try:
            return (self._work / SWITCHED).read_text(encoding="utf-8").strip() or None
        except OSError:
            return None

    def is_placed(self, shipment: Shipment) -> bool:
        return False  # the archive that waits here is written anew each time: nothing vouches for a kept one

    def place(self, shipment: Shipment, archive: Path) -> None:
        place = self._archive(shipment)
        try:
            place.parent.mkdir(exist_ok=True)
            new = place.with_suffix(".new")
            shutil.copyfile(archive, new)
            sync_path(new)
            os.replace(new, place)
            sync_path(place.parent)
        except OSError as error:
            raise _refused(self._work, error) from error

    def switch(self, shipment: Shipment) -> None:
        if not self._archive(shipment).is_file():
            raise DeployError(f"the archive of {shipment.release} is not there", hint="deploy it again")
        self._run(shipment, self._command)
        self._note(shipment.release)

    def switch_off(self) -> None:
        self._note("")

    def restart(self, shipment: Shipment) -> None:
        for command in shipment.terms.restart:
            self._run(shipment, command)

    def look(self, shipment: Shipment) -> Answer:
        return look(shipment, run=lambda command: self._run(shipment, command))

    def placed(self) -> list[str]:
        return []

    def remove(self, release: str) -> None:
        """Nothing lies there under a release's name."""

    def hold(self, *, timeout: timedelta) -> Hold:
        return FileHold(self._work / "deploy.lock", self._clock, timeout=timeout)

    def _archive(self, shipment: Shipment) -> Path:
        return self._work / "archives" / f"{shipment.digest.removeprefix('sha256:')}.tar"

    def _run(self, shipment: Shipment, command: str) -> str:
        environ = deploy_environment(shipment, {"EBBGATE_ARTIFACT": str(self._archive(shipment).absolute())})
        log, timeout_s = self._work / "commands.log", shipment.terms.timeout.total_seconds()
        return run_command(
            command, folder=Path(self._terms.to.folder or self._work), environ=environ, log=log, timeout_s=timeout_s
        )

    def _note(self, release: str) -> None:
        try:
            new = self._work / f"{SWITCHED}.new"
            new.write_text(release, encoding="utf-8")
            sync_path(new)
            os.replace(new, self._work / SWITCHED)
        except OSError as error:
            raise _refused(self._work, error) from error


def _refused(place: Path, error: OSError) -> Exception:
    return StoreUnavailableError(
        f"{place} fails: {error.strerror or error}", hint="check space and permissions of the data directory"
    )
