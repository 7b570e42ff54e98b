"""Signs provenance with an Ed25519 key from a PEM file (DSSE). Without a key it stays unsigned, and is called so."""

import hashlib
from base64 import b64decode
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from ebbgate.core.errors import BadRequestError
from ebbgate.core.releases.provenance import Envelope, envelope, to_be_signed


def sign(payload: bytes, key_file: Path | None) -> bytes:
    """The envelope; without signatures where there is no key. Raises BadRequestError for a file that is no such key."""
    if key_file is None:
        return envelope(payload, {})
    key = _private(key_file)
    return envelope(payload, {_key_id(key.public_key()): key.sign(to_be_signed(payload))})


def verify_signature(data: bytes, key_file: Path) -> bool:
    """Whether an envelope is signed by that public key. Raises BadRequestError for what is no envelope or key."""
    try:
        found = msgspec.json.decode(data, type=Envelope)
        key = load_pem_public_key(key_file.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise BadRequestError(f"the signature cannot be checked: {error}", hint="give the public key, PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise BadRequestError(f"{key_file} is no Ed25519 key", hint="make one: openssl genpkey -algorithm ed25519")
    for signature in found.signatures:
        try:
            key.verify(b64decode(signature.sig), to_be_signed(found.body, found.payload_type))
        except InvalidSignature:
            continue
        return True
    return False


def _private(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadRequestError(
            f"the signing key {path} cannot be read: {error}", hint="make one: openssl genpkey -algorithm ed25519"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadRequestError(f"{path} is no Ed25519 key", hint="make one: openssl genpkey -algorithm ed25519")
    return key


def _key_id(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()
