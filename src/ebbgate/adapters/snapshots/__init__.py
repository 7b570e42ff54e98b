"""Snapshots and tokens through files in the data directory, with a datagram after each change."""

from ebbgate.adapters.snapshots.access import FileAccessPublisher, FileAccessSource
from ebbgate.adapters.snapshots.files import replace_file
from ebbgate.adapters.snapshots.notices import NoticeSender, NoticeSocket
from ebbgate.adapters.snapshots.snapshots import FileSnapshotPublisher, FileSnapshotSource

__all__ = [
    "FileAccessPublisher",
    "FileAccessSource",
    "FileSnapshotPublisher",
    "FileSnapshotSource",
    "NoticeSender",
    "NoticeSocket",
    "replace_file",
]
