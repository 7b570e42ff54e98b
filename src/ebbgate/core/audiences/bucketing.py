"""Where a unit falls: MurmurHash3 x86 32-bit, seed 0, spread over a total (flagd's generations v2 and v3)."""

import mmh3

TOTAL = 1_000_000


def bucket(text: str, total: int = TOTAL) -> int:
    """The bucket of a text, 0 <= bucket < total, by generation v2: UTF-8, unsigned hash, multiply and shift."""
    return (mmh3.mmh3_32_uintdigest(text.encode("utf-8", "surrogatepass")) * total) >> 32


def unit_bucket(salt: str, unit: str) -> int:
    """The bucket of a unit, of 1,000,000, under a rollout's salt (B2)."""
    return bucket(f"{salt}:{unit}")
