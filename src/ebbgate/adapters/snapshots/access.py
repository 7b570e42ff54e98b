"""The list of tokens as a file. It holds hashes, and is readable by its owner only."""

from pathlib import Path

from ebbgate.adapters.snapshots.files import Signature, replace_file, signature
from ebbgate.adapters.snapshots.notices import NoticeSender
from ebbgate.core.access import AccessList, decode_access, encode_access
from ebbgate.core.errors import BadRequestError


class FileAccessPublisher:
    """Control's end."""

    def __init__(self, path: Path, notices: NoticeSender) -> None:
        self._path = path
        self._notices = notices

    def publish(self, access: AccessList) -> None:
        replace_file(self._path, encode_access(access))
        self._notices.send(b"access")


class FileAccessSource:
    """The edge's end. A list that cannot be read leaves the last good one in force."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signature: Signature | None = None

    def read_changed(self) -> AccessList | None:
        now = signature(self._path)
        if now is None or now == self._signature:
            return None
        self._signature = now
        try:
            return decode_access(self._path.read_bytes())
        except (OSError, BadRequestError):
            return None
