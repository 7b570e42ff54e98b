"""Which releases keep their bytes. What a way back may need is never pruned (RULES H4)."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from ebbgate.core.releases.release import Release
from ebbgate.core.releases.steps import last_stable


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one release keeps its bytes, and why."""

    release: str
    is_kept: bool
    why: str


def choose_kept(
    releases: Sequence[Release], *, keep: int, current: Collection[str], referenced: Mapping[str, str]
) -> list[Keeping]:
    """One line for each release of one app, newest first. keep: so many newest stay. current: ids of what is deployed.
    referenced: ids with why, of what an open rollout, deployment or incident refers to.
    """
    newest = sorted(releases, key=lambda release: release.number, reverse=True)
    stable = last_stable(list(releases))
    before = last_stable(list(releases), but=stable.id) if stable is not None else None
    lines = []
    for position, release in enumerate(newest):
        if release.id in current:
            why = "it is deployed now"
        elif stable is not None and release.id == stable.id:
            why = "it is the last stable one"
        elif before is not None and release.id == before.id:
            why = "it is the stable one before the last, should that be taken back"
        elif release.is_pinned:
            why = "it is pinned"
        elif release.id in referenced:
            why = referenced[release.id]
        elif position < keep:
            why = f"it is one of the newest {keep}"
        else:
            lines.append(Keeping(release=release.id, is_kept=False, why="nothing needs it"))
            continue
        lines.append(Keeping(release=release.id, is_kept=True, why=why))
    return lines
