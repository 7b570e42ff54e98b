"""flagd's flag document as types, and its checks: a document that fails one is refused whole."""

from typing import Any, Literal

import msgspec

from ebbgate.core.errors import FlagDocumentError
from ebbgate.core.flags.bounds import check_rules, check_value

MetadataValue = str | int | float | bool


class Flag(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One flag. default_variant: None means "use the caller's default". targeting: JsonLogic as read, or None."""

    state: Literal["ENABLED", "DISABLED"]
    variants: dict[str, Any]
    default_variant: str | None = None
    targeting: dict[str, Any] | None = None
    metadata: dict[str, MetadataValue] = {}


class FlagDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A checked document. Always in object form: flags by key."""

    flags: dict[str, Flag]
    evaluators: dict[str, Any] = msgspec.field(name="$evaluators", default_factory=dict)
    metadata: dict[str, MetadataValue] = {}


class _Frame(msgspec.Struct, frozen=True, kw_only=True):
    """The document's outside. Flags are read one by one, so that an error can name the flag."""

    flags: dict[str, Any] | list[dict[str, Any]]
    evaluators: dict[str, Any] = msgspec.field(name="$evaluators", default_factory=dict)
    metadata: dict[str, MetadataValue] = {}


# Built where one thread imports them: msgspec 0.22 ends the process when several threads are the first to read a type.
_decode_frame = msgspec.json.Decoder(_Frame).decode
_FLAG_TYPE = msgspec.json.Decoder(Flag)


def parse_document(data: bytes | str | dict[str, Any]) -> FlagDocument:
    """Read and check a flag document, in object or array form. Raises FlagDocumentError with path and hint.

    What an evaluator must tolerate passes: an unknown operator or `$ref` is a PARSE_ERROR of that flag at evaluation.
    """
    frame = _read_frame(data)
    pairs = _object_pairs(frame.flags) if isinstance(frame.flags, dict) else _array_pairs(frame.flags)
    flags: dict[str, Flag] = {}
    for key, raw, path in pairs:
        if not key:
            raise FlagDocumentError("a flag has an empty key", hint="Give the flag a name.", path=path)
        if key in flags:
            raise FlagDocumentError(f"the flag {key!r} stands twice", hint="Keep one of them.", path=path)
        flags[key] = _read_flag(raw, path)
    check_rules({key: flag.targeting for key, flag in flags.items()}, frame.evaluators)
    return FlagDocument(flags=flags, evaluators=frame.evaluators, metadata=frame.metadata)


def _read_frame(data: bytes | str | dict[str, Any]) -> _Frame:
    try:
        if isinstance(data, dict):
            return msgspec.convert(data, _Frame)
        return _decode_frame(data)
    except msgspec.ValidationError as error:
        message, path = _split(error)
        raise FlagDocumentError(message, hint=_FRAME_HINT, path=path) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise FlagDocumentError(f"the document is not JSON: {error}", hint="Check it with a JSON linter.") from None
    except RecursionError:
        raise FlagDocumentError("the document is nested too deeply", hint="Flatten its rules.") from None


_FRAME_HINT = 'A document is {"flags": {...}}, with "$evaluators" and "metadata" beside it where needed.'


def _object_pairs(flags: dict[str, Any]) -> list[tuple[str, Any, str]]:
    return [(key, raw, f"$.flags.{key}") for key, raw in flags.items()]


def _array_pairs(flags: list[dict[str, Any]]) -> list[tuple[str, Any, str]]:
    pairs = []
    for index, raw in enumerate(flags):
        key = raw.get("key")
        path = f"$.flags[{index}]"
        if not isinstance(key, str):
            raise FlagDocumentError("a flag of the array has no key", hint='Add "key": "name".', path=path)
        pairs.append((key, raw, path))
    return pairs


def _read_flag(raw: Any, path: str) -> Flag:
    try:
        flag = msgspec.convert(raw, Flag)
    except msgspec.ValidationError as error:
        message, inner = _split(error)
        raise FlagDocumentError(message, hint=_hint_for(inner), path=path + inner[1:]) from None
    except UnicodeEncodeError as error:  # half a character, which no JSON text can hold
        raise FlagDocumentError(f"a text is no Unicode: {error}", hint="Write the text anew.", path=path) from None
    _check_variants(flag.variants, path)
    if flag.default_variant == "":
        flag = msgspec.structs.replace(flag, default_variant=None)
    if flag.default_variant is not None and flag.default_variant not in flag.variants:
        raise FlagDocumentError(
            f"defaultVariant {flag.default_variant!r} is none of the variants {', '.join(map(repr, flag.variants))}",
            hint="Name one of the variants, or leave it out to use the caller's default.",
            path=f"{path}.defaultVariant",
        )
    return msgspec.structs.replace(flag, targeting=None) if flag.targeting == {} else flag


def _hint_for(inner: str) -> str:
    if inner.startswith("$.state"):
        return "state is ENABLED or DISABLED."
    if inner.startswith("$.metadata"):
        return "Metadata values are text, numbers or booleans."
    if inner.startswith("$.targeting"):
        return "targeting is one JsonLogic object, or left out."
    return "A flag has state, variants, and perhaps defaultVariant, targeting and metadata."


def _check_variants(variants: dict[str, Any], path: str) -> None:
    if not variants:
        raise FlagDocumentError("a flag has no variants", hint="Add at least one.", path=f"{path}.variants")
    if "" in variants:
        raise FlagDocumentError("a variant has an empty name", hint="Give it a name.", path=f"{path}.variants")
    kinds = {name: variant_kind(value) for name, value in variants.items()}
    for name, kind in kinds.items():
        if kind is None:
            raise FlagDocumentError(
                f"variant {name!r} is neither boolean, text, number nor object",
                hint="Wrap arrays in an object; null is no value.",
                path=f"{path}.variants.{name}",
            )
        check_value(variants[name], f"{path}.variants.{name}")
    if len(set(kinds.values())) > 1:
        listed = ", ".join(f"{name} is {kind}" for name, kind in kinds.items())
        raise FlagDocumentError(
            f"variants are of different types: {listed}", hint="Give all one type.", path=f"{path}.variants"
        )


def variant_kind(value: Any) -> Literal["boolean", "string", "number", "object"] | None:
    """The type of a variant's value, or None where it may not be one."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "object" if isinstance(value, dict) else None


def _split(error: msgspec.ValidationError) -> tuple[str, str]:
    """The message and the path of a msgspec error."""
    message, _, path = str(error).partition(" - at `")
    return message, path.rstrip("`") or "$"
