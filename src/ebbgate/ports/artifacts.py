"""The artifact store: bytes by their SHA-256, never changed, checked whenever they are read."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class ArtifactStore(Protocol):
    """Keeps blobs by digest (`sha256:...`): archives, manifests, bills of materials, logs.

    Errors: ArtifactMissingError where the bytes are gone, ArtifactDamagedError where they are not what the digest
    says, LimitError for a blob above the limit, StoreUnavailableError where the disk fails or is full.
    """

    def receive(self, digest: str) -> AbstractContextManager["BlobWriter"]:
        """Write a blob piece by piece; it is there, whole and on disk, when the block is left without an error, and
        not at all otherwise. A blob that is there already (and whole) is not written again.
        """
        ...

    def put(self, digest: str, chunks: Iterable[bytes]) -> int:
        """Keep a blob; returns its length."""
        ...

    def read(self, digest: str, *, limit: int) -> bytes:
        """A small blob whole, hashed. LimitError above `limit` bytes."""
        ...

    def checked_file(self, digest: str) -> AbstractContextManager[Path]:
        """A file with the blob's bytes, which were hashed after they were copied: what is read from it is what the
        digest says, whatever happens to the store meanwhile. Gone when the block is left.
        """
        ...

    def verify(self, digest: str) -> int:
        """Read it and compare; returns its length."""
        ...

    def has(self, digest: str) -> bool: ...
    def digests(self) -> Iterator[str]: ...
    def delete(self, digest: str) -> int:
        """Bytes that are free now; 0 where it was not there."""
        ...


class BlobWriter(Protocol):
    """Takes the pieces of one blob."""

    def write(self, piece: bytes) -> None: ...
