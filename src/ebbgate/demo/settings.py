"""What can be set about the demo."""

from enum import StrEnum
from pathlib import Path

import msgspec


class Version(StrEnum):
    """How the new version of an act behaves."""

    GOOD = "good"
    BAD = "bad"  # API errors rise from 1 % to 7 %


BREAK_VERSION, BREAK_FLAG, KILL_CONTROL = "b", "f", "l"
"""Keys that break something; the first two are also what drivers are told."""

MET = "met_broken_version"
"""An event that the synthetic people leave once each, when they are first served a version that is broken: nothing in
the plan asks for it, so that it decides nothing, and the demo can count whom the harm reached.
"""


class DemoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of `ebbgate demo`.

    users: synthetic users; None = what `plan power` asks for, at least 20,000. seed: of everything random in the
    drivers. ignore_pushes: the SDKs
    of act 2 stay deaf to the flag-off, and no release goes back. harm_persists: act 2's errors stay with
    whoever saw the new version, and no release goes back either. break_flag: the SDKs of a bad version's act are
    deaf, and the last stable release has to do it. kill_control: in each act the control process is killed once.
    processes, sdks: drivers,
    and SDK instances over all of them. scale: plan seconds for one machine second. keep: data directory to keep; None =
    a temporary one.
    """

    users: int | None = None
    seed: int = 1
    act1: Version = Version.GOOD
    act2: Version = Version.BAD
    ignore_pushes: bool = False
    harm_persists: bool = False
    break_flag: bool = False
    kill_control: bool = False
    processes: int = 4
    sdks: int = 32
    scale: float = 14_400.0
    plain: bool = False
    as_json: bool = False
    keep: Path | None = None
    acts: tuple[int, ...] = (1, 2)

    @property
    def may_redeploy(self) -> bool:
        """Whether the last stable release goes back where the flag is not enough."""
        return not (self.ignore_pushes or self.harm_persists)


class DriverSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a driver process is told: where the edge is, who its people are, how the new version behaves. Nothing of
    the rollout. release: the new version, as the deployed application calls it. version_url: where that says which
    release it is.
    """

    url: str
    token: str
    flag: str
    seed: int
    index: int
    processes: int
    users: int
    sdks: int
    version: Version
    release: str
    version_url: str
    ignore_pushes: bool = False
    harm_persists: bool = False
