"""What every artifact store does: bytes by their digest, checked whenever they come or go."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebbgate.adapters.artifacts import FileArtifactStore
from ebbgate.core.errors import ArtifactDamagedError, ArtifactMissingError, LimitError
from ebbgate.ports.artifacts import ArtifactStore
from ebbgate.testing.memory_artifacts import MemoryArtifactStore

DATA = b"some bytes"
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


@pytest.fixture(params=["memory", "files"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "memory":
        return MemoryArtifactStore(blob_max=1_000)
    return FileArtifactStore(tmp_path / "artifacts", blob_max=1_000)


def damage(store: ArtifactStore, tmp_path: Path) -> None:
    """One changed byte, as a failing disk leaves it."""
    if isinstance(store, MemoryArtifactStore):
        store.blobs[DIGEST] = b"Some bytes"
        return
    (path,) = (tmp_path / "artifacts" / "sha256").glob("??/*")
    path.write_bytes(b"Some bytes")


def test_what_was_put_is_read_again(artifacts: ArtifactStore) -> None:
    assert artifacts.put(DIGEST, [b"some ", b"bytes"]) == len(DATA)
    assert (artifacts.read(DIGEST, limit=100), artifacts.verify(DIGEST), artifacts.has(DIGEST)) == (DATA, 10, True)
    with artifacts.checked_file(DIGEST) as path:
        assert path.read_bytes() == DATA
    assert not path.exists()
    assert list(artifacts.digests()) == [DIGEST]


def test_bytes_that_are_not_what_the_digest_says_are_not_kept(artifacts: ArtifactStore) -> None:
    with pytest.raises(ArtifactDamagedError):
        artifacts.put(DIGEST, [b"other"])
    assert not artifacts.has(DIGEST)


def test_a_writer_that_fails_half_way_leaves_nothing(artifacts: ArtifactStore) -> None:
    def broken() -> Iterator[bytes]:
        yield b"some "
        raise RuntimeError("the connection is gone")

    with pytest.raises(RuntimeError):
        artifacts.put(DIGEST, broken())
    assert not artifacts.has(DIGEST)


def test_a_blob_above_the_limit_is_refused_while_it_comes(artifacts: ArtifactStore) -> None:
    with pytest.raises(LimitError):
        artifacts.put(DIGEST, [b"x" * 600, b"x" * 600])


def test_a_changed_byte_is_found_by_every_read(artifacts: ArtifactStore, tmp_path: Path) -> None:
    artifacts.put(DIGEST, [DATA])
    damage(artifacts, tmp_path)
    with pytest.raises(ArtifactDamagedError):
        artifacts.verify(DIGEST)
    with pytest.raises(ArtifactDamagedError):
        artifacts.read(DIGEST, limit=100)
    with pytest.raises(ArtifactDamagedError), artifacts.checked_file(DIGEST):
        pass


def test_damaged_bytes_are_mended_by_putting_them_again(artifacts: ArtifactStore, tmp_path: Path) -> None:
    artifacts.put(DIGEST, [DATA])
    damage(artifacts, tmp_path)
    artifacts.put(DIGEST, [DATA])
    assert artifacts.verify(DIGEST) == 10


def test_what_is_gone_is_called_so(artifacts: ArtifactStore) -> None:
    artifacts.put(DIGEST, [DATA])
    assert artifacts.delete(DIGEST) == 10
    assert artifacts.delete(DIGEST) == 0
    with pytest.raises(ArtifactMissingError):
        artifacts.verify(DIGEST)
