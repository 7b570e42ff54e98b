"""flagd's schema as checks with paths: everything that its JSON schemas refuse, each finding said for a person.

Stricter than `parse_document`, which takes what an evaluator must bear: control asks it of everything that people
write. Source: flags.md section 1, the schema samples of open-feature/flagd-schemas.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from ebbgate.core.audiences.coercion import SAFE_INTEGER
from ebbgate.core.errors import FlagDocumentError
from ebbgate.core.flags.document import variant_kind
from ebbgate.core.flags.schema_targeting import check_targeting

Form = Literal["flags", "flagd"]
"""flags: what in-process providers read, flags by key. flagd: what the daemon reads, an array of flags as well."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the schema refuses. path: JSON path from the document's root."""

    path: str
    message: str


def check_document(document: Any, *, form: Form = "flagd") -> list[Finding]:
    """All findings in a decoded document, in its order; none if the schema accepts it. Raises nothing."""
    return [Finding(path=path, message=message) for path, message in _document(document, form)]


def require_valid(document: Any) -> None:
    """Raises FlagDocumentError with the path of the first finding, and how many more there are."""
    found = check_document(document)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise FlagDocumentError(
            f"{found[0].message}{more}", hint="Write it as flagd's schema has it.", path=found[0].path
        )


def check_rule(rule: Any) -> list[Finding]:
    """All findings in one `targeting`, with paths from the rule's root."""
    return [Finding(path=path, message=message) for path, message in check_targeting(rule, "$")]


_Findings = Iterator[tuple[str, str]]


def _document(document: Any, form: Form) -> _Findings:
    if not isinstance(document, dict):
        yield "$", "a document is an object"
        return
    yield from _flags(document.get("flags"), form)
    evaluators = document.get("$evaluators", {})
    if isinstance(evaluators, dict):
        for name, rule in evaluators.items():
            path = f"$.$evaluators.{name}"
            if not name:
                yield path, "an evaluator has an empty name"
            yield from check_targeting(rule, path)
    else:
        yield "$.$evaluators", "$evaluators is an object of rules by name"
    yield from _metadata(document.get("metadata", {}), "$.metadata")


def _flags(flags: Any, form: Form) -> _Findings:
    if isinstance(flags, dict):
        for key, flag in flags.items():
            if not key:
                yield "$.flags", "a flag has an empty key"
            yield from _flag(flag, f"$.flags.{key}")
    elif isinstance(flags, list) and form == "flagd":
        seen = set()
        for index, flag in enumerate(flags):
            path = f"$.flags[{index}]"
            key = flag.get("key") if isinstance(flag, dict) else None
            if not isinstance(key, str) or not key:
                yield f"{path}.key", "a flag of an array has a key, a text that is not empty"
            elif key in seen:
                yield f"{path}.key", f"the flag {key!r} stands twice"
            else:
                seen.add(key)
            yield from _flag(flag, path)
    elif flags is None:
        yield "$.flags", "flags is required"
    else:
        yield "$.flags", "flags is an object of flags by key" + (", or an array" if form == "flagd" else "")


def _flag(flag: Any, path: str) -> _Findings:
    if not isinstance(flag, dict):
        yield path, "a flag is an object"
        return
    if flag.get("state") not in ("ENABLED", "DISABLED"):
        yield f"{path}.state", "state is ENABLED or DISABLED"
    variants = flag.get("variants")
    yield from _variants(variants, f"{path}.variants")
    default = flag.get("defaultVariant")
    if default is not None and not isinstance(default, str):
        yield f"{path}.defaultVariant", "defaultVariant is a text, null, or left out"
    elif default and isinstance(variants, dict) and default not in variants:
        yield f"{path}.defaultVariant", f"defaultVariant {default!r} is none of the variants"
    if "targeting" in flag:
        yield from check_targeting(flag["targeting"], f"{path}.targeting")
    yield from _metadata(flag.get("metadata", {}), f"{path}.metadata")


def _variants(variants: Any, path: str) -> _Findings:
    if not isinstance(variants, dict) or not variants:
        yield path, "variants is an object with at least one variant"
        return
    kinds = {}
    for name, value in variants.items():
        if not name:
            yield path, "a variant has an empty name"
        kind = variant_kind(value)
        if kind is None:
            yield f"{path}.{name}", "a variant is boolean, text, number or object"
        elif kind == "number" and not abs(value) <= SAFE_INTEGER:
            yield f"{path}.{name}", "a number lies within +-(2^53 - 1)"
        kinds[name] = kind
    if len(set(kinds.values())) > 1:
        listed = ", ".join(f"{name} is {kind}" for name, kind in kinds.items())
        yield path, f"variants are of one type: {listed}"


def _metadata(metadata: Any, path: str) -> _Findings:
    if not isinstance(metadata, dict):
        yield path, "metadata is an object"
        return
    for name, value in metadata.items():
        if not isinstance(value, str | int | float):
            yield f"{path}.{name}", "a metadata value is a text, a number or a boolean"
        elif name in ("flagSetId", "version") and path == "$.metadata" and not isinstance(value, str):
            yield f"{path}.{name}", f"{name} is a text"
