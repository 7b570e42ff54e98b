"""Writing releases: the next revision, its audit row and its outbox row."""

import msgspec

from ebbgate.control.audit import Actor, record_and_tell
from ebbgate.core.releases import Release
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlTransaction


def store_release(tx: ControlTransaction, before: Release, after: Release) -> Release:
    """Write a changed release with the next revision. Raises ConflictError when somebody else was faster."""
    return tx.put_release(msgspec.structs.replace(after, revision=before.revision + 1))


def note_release(
    tx: ControlTransaction, clock: Clock, actor: Actor, action: str, before: Release | None, after: Release
) -> None:
    """One audit row and one outbox row for one change of a release."""
    subject = ("release", after.id, after.revision)
    was = _summary(before) if before is not None else None
    record_and_tell(tx, clock, actor, action=action, subject=subject, before=was, after=_summary(after))


def _summary(release: Release) -> dict[str, object]:
    return {
        "state": release.state.value,
        "digest": release.artifact.digest,
        "commit": release.commit,
        "is_pinned": release.is_pinned,
        "revision": release.revision,
    }
