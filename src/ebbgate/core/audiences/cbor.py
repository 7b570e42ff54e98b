"""RFC 8949 deterministic CBOR of a JSON value, as bucketing generation v3 hashes it (flags.md section 1)."""

import struct
from math import isnan
from typing import Any


def encode(value: Any) -> bytes:
    """The bytes of a value: text, booleans, null, numbers, lists, and mappings with text keys.

    A float without a fraction in [-2^63, 2^64 - 1] counts as an integer; others take the shortest exact width.
    Raises TypeError for anything that is not JSON, and OverflowError for integers outside 64 bits.
    """
    if value is None:
        return b"\xf6"
    if value is True:
        return b"\xf5"
    if value is False:
        return b"\xf4"
    if isinstance(value, str):
        data = utf8(value)
        return _head(3, len(data)) + data
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, list | tuple):
        return _head(4, len(value)) + b"".join(map(encode, value))
    if isinstance(value, dict):
        return _mapping(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def utf8(text: str) -> bytes:
    """UTF-8; a lone surrogate becomes U+FFFD, as in JavaScript and Go."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _head(major: int, argument: int) -> bytes:
    """The initial byte and its argument in the shortest form."""
    if argument < 24:
        return bytes((major << 5 | argument,))
    for width, code in ((1, "B"), (2, "H"), (4, "I"), (8, "Q")):
        if argument < 1 << (8 * width):
            return bytes((major << 5 | 24 + (width.bit_length() - 1),)) + struct.pack(f">{code}", argument)
    raise OverflowError("an integer outside 64 bits")


def _integer(value: int) -> bytes:
    return _head(0, value) if value >= 0 else _head(1, -1 - value)


def _float(value: float) -> bytes:
    if isnan(value):
        return b"\xf9\x7e\x00"
    if -(2.0**63) <= value < 2.0**64 and value.is_integer():
        return _integer(int(value))
    for head, code in ((0xF9, ">e"), (0xFA, ">f")):
        try:
            packed = struct.pack(code, value)
        except OverflowError:
            continue
        if struct.unpack(code, packed)[0] == value:
            return bytes((head,)) + packed
    return b"\xfb" + struct.pack(">d", value)


def _mapping(value: dict[Any, Any]) -> bytes:
    if not all(isinstance(key, str) for key in value):
        raise TypeError("a mapping with keys that are not text")
    pairs = sorted((encode(key), encode(item)) for key, item in value.items())
    return _head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
