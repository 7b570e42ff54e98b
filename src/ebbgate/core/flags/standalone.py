"""The flags of a document, each on its own: references resolved, the document's metadata in each."""

from collections.abc import Collection
from typing import Any

from ebbgate.core.flags.document import parse_document


def standalone_flags(document: dict[str, Any], *, environments: Collection[str]) -> dict[str, dict[str, Any]]:
    """By key, each flag as it would be written alone, with the same answers. Raises FlagDocumentError for the whole.

    `$ref`s become what they stand for, at their places; an unknown one stays, as it is an error of its flag at
    evaluation. Metadata of the document goes into each flag below its own, but for `version`, and for a `flagSetId`
    that names one of the environments: each environment has its own of both.
    """
    parse_document(document)
    flags, evaluators = document["flags"], document.get("$evaluators") or {}
    shared = {name: value for name, value in (document.get("metadata") or {}).items() if name != "version"}
    if shared.get("flagSetId") in environments:
        del shared["flagSetId"]
    pairs = flags.items() if isinstance(flags, dict) else ((flag["key"], flag) for flag in flags)
    return {key: _standalone(flag, evaluators, shared) for key, flag in pairs}


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
