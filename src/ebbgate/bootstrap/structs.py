"""What msgspec has to know of every type, built before there are threads.

msgspec 0.22 builds it when a type is first read, and ends the process (SIGSEGV) when several threads are the first.
"""

from collections.abc import Iterator
from contextlib import suppress

import msgspec


def build_structs() -> int:
    """Build it for every Struct of ours that is imported by now; returns how many there are."""
    ours = {kind for kind in _below(msgspec.Struct) if kind.__module__.partition(".")[0] == "ebbgate"}
    for kind in ours:
        with suppress(TypeError):  # one that msgspec cannot read, so that nobody reads it
            msgspec.json.Decoder(kind)
    return len(ours)


def _below(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    subclasses: list[type[msgspec.Struct]] = kind.__subclasses__()
    for subclass in subclasses:
        yield subclass
        yield from _below(subclass)
