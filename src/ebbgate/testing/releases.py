"""Releases for tests: small, whole, and with bytes that can be stored."""

import hashlib
from typing import Any

from ebbgate.core.releases import (
    Artifact,
    DeployTerms,
    Documents,
    Manifest,
    Release,
    TargetTerms,
    encode_manifest,
    release_id,
)
from ebbgate.testing.clock import MORNING

TERMS = DeployTerms(to=TargetTerms(directory="/srv/dash"), restart=("restart",), health="http://127.0.0.1:1/health")
EMPTY = encode_manifest(Manifest(files=()))


def digest_of(data: bytes) -> str:
    """`sha256:...` of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def bytes_of(version: str) -> bytes:
    """What stands for the archive of that version."""
    return f"archive of {version}".encode()


def a_release(version: str = "v1.0.0", **fields: Any) -> Release:
    """A release of the app `dash`, with an archive of `bytes_of(version)` and an empty manifest."""
    data = bytes_of(version)
    given: dict[str, Any] = {
        "id": release_id("dash", version),
        "app": "dash",
        "version": version,
        "artifact": Artifact(digest=digest_of(data), archive_bytes=len(data), content_bytes=0, gzip_bytes=0, files=0),
        "documents": Documents(manifest=digest_of(EMPTY)),
        "created_at": MORNING,
        "deploy": TERMS,
    }
    return Release(**{**given, **fields})
