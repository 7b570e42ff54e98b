"""A tree as one archive whose bytes depend on names, contents, links and the executable bit, and on nothing else.

Plain tar, not compressed: what a compressor writes differs between its versions, and the digest is the identity. Sorted
by name, times and owners zero, modes 755 or 644. A symbolic link is kept where it points inside the tree.
"""

import hashlib
import os
import stat
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from ebbgate.core.errors import ArtifactDamagedError, BuildError
from ebbgate.core.releases import RELEASE_FILE, Artifact, ArtifactFile

CHUNK = 1 << 20
EVERYTHING = (".",)


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """An archive that was written, and what is in it."""

    artifact: Artifact
    files: tuple[ArtifactFile, ...]


class _Digesting:
    """Writes through to a file, and hashes and counts what goes by."""

    def __init__(self, out: BinaryIO | None) -> None:
        self._out = out
        self.sha256 = hashlib.sha256()
        self.length = 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.length += len(data)
        if self._out is not None:
            self._out.write(data)
        return len(data)


def pack(root: Path, keep: Sequence[str], out: Path | None) -> Packed:
    """Write the kept files and folders of `root`, named from there; out None: measure only.

    Raises BuildError for what is missing, leads outside, or is no file, folder or link.
    """
    if out is None:
        return _pack(root, keep, None)
    with out.open("wb") as file:
        packed = _pack(root, keep, file)
        file.flush()
        os.fsync(file.fileno())
    return packed


def _pack(root: Path, keep: Sequence[str], out: BinaryIO | None, *, is_measured: bool = True) -> Packed:
    """is_measured: False leaves sizes and digests of single files out, which cost a compressor's time."""
    sink = _Digesting(out)
    files: list[ArtifactFile] = []
    with tarfile.open(fileobj=cast(BinaryIO, sink), mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in _paths(root, keep):
            name = path.relative_to(root).as_posix()
            entry, file = _entry(root, path, name, is_measured=is_measured)
            if file is not None:
                files.append(file)
            if entry.isreg():
                with path.open("rb") as contents:
                    tar.addfile(entry, contents)
            else:
                tar.addfile(entry)
    artifact = Artifact(
        digest=f"sha256:{sink.sha256.hexdigest()}",
        archive_bytes=sink.length,
        content_bytes=sum(file.bytes for file in files),
        gzip_bytes=sum(file.gzip_bytes for file in files),
        files=len(files),
    )
    return Packed(artifact=artifact, files=tuple(files))


def _paths(root: Path, keep: Sequence[str]) -> list[Path]:
    """Everything kept, each once, by name; with the folders that lead to it."""
    found: set[Path] = set()
    for item in keep:
        top = root / item
        if not top.is_symlink() and not top.exists():
            raise BuildError(f"the build left no {item}", hint="see the plan's `keep`, and what the commands write")
        found.update(parent for parent in top.parents if root in parent.parents)
        found.update(_walk(top, root / ".git") if top.is_dir() and not top.is_symlink() else [top])
    found -= {root, root / RELEASE_FILE}
    return sorted(found, key=lambda path: path.relative_to(root).as_posix().encode("utf-8", "surrogateescape"))


def _walk(top: Path, unwanted: Path) -> Iterator[Path]:
    yield top
    for entry in os.scandir(top):
        path = Path(entry.path)
        if path == unwanted:  # the repository itself, or the checkout's link to it
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, unwanted)
        else:
            yield path


def _entry(root: Path, path: Path, name: str, *, is_measured: bool) -> tuple[tarfile.TarInfo, ArtifactFile | None]:
    info = tarfile.TarInfo(name)
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        link = _inner_link(root, path, name)
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, link, 0o777
        sha256 = hashlib.sha256(link.encode("utf-8", "surrogateescape")).hexdigest()
        return info, ArtifactFile(path=name, bytes=0, gzip_bytes=0, sha256=sha256, link=link)
    if stat.S_ISDIR(found.st_mode):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        return info, None
    if not stat.S_ISREG(found.st_mode):
        raise BuildError(f"{name} is neither file, folder nor link", hint="keep it out of the artifact")
    is_executable = bool(found.st_mode & stat.S_IXUSR)
    info.mode, info.size = 0o755 if is_executable else 0o644, found.st_size
    return info, _measured(path, name, is_executable) if is_measured else None


def _inner_link(root: Path, path: Path, name: str) -> str:
    link = os.readlink(path)
    real, inside = os.path.realpath(path.parent / link), os.path.realpath(root)
    if os.path.isabs(link) or not (real + os.sep).startswith(inside + os.sep):
        raise BuildError(
            f"{name} is a link that leads outside: {link}",
            hint="copy what it points to, or keep it out of the artifact",
        )
    return link


def _measured(path: Path, name: str, is_executable: bool) -> ArtifactFile:
    """gzip_bytes: as `gzip -6` would make it."""
    sha256, gzip, length, packed = hashlib.sha256(), zlib.compressobj(6, wbits=31), 0, 0
    with path.open("rb") as contents:
        while piece := contents.read(CHUNK):
            sha256.update(piece)
            length += len(piece)
            packed += len(gzip.compress(piece))
    packed += len(gzip.flush())
    return ArtifactFile(
        path=name, bytes=length, gzip_bytes=packed, sha256=sha256.hexdigest(), is_executable=is_executable
    )


def tree_digest(root: Path) -> str:
    """The digest that the archive of this tree has; RELEASE_FILE at its top does not count. Raises BuildError."""
    return _pack(root, EVERYTHING, None, is_measured=False).artifact.digest


def unpack(archive: Path, into: Path) -> None:
    """Into an empty folder, every file on disk when this returns. Raises ArtifactDamagedError.

    Files get the time of unpacking: with equal times, web servers would give the same entity tag to two releases.
    """
    try:
        with tarfile.open(archive, mode="r:") as tar:
            tar.extractall(into, filter=_safe)
    except (tarfile.TarError, EOFError) as error:
        raise ArtifactDamagedError(f"the archive cannot be unpacked: {error}", hint="rebuild the release") from error
    sync_tree(into)


def _safe(member: tarfile.TarInfo, into: str) -> tarfile.TarInfo | None:
    checked = tarfile.data_filter(member, into)
    return checked.replace(mtime=None, deep=False) if checked is not None else None  # type: ignore[arg-type]


def sync_tree(top: Path) -> None:
    """Every file and folder below it is on disk when this returns."""
    for folder, _, names in os.walk(top, topdown=False):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                sync_path(path)
        sync_path(Path(folder))


def sync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
