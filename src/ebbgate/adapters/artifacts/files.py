"""The artifact store in a folder: `sha256/ab/abcd...`, written beside and renamed, hashed whenever it is read."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from ebbgate.adapters.artifacts.archive import CHUNK, sync_path
from ebbgate.core.errors import (
    ArtifactDamagedError,
    ArtifactMissingError,
    BadRequestError,
    LimitError,
    StoreUnavailableError,
)

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class FileArtifactStore:
    """An ArtifactStore in a folder of its own. blob_max: bytes of one blob."""

    def __init__(self, folder: Path, *, blob_max: int) -> None:
        self._folder = folder
        self._blob_max = blob_max
        self._passing = folder / "passing"  # what is being written or handed out; left behind only by a kill
        with _disk(folder):
            shutil.rmtree(self._passing, ignore_errors=True)
            self._passing.mkdir(parents=True, mode=0o700)

    @contextmanager
    def receive(self, digest: str) -> Iterator["_Writer"]:
        place = self._place(digest)
        with _disk(place), tempfile.NamedTemporaryFile(dir=self._passing) as file:
            writer = _Writer(cast(BinaryIO, file), self._blob_max)
            yield writer
            if writer.digest != digest:
                raise ArtifactDamagedError(
                    f"the bytes that came are {writer.digest}, not {digest}", hint="send them again"
                )
            if self._is_whole(digest):
                return
            file.flush()
            os.fsync(file.fileno())
            self._settle(Path(file.name), place)

    def put(self, digest: str, chunks: Iterable[bytes]) -> int:
        with self.receive(digest) as writer:
            for piece in chunks:
                writer.write(piece)
            return writer.length

    def read(self, digest: str, *, limit: int) -> bytes:
        with self._opened(digest) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise LimitError(f"{digest} is longer than {limit:,} bytes", hint="fetch it as a file")
        _compare(digest, hashlib.sha256(data).hexdigest())
        return data

    @contextmanager
    def checked_file(self, digest: str) -> Iterator[Path]:
        with _disk(self._folder), tempfile.NamedTemporaryFile(dir=self._passing) as copy:
            with self._opened(digest) as file:
                _compare(digest, _copied(file, cast(BinaryIO, copy)))
            copy.flush()
            yield Path(copy.name)

    def verify(self, digest: str) -> int:
        with self._opened(digest) as file:
            _compare(digest, _copied(file, None))
            return file.tell()

    def has(self, digest: str) -> bool:
        return self._place(digest).is_file()

    def digests(self) -> Iterator[str]:
        with _disk(self._folder):
            found = sorted(path.name for path in (self._folder / "sha256").glob("??/*"))
        return (f"sha256:{name}" for name in found)

    def delete(self, digest: str) -> int:
        place = self._place(digest)
        with _disk(place):
            try:
                length = place.stat().st_size
                place.unlink()
            except FileNotFoundError:
                return 0
            sync_path(place.parent)
        return length

    def _settle(self, new: Path, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        linked = new.with_suffix(".whole")
        os.link(new, linked)  # the temporary name goes away by itself
        os.replace(linked, place)
        sync_path(place.parent)
        sync_path(place.parent.parent)

    def _is_whole(self, digest: str) -> bool:
        try:
            self.verify(digest)
        except (ArtifactMissingError, ArtifactDamagedError):
            return False
        return True

    @contextmanager
    def _opened(self, digest: str) -> Iterator[BinaryIO]:
        place = self._place(digest)
        with _disk(place):
            try:
                file = place.open("rb")
            except FileNotFoundError:
                raise ArtifactMissingError(
                    f"the bytes of {digest} are gone",
                    hint="put them back: ebbgate release build --rebuild VERSION, in the repository",
                ) from None
            with file:
                yield file

    def _place(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise BadRequestError(f"{digest!r} is no digest", hint="write sha256: and 64 hex digits")
        text = digest.removeprefix("sha256:")
        return self._folder / "sha256" / text[:2] / text


class _Writer:
    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._limit = limit
        self._sha256 = hashlib.sha256()
        self.length = 0

    @property
    def digest(self) -> str:
        return f"sha256:{self._sha256.hexdigest()}"

    def write(self, piece: bytes) -> None:
        self.length += len(piece)
        if self.length > self._limit:
            raise LimitError(
                f"the artifact is larger than {self._limit:,} bytes", hint="keep less, or raise artifact_max"
            )
        self._sha256.update(piece)
        self._file.write(piece)


def _copied(source: BinaryIO, target: BinaryIO | None) -> str:
    """Copy to the end, or only read; returns the SHA-256 of what went by, in hex."""
    sha256 = hashlib.sha256()
    while piece := source.read(CHUNK):
        sha256.update(piece)
        if target is not None:
            target.write(piece)
    return sha256.hexdigest()


def _compare(digest: str, found: str) -> None:
    if digest != f"sha256:{found}":
        raise ArtifactDamagedError(
            f"the bytes kept as {digest} are damaged: they are sha256:{found}",
            hint="put them back: ebbgate release build --rebuild VERSION, in the repository",
        )


@contextmanager
def _disk(place: Path) -> Iterator[None]:
    """What the system refuses, as the error of the port."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailableError(
            f"the artifact store fails at {place.name}: {error.strerror or error}",
            hint="check space and permissions of the data directory",
        ) from error
