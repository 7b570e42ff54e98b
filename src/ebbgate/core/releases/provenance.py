"""The provenance statement of a build: in-toto Statement v1 with the predicate https://slsa.dev/provenance/v1.

It says what was done, and claims no SLSA level: nobody but the person who built vouches for it. Times: machine time.
"""

from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any

import msgspec

from ebbgate.core.releases.artifact import Digest
from ebbgate.core.releases.terms import BuildTerms

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:ebbgate:build:commands:v1"
PAYLOAD = "application/vnd.in-toto+json"


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One signature of an envelope, in base64. keyid: SHA-256 of the public key, hex."""

    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A DSSE envelope, version 1."""

    payload_type: str
    payload: str
    signatures: tuple[Signature, ...]

    @property
    def body(self) -> bytes:
        return b64decode(self.payload)


def statement(
    *,
    app: str,
    version: str,
    digest: Digest,
    source: str,
    commit: str,
    terms: BuildTerms,
    builder: str,
    invocation: str,
    started_at: datetime,
    ended_at: datetime,
    toolchain: dict[str, str],
    dependencies: dict[str, str],
) -> bytes:
    """The statement as JSON. source: of the repository, without credentials. dependencies: package URL to SHA-512 or
    SHA-256 in hex, `algorithm:hex`. toolchain: program to version.
    """
    resolved: list[dict[str, Any]] = [{"uri": f"git+{source}", "digest": {"gitCommit": commit}}]
    for uri, checksum in sorted(dependencies.items()):
        algorithm, _, text = checksum.partition(":")
        resolved.append({"uri": uri, "digest": {algorithm: text}} if text else {"uri": uri})
    document = {
        "_type": STATEMENT,
        "subject": [{"name": f"{app}-{version}.tar", "digest": {"sha256": digest.removeprefix("sha256:")}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "app": app,
                    "version": version,
                    "source": source,
                    "commit": commit,
                    "run": list(terms.run),
                    "keep": list(terms.keep),
                    "environment": sorted({*terms.env, *terms.pass_env}),
                },
                "internalParameters": {"toolchain": toolchain},
                "resolvedDependencies": resolved,
            },
            "runDetails": {
                "builder": {"id": builder},
                "metadata": {
                    "invocationId": invocation,
                    "startedOn": _moment(started_at),
                    "finishedOn": _moment(ended_at),
                },
            },
        },
    }
    return msgspec.json.encode(document)


def to_be_signed(payload: bytes, kind: str = PAYLOAD) -> bytes:
    """DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def envelope(payload: bytes, signatures: dict[str, bytes]) -> bytes:
    """The envelope as JSON. signatures: by key id."""
    signed = tuple(Signature(keyid=key, sig=b64encode(sig).decode()) for key, sig in sorted(signatures.items()))
    return msgspec.json.encode(Envelope(payload_type=PAYLOAD, payload=b64encode(payload).decode(), signatures=signed))


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
