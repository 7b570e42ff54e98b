"""Where a unit falls: MurmurHash3 x86 32-bit, seed 0, spread over a total (flagd's generations v2 and v3)."""

from typing import Any, Literal

import mmh3

from ebbgate.core.audiences import cbor

Bucketing = Literal["v2", "v3"]
TOTAL = 1_000_000
HASH_SPACE = 1 << 32


def hash_text(text: str) -> int:
    """Generation v2: the unsigned hash of the text's UTF-8."""
    return mmh3.mmh3_32_uintdigest(cbor.utf8(text))


def hash_value(value: Any) -> int:
    """Generation v3: the unsigned hash of the value's deterministic CBOR. Raises TypeError, OverflowError."""
    return mmh3.mmh3_32_uintdigest(cbor.encode(value))


def bucket(text: str, total: int = TOTAL) -> int:
    """The bucket of a text by generation v2, 0 <= bucket < total."""
    return (hash_text(text) * total) >> 32


def bucket_v3(value: Any, total: int = TOTAL) -> int:
    """The bucket of a value by generation v3, 0 <= bucket < total. Raises TypeError, OverflowError."""
    return (hash_value(value) * total) >> 32


def unit_bucket(salt: str, unit: str, *, bucketing: Bucketing = "v2") -> int:
    """The bucket, of 1,000,000, of a unit under a rollout's salt (B2)."""
    text = f"{salt}:{unit}"
    return bucket(text) if bucketing == "v2" else bucket_v3(text)


def threshold(cumulated: int, total: int) -> int:
    """The smallest hash whose bucket is not below `cumulated`: an entry wins while hash < threshold."""
    return -(-cumulated * HASH_SPACE // total)
