"""The flags of a document, each on its own: references resolved, the document's metadata in each."""

from collections.abc import Collection
from typing import Any

from ebbgate.core.errors import FlagDocumentError
from ebbgate.core.flags.document import parse_document
from ebbgate.core.flags.schema import require_valid


def standalone_flags(
    document: dict[str, Any], *, environments: Collection[str], flag_set: str | None = None
) -> dict[str, dict[str, Any]]:
    """By key, each flag as it would be written alone, with the same answers. Raises FlagDocumentError for the whole.

    flag_set: take the flags of this one only, by their own `flagSetId` or else the document's.
    `$ref`s become what they stand for, at their places; an unknown one stays, as it is an error of its flag at
    evaluation. Metadata of the document goes into each flag below its own, but for `version`, and for a `flagSetId`
    that names one of the environments: each environment has its own of both.
    """
    document = {**document, "flags": _of_set(document, flag_set)}
    parse_document(document)
    require_valid(document)
    flags, evaluators = document["flags"], document.get("$evaluators") or {}
    shared = {name: value for name, value in (document.get("metadata") or {}).items() if name != "version"}
    if shared.get("flagSetId") in environments:
        del shared["flagSetId"]
    pairs = flags.items() if isinstance(flags, dict) else ((flag["key"], flag) for flag in flags)
    return {key: _standalone(flag, evaluators, shared) for key, flag in pairs}


def _of_set(document: dict[str, Any], flag_set: str | None) -> Any:
    """The flags of one set. Several sets may share a key in the array form, but no environment can hold them both."""
    flags = document.get("flags")
    pairs = _pairs(flags)
    if pairs is None:
        return flags  # the document's own check says what is wrong with it
    shared = _set_of(document)
    sets: dict[str, list[str]] = {}
    for key, flag in pairs:
        sets.setdefault(key, []).append(_set_of(flag) or shared)
    if flag_set is not None:
        if all(flag_set not in found for found in sets.values()):
            names = sorted({name for found in sets.values() for name in found if name})
            raise FlagDocumentError(
                f"no flag of the document is in flag set {flag_set!r}",
                hint=f"flag sets in it: {', '.join(names) or 'none'}",
                path="$.flags",
            )
        if isinstance(flags, dict):
            return {key: flag for key, flag in pairs if (_set_of(flag) or shared) == flag_set}
        return [flag for _, flag in pairs if (_set_of(flag) or shared) == flag_set]
    for key, found in sets.items():
        if len(set(found)) > 1:
            named = ", ".join(repr(name) for name in sorted(set(found)))
            raise FlagDocumentError(
                f"the flag {key!r} is in several flag sets: {named}",
                hint="import one set into one environment: choose it with --flag-set (`flag_set` in the API)",
                path="$.flags",
            )
    return flags


def _pairs(flags: Any) -> list[tuple[str, Any]] | None:
    if isinstance(flags, dict):
        return list(flags.items())
    if isinstance(flags, list) and all(isinstance(flag, dict) and isinstance(flag.get("key"), str) for flag in flags):
        return [(flag["key"], flag) for flag in flags]
    return None


def _set_of(holder: Any) -> str:
    """The `flagSetId` of a flag's or a document's own metadata, empty without one."""
    metadata = holder.get("metadata") if isinstance(holder, dict) else None
    found = metadata.get("flagSetId") if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else ""


def _standalone(flag: dict[str, Any], evaluators: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    alone = {name: value for name, value in flag.items() if name != "key"}
    if alone.get("targeting"):
        alone["targeting"] = _resolved(alone["targeting"], evaluators)
    if metadata := {**shared, **(alone.get("metadata") or {})}:
        alone["metadata"] = metadata
    return alone


def _resolved(rule: Any, evaluators: dict[str, Any]) -> Any:
    """The document's checks bound depth and size with references counted as what they stand for: no circle here."""
    if isinstance(rule, list):
        return [_resolved(item, evaluators) for item in rule]
    if not isinstance(rule, dict):
        return rule
    name = rule.get("$ref") if len(rule) == 1 else None
    if isinstance(name, str) and name in evaluators:
        return _resolved(evaluators[name], evaluators)
    return {operator: _resolved(argument, evaluators) for operator, argument in rule.items()}
