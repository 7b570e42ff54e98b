"""Deploy targets in memory: what is current, what answers, and what goes wrong on purpose."""

from datetime import timedelta
from pathlib import Path

from ebbgate.core.errors import ConflictError, DeployError
from ebbgate.core.releases import DeployTerms, Proof
from ebbgate.ports.deployer import Answer, Hold, Shipment


class MemoryTarget:
    """A Target. sick: releases that never answer well. failing: methods that raise. `done` is what was done."""

    def __init__(self) -> None:
        self.here: dict[str, str] = {}  # release to digest
        self.is_current: str | None = None
        self.running: str | None = None
        self.sick: set[str] = set()
        self.failing: set[str] = set()
        self.done: list[tuple[str, str]] = []
        self.is_held = False

    def current(self) -> str | None:
        return self.is_current

    def is_placed(self, shipment: Shipment) -> bool:
        return self.here.get(shipment.release) == shipment.digest

    def place(self, shipment: Shipment, archive: Path) -> None:
        self._do("place", shipment.release)
        self.here[shipment.release] = shipment.digest

    def switch(self, shipment: Shipment) -> None:
        self._do("switch", shipment.release)
        self.is_current = shipment.release

    def switch_off(self) -> None:
        self._do("switch_off", "")
        self.is_current = None

    def restart(self, shipment: Shipment) -> None:
        self._do("restart", shipment.release)
        self.running = shipment.release

    def look(self, shipment: Shipment) -> Answer:
        if self.running in self.sick:
            return Answer(is_good=False, text="500")
        if self.running != shipment.release:
            return Answer(is_good=False, text=f"{self.running} answers")
        return Answer(is_good=True, text="200", proof=Proof.SERVED_DIGEST)

    def placed(self) -> list[str]:
        return sorted(self.here)

    def remove(self, release: str) -> None:
        self._do("remove", release)
        self.here.pop(release, None)

    def hold(self, *, timeout: timedelta) -> Hold:
        return _Hold(self)

    def _do(self, what: str, release: str) -> None:
        self.done.append((what, release))
        if what in self.failing:
            raise DeployError(f"{what} was told to fail", hint="see the test")


class _Hold:
    def __init__(self, target: MemoryTarget) -> None:
        self._target = target

    def __enter__(self) -> None:
        if self._target.is_held:
            raise ConflictError("another deployment holds the target", hint="wait for its end")
        self._target.is_held = True

    def __exit__(self, *_: object) -> None:
        self._target.is_held = False


class MemoryDeployer:
    """A Deployer whose targets stay the same for the same terms."""

    def __init__(self) -> None:
        self.targets: dict[str, MemoryTarget] = {}

    def target(self, terms: DeployTerms) -> MemoryTarget:
        return self.targets.setdefault(terms.to.key, MemoryTarget())
