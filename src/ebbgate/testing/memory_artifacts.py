"""The artifact store in memory. It passes the same contract suite as the one on disk."""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ebbgate.core.errors import ArtifactDamagedError, ArtifactMissingError, LimitError


class MemoryArtifactStore:
    """An ArtifactStore over a dictionary. `blobs` is open to tests that damage or lose some."""

    def __init__(self, *, blob_max: int = 100_000_000) -> None:
        self.blobs: dict[str, bytes] = {}
        self._blob_max = blob_max

    @contextmanager
    def receive(self, digest: str) -> Iterator["_Writer"]:
        writer = _Writer(self._blob_max)
        yield writer
        _compare(digest, bytes(writer.data))
        self.blobs[digest] = bytes(writer.data)

    def put(self, digest: str, chunks: Iterable[bytes]) -> int:
        with self.receive(digest) as writer:
            for piece in chunks:
                writer.write(piece)
        return len(writer.data)

    def read(self, digest: str, *, limit: int) -> bytes:
        data = self._checked(digest)
        if len(data) > limit:
            raise LimitError(f"{digest} is longer than {limit:,} bytes", hint="fetch it as a file")
        return data

    @contextmanager
    def checked_file(self, digest: str) -> Iterator[Path]:
        data = self._checked(digest)
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            yield Path(file.name)

    def verify(self, digest: str) -> int:
        return len(self._checked(digest))

    def has(self, digest: str) -> bool:
        return digest in self.blobs

    def digests(self) -> Iterator[str]:
        return iter(sorted(self.blobs))

    def delete(self, digest: str) -> int:
        return len(self.blobs.pop(digest, b""))

    def _checked(self, digest: str) -> bytes:
        if digest not in self.blobs:
            raise ArtifactMissingError(f"the bytes of {digest} are gone", hint="put them back")
        _compare(digest, self.blobs[digest])
        return self.blobs[digest]


class _Writer:
    def __init__(self, limit: int) -> None:
        self.data = bytearray()
        self._limit = limit

    def write(self, piece: bytes) -> None:
        self.data += piece
        if len(self.data) > self._limit:
            raise LimitError(f"the artifact is larger than {self._limit:,} bytes", hint="keep less")


def _compare(digest: str, data: bytes) -> None:
    found = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if found != digest:
        raise ArtifactDamagedError(f"the bytes kept as {digest} are damaged: they are {found}", hint="put them back")
