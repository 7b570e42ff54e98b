"""What can be set about the demo."""

from enum import StrEnum
from pathlib import Path

import msgspec


class Version(StrEnum):
    """How the new version of an act behaves."""

    GOOD = "good"
    BAD = "bad"  # API errors rise from 1 % to 7 %


class DemoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of `ebbgate demo`.

    users: synthetic users; None = what `plan power` asks for, at least 20,000. seed: of everything random in the
    drivers. ignore_pushes: the SDKs
    of act 2 stay deaf to the flag-off. harm_persists: act 2's errors stay with whoever saw the new version.
    processes, sdks: drivers,
    and SDK instances over all of them. keep: data directory to keep; None = a temporary one.
    """

    users: int | None = None
    seed: int = 1
    act1: Version = Version.GOOD
    act2: Version = Version.BAD
    ignore_pushes: bool = False
    harm_persists: bool = False
    processes: int = 4
    sdks: int = 32
    scale: float = 14_400.0
    plain: bool = False
    as_json: bool = False
    keep: Path | None = None
    acts: tuple[int, ...] = (1, 2)


class DriverSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a driver process is told: where the edge is, who its people are, how the new version behaves. Nothing of
    the rollout.
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
    ignore_pushes: bool = False
    harm_persists: bool = False
