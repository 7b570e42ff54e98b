"""What `ebbgate release build` and `adopt` work with: they run where the repository is, and reach the store by the
control API.
"""

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import msgspec

from ebbgate.adapters.builds import GitRepository, LocalBuilder, bill_of_materials, sign, verify_signature
from ebbgate.adapters.builds.builder import pack_source
from ebbgate.adapters.builds.sbom import checksum, package_url
from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.core.errors import BadRequestError, RepositoryError
from ebbgate.core.releases import Artifact, BuildTerms, DeployTerms, Manifest
from ebbgate.core.releases.provenance import statement
from ebbgate.ports.builder import Built, Progress

_COPY = 1 << 20


class Workshop:
    """The repository around a folder, and the tools to build its commits."""

    def __init__(self, folder: Path) -> None:
        self.repository = GitRepository(folder)
        self.clock = SystemClock()
        self._builder = LocalBuilder(self.repository, self.clock, cache=cache_folder())

    def build(self, commit: str, terms: BuildTerms, *, work: Path, progress: Progress) -> Built:
        return self._builder.build(commit, terms, work=work, progress=progress)

    def papers(
        self, app: str, version: str, built: Built, terms: BuildTerms, *, builder: str, key_file: Path | None
    ) -> tuple[bytes, bytes]:
        """The bill of materials, and the provenance in its envelope. Raises BadRequestError for a key of no use."""
        at = self.repository.committed_at(built.commit)
        bill = bill_of_materials(app, version, built.artifact, built.manifest, at=at)
        told = statement(
            app=app,
            version=version,
            digest=built.artifact.digest,
            source=self.repository.source(),
            commit=built.commit,
            terms=terms,
            builder=builder,
            invocation=str(uuid4()),
            started_at=built.started_at,
            ended_at=built.ended_at,
            toolchain=built.toolchain,
            dependencies={str(package_url(one)): checksum(one) for one in built.manifest.dependencies},
        )
        return bill, sign(told, key_file)

    def now(self) -> datetime:
        return self.clock.machine_now()


def pack_folder(source: Path, *, work: Path) -> tuple[Path, Artifact, Manifest]:
    """An archive of a folder as it lies there. Raises BuildError."""
    return pack_source(source, work=work)


def repository_at(folder: Path) -> GitRepository | None:
    """The repository around a folder; None where there is none."""
    try:
        return GitRepository(folder)
    except RepositoryError:
        return None


def signature_is_good(envelope: str, key_file: Path) -> bool:
    """Whether provenance is signed by that public key. Raises BadRequestError."""
    return verify_signature(envelope.encode(), key_file)


def cache_folder() -> Path:
    """`~/.cache/ebbgate/builds`, or where XDG_CACHE_HOME says."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "ebbgate" / "builds"


def absolute(terms: DeployTerms | None, *, folder: Path) -> DeployTerms | None:
    """With paths that mean the same to control, which runs elsewhere. folder: of the plan."""
    if terms is None:
        return None
    to = terms.to
    if to.directory is not None:
        to = msgspec.structs.replace(to, directory=str(_resolved(folder, to.directory)))
    else:
        to = msgspec.structs.replace(to, folder=str(folder.resolve()))
    return msgspec.structs.replace(terms, to=to, drill=absolute(terms.drill, folder=folder))


def _resolved(folder: Path, text: str) -> Path:
    """Without links in it, but the last part: what stands there may be a link on purpose."""
    path = Path(text).expanduser()
    path = path if path.is_absolute() else folder.resolve() / path
    return path.parent.resolve() / path.name


@contextmanager
def unpacked(source: Path, *, work: Path) -> Iterator[Path]:
    """A folder as it is, or what an archive (tar, also compressed) holds. Raises BadRequestError."""
    if source.is_dir():
        yield source
        return
    into = work / "unpacked"
    into.mkdir()
    try:
        with tarfile.open(source) as tar:
            tar.extractall(into, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise BadRequestError(
            f"{source} is neither a folder nor an archive: {error}", hint="name what holds the running version"
        ) from error
    yield into


def pieces(path: Path) -> Iterator[bytes]:
    """A file piece by piece."""
    with path.open("rb") as file:
        while piece := file.read(_COPY):
            yield piece
