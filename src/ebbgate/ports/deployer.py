"""Deploy targets: where a release goes, and how it is seen there. Control works through this port alone."""

from datetime import timedelta
from pathlib import Path
from typing import Protocol

import msgspec

from ebbgate.core.releases import DeployTerms, Proof


class Shipment(msgspec.Struct, frozen=True, kw_only=True):
    """What a target is given of a deployment. previous: the id of the release that was current before."""

    deployment: str
    nonce: str
    app: str
    release: str
    version: str
    digest: str
    commit: str | None
    terms: DeployTerms
    previous: str | None = None
    previous_version: str | None = None
    previous_digest: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at a target saw. text: in words. proof: what shows that it is the release that was meant."""

    is_good: bool
    text: str
    proof: Proof | None = None


class Target(Protocol):
    """One place where releases run. Every method may be called again after a kill in its middle.

    Errors: DeployError with what failed and its last lines; StoreUnavailableError where the disk fails or is full.
    """

    def current(self) -> str | None:
        """The id of the release that is switched on; None where there is none, or it is not known."""
        ...

    def is_placed(self, shipment: Shipment) -> bool:
        """Whether the release lies there, whole and unchanged, so that no bytes are needed."""
        ...

    def place(self, shipment: Shipment, archive: Path) -> None:
        """Put it beside the others, whole or not at all. archive: of hashed bytes."""
        ...

    def switch(self, shipment: Shipment) -> None:
        """Make it the current one, at once. `switch(shipment of the previous one)` is the way back."""
        ...

    def switch_off(self) -> None:
        """Nothing is current: as it was before the first release."""
        ...

    def restart(self, shipment: Shipment) -> None:
        """Run the restart commands. Repeatable."""
        ...

    def look(self, shipment: Shipment) -> Answer:
        """One look: is it healthy, and is it the release that was meant?"""
        ...

    def placed(self) -> list[str]:
        """Ids of whole releases that lie there."""
        ...

    def remove(self, release: str) -> None:
        """Take one away that is not current."""
        ...

    def hold(self, *, timeout: timedelta) -> "Hold":
        """One deployment at a time, over processes. Raises ConflictError where another has it for longer."""
        ...


class Hold(Protocol):
    """A target that is held; leaving the block frees it."""

    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


class Deployer(Protocol):
    """Knows the targets."""

    def target(self, terms: DeployTerms) -> Target: ...
