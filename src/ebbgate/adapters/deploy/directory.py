"""A directory target: `releases/<id>` side by side, `current` a link to one of them, switched by rename(2).

releases/my-app@v1.4.0/   the kept files and .ebbgate-release.json
current -> releases/my-app@v1.4.0
shared/                   for what outlives a release
"""

import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from ebbgate.adapters.artifacts.archive import sync_path, tree_digest, unpack
from ebbgate.adapters.deploy.commands import deploy_environment, run_command
from ebbgate.adapters.deploy.hold import FileHold
from ebbgate.adapters.deploy.looking import look
from ebbgate.adapters.deploy.processes import PROC, ticks_now
from ebbgate.core.errors import BuildError, DeployError, StoreUnavailableError
from ebbgate.core.releases import RELEASE_FILE
from ebbgate.core.releases.artifact import release_file
from ebbgate.ports.clock import Clock
from ebbgate.ports.deployer import Answer, Hold, Shipment

UNFINISHED = ".unfinished-"
RESTARTED = "restarted"


class DirectoryTarget:
    """A Target in a directory of this machine. work: control's own folder for it."""

    def __init__(self, top: Path, *, work: Path, clock: Clock) -> None:
        self._top = top
        self._work = work
        self._clock = clock

    @property
    def _releases(self) -> Path:
        return self._top / "releases"

    @property
    def _current(self) -> Path:
        return self._top / "current"

    def current(self) -> str | None:
        folder = self._linked()
        return _marker(folder).get("release") if folder is not None else None

    def is_placed(self, shipment: Shipment) -> bool:
        return self._folder(shipment) is not None

    def place(self, shipment: Shipment, archive: Path) -> None:
        self._refuse_foreign()
        if self.is_placed(shipment):
            return
        try:
            for folder in (self._top, self._releases, self._top / "shared"):
                _make_readable(folder)
            unfinished = self._releases / f"{UNFINISHED}{_folder_name(shipment.release)}"
            if unfinished.exists():
                shutil.rmtree(unfinished)
            unfinished.mkdir()
            unpack(archive, unfinished)
            self._mark(unfinished, shipment)
            unfinished.chmod(0o755)
            os.rename(unfinished, self._free_name(shipment))
            sync_path(self._releases)
        except OSError as error:
            raise _refused(self._top, error) from error

    def switch(self, shipment: Shipment) -> None:
        folder = self._folder(shipment)
        if folder is None:
            raise DeployError(f"{shipment.release} does not lie in {self._releases}", hint="deploy it again")
        self._point_to(os.path.relpath(folder, self._top))

    def switch_off(self) -> None:
        try:
            if self._current.is_symlink():
                self._current.unlink()
                sync_path(self._top)
        except OSError as error:
            raise _refused(self._top, error) from error

    def restart(self, shipment: Shipment) -> None:
        folder = self._folder(shipment) or self._linked()
        if folder is None:
            raise DeployError(f"{shipment.release} does not lie in {self._releases}", hint="deploy it again")
        if PROC.joinpath("net/tcp").exists():
            try:
                (self._work / RESTARTED).write_text(f"{shipment.nonce} {ticks_now()}", encoding="ascii")
            except OSError as error:
                raise StoreUnavailableError(
                    f"{self._work} fails: {error.strerror or error}", hint="check space of the data directory"
                ) from error
        for command in shipment.terms.restart:
            self._run(shipment, folder, command)

    def look(self, shipment: Shipment) -> Answer:
        linked = self._linked()
        if linked is None or _marker(linked).get("release") != shipment.release:
            return Answer(is_good=False, text=f"`current` in {self._top} does not point to {shipment.release}")
        folder = linked.resolve()
        return look(
            shipment,
            run=lambda command: self._run(shipment, folder, command),
            folder=folder,
            restarted=self._restarted(shipment) if shipment.terms.restart else None,
        )

    def placed(self) -> list[str]:
        found = [_marker(path).get("release") for path in self._whole()]
        return sorted({release for release in found if isinstance(release, str)})

    def remove(self, release: str) -> None:
        linked = self._linked()
        try:
            for path in self._whole():
                if _marker(path).get("release") == release and (linked is None or not path.samefile(linked)):
                    hidden = path.with_name(f"{UNFINISHED}{path.name}")
                    os.rename(path, hidden)  # half removed, it must not be taken for whole
                    shutil.rmtree(hidden)
        except OSError as error:
            raise _refused(self._top, error) from error

    def hold(self, *, timeout: timedelta) -> Hold:
        return FileHold(self._top / ".ebbgate-deploy.lock", self._clock, timeout=timeout)

    def _run(self, shipment: Shipment, folder: Path, command: str) -> str:
        more = {
            "EBBGATE_DIRECTORY": str(folder.resolve()),
            "EBBGATE_CURRENT": str(self._current.absolute()),
            "EBBGATE_SHARED": str((self._top / "shared").absolute()),
        }
        environ = deploy_environment(shipment, more)
        log = self._work / "commands.log"
        timeout_s = shipment.terms.timeout.total_seconds()
        return run_command(command, folder=folder.resolve(), environ=environ, log=log, timeout_s=timeout_s)

    def _restarted(self, shipment: Shipment) -> int:
        """Ticks before the restart; 0 where it cannot be told, such as after the machine itself was restarted."""
        try:
            nonce, _, ticks = (self._work / RESTARTED).read_text(encoding="ascii").partition(" ")
        except OSError:
            return 0
        return int(ticks) if nonce == shipment.nonce else 0

    def _refuse_foreign(self) -> None:
        """A `current` that is no release of ours could not be brought back."""
        if os.path.lexists(self._current) and self._linked() is None:
            raise DeployError(
                f"{self._current} is there, and not a link to a release",
                hint="record what runs with `ebbgate release adopt`, then move it away",
            )

    def _point_to(self, place: str) -> None:
        try:
            new = self._top / ".current.new"
            new.unlink(missing_ok=True)
            new.symlink_to(place)
            os.replace(new, self._current)
            sync_path(self._top)
        except OSError as error:
            raise _refused(self._top, error) from error

    def _linked(self) -> Path | None:
        """The folder that `current` points to, if it is a whole release."""
        try:
            folder = self._top / os.readlink(self._current)
        except OSError:
            return None
        return folder if (folder / RELEASE_FILE).is_file() else None

    def _folder(self, shipment: Shipment) -> Path | None:
        """Where the release lies with the very bytes that were meant; the one that is current first."""
        linked = self._linked()
        for path in sorted(self._whole(), key=lambda path: linked is None or path.name != linked.name):
            mark = _marker(path)
            if mark.get("release") == shipment.release and mark.get("digest") == shipment.digest:
                try:
                    if tree_digest(path) == shipment.digest:
                        return path
                except (BuildError, OSError):
                    continue
        return None

    def _whole(self) -> list[Path]:
        try:
            found = sorted(self._releases.iterdir())
        except OSError:
            return []
        return [path for path in found if not path.name.startswith(".") and (path / RELEASE_FILE).is_file()]

    def _free_name(self, shipment: Shipment) -> Path:
        """`releases/<id>`; with a number behind it where files there were changed and it may be in use."""
        name = _folder_name(shipment.release)
        path, number = self._releases / name, 1
        while path.exists():
            number += 1
            path = self._releases / f"{name}+{number}"
        return path

    def _mark(self, folder: Path, shipment: Shipment) -> None:
        contents = release_file(
            app=shipment.app,
            version=shipment.version,
            digest=shipment.digest,
            commit=shipment.commit,
            deployment=shipment.deployment,
        )
        mark = folder / RELEASE_FILE
        mark.write_bytes(msgspec.json.encode({**contents, "release": shipment.release}))
        mark.chmod(0o644)
        sync_path(mark)
        sync_path(folder)


def _make_readable(folder: Path) -> None:
    """Others may look into it, whatever control's own umask is; one that is there keeps its mode."""
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(0o755)


def _marker(folder: Path) -> dict[str, Any]:
    try:
        found = msgspec.json.decode((folder / RELEASE_FILE).read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _folder_name(release: str) -> str:
    """An id as a folder's name: colons trouble paths in lists such as PATH."""
    return release.replace(":", "_").replace("/", "_")


def _refused(top: Path, error: OSError) -> Exception:
    return StoreUnavailableError(
        f"the target {top} fails: {error.strerror or error}", hint="check space and permissions of the target"
    )
