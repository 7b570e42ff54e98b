"""Knows the targets that this machine can reach."""

import hashlib
from pathlib import Path

from ebbgate.adapters.deploy.command import CommandTarget
from ebbgate.adapters.deploy.directory import DirectoryTarget
from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.releases import DeployTerms
from ebbgate.ports.clock import Clock
from ebbgate.ports.deployer import Target


class LocalDeployer:
    """A Deployer. work: a folder of control's own, with one below it for each target: its lock, its log, its notes."""

    def __init__(self, work: Path, clock: Clock) -> None:
        self._work = work
        self._clock = clock

    def target(self, terms: DeployTerms) -> Target:
        folder = self._work / hashlib.sha256(terms.to.key.encode()).hexdigest()[:16]
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreUnavailableError(
                f"{folder} cannot be made: {error.strerror or error}", hint="check space and permissions"
            ) from error
        if terms.to.directory is not None:
            return DirectoryTarget(Path(terms.to.directory), work=folder, clock=self._clock)
        assert terms.to.command is not None
        return CommandTarget(terms.to.command, terms, work=folder, clock=self._clock)
