"""The current snapshot of each environment as a file, `<environment>.json`."""

import re
from pathlib import Path

import msgspec

from ebbgate.adapters.snapshots.files import Signature, replace_file, signature
from ebbgate.adapters.snapshots.notices import NoticeSender
from ebbgate.core.errors import EbbgateError
from ebbgate.core.flags.snapshot import Snapshot, decode_snapshot, encode_snapshot
from ebbgate.ports.snapshots import PublishedSnapshot

_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")  # what is safe as a file name


class FileSnapshotPublisher:
    """Control's end. Older snapshots than the published one are the caller's bug, and not looked for."""

    def __init__(self, directory: Path, notices: NoticeSender) -> None:
        self._directory = directory
        self._notices = notices

    def publish(self, snapshot: Snapshot) -> None:
        assert _ENVIRONMENT.fullmatch(snapshot.environment), snapshot.environment
        replace_file(self._directory / f"{snapshot.environment}.json", encode_snapshot(snapshot))
        self._notices.send(b"snapshot")


class FileSnapshotSource:
    """The edge's end. A file is read again only when its inode, size or time has changed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._signatures: dict[Path, Signature | None] = {}
        self._failures: dict[str, str] = {}

    def read_changed(self) -> list[PublishedSnapshot]:
        changed = []
        for path in sorted(self._directory.glob("*.json")):
            if not _ENVIRONMENT.fullmatch(path.stem):
                continue
            now = signature(path)
            if now is None or now == self._signatures.get(path):
                continue
            try:
                changed.append(_read(path))
            except (OSError, EbbgateError) as error:
                self._failures[path.stem] = str(error)
            else:
                self._failures.pop(path.stem, None)
            self._signatures[path] = now
        return changed

    def failures(self) -> dict[str, str]:
        return dict(self._failures)


def _read(path: Path) -> PublishedSnapshot:
    data = path.read_bytes()
    snapshot = decode_snapshot(data)
    if b"\n" in data or b"\r" in data:  # a document may carry its author's line breaks; an event stream must not
        data = msgspec.json.format(data, indent=-1)
    return PublishedSnapshot(snapshot=snapshot, data=data)
