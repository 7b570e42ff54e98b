"""flagd's flag document as types, and its checks: a document that fails one is refused whole."""

from typing import Any, Literal

import msgspec

MetadataValue = str | int | float | bool


class Flag(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One flag. default_variant: None means "use the caller's default". targeting: JsonLogic as it was read, or None."""

    state: Literal["ENABLED", "DISABLED"]
    variants: dict[str, Any]
    default_variant: str | None = None
    targeting: Any = None
    metadata: dict[str, MetadataValue] = {}


class FlagDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A checked document. Always in object form: flags by key."""

    flags: dict[str, Flag]
    evaluators: dict[str, Any] = msgspec.field(name="$evaluators", default_factory=dict)
    metadata: dict[str, MetadataValue] = {}


def parse_document(data: bytes | str | dict[str, Any]) -> FlagDocument:
    """Read and check a flag document, in object or array form. Raises FlagDocumentError with path and hint."""
    raise NotImplementedError
