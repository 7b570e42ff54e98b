"""Which flags a consumer asks for: flagd's selector syntax (flags.md section 3), as a value and a test."""

from typing import Any, Literal

import msgspec

from ebbgate.core.errors import FlagDocumentError
from ebbgate.core.flags.document import Flag, FlagDocument


class Selector(msgspec.Struct, frozen=True, kw_only=True):
    """by: what is compared; None selects everything. value: "" with `flag_set_id` means flags without a flag set."""

    by: Literal["flag_set_id", "source"] | None = None
    value: str = ""


def parse_selector(text: str | None) -> Selector:
    """`flagSetId=x`, `flagSetId=`, `source=x`, or a bare value, which is a source. None and "" select everything.

    Raises FlagDocumentError for any other key and for an empty source: over gRPC that is INVALID_ARGUMENT.
    """
    if not text or not text.strip():
        return Selector()
    key, is_pair, value = (part.strip() for part in text.partition("="))
    if not is_pair:
        return Selector(by="source", value=key)
    if key == "flagSetId":
        return Selector(by="flag_set_id", value=value)
    if key == "source" and value:
        return Selector(by="source", value=value)
    raise FlagDocumentError(f"the selector {text!r} is not understood", hint="Use flagSetId=NAME or source=NAME.")


def flag_set_of(document: FlagDocument, flag_key: str) -> str:
    """The flag's set: its own metadata's, else the document's; "" for none."""
    own = document.flags[flag_key].metadata.get("flagSetId")
    return str(document.metadata.get("flagSetId", "") if own is None else own)


def select(document: FlagDocument, selector: Selector, *, source: str = "") -> FlagDocument:
    """The document with only the selected flags. source: the name of where it came from."""
    if selector.by is None or (selector.by == "source" and selector.value == source):
        return document
    flags = (
        {}
        if selector.by == "source"
        else {key: flag for key, flag in document.flags.items() if flag_set_of(document, key) == selector.value}
    )
    return msgspec.structs.replace(document, flags=flags)


def merge_documents(documents: list[FlagDocument]) -> FlagDocument:
    """Several documents as one, later ones winning, as flagd merges its sources.

    Each flag keeps the metadata of the document that it came from, and its rule the evaluators of that document: where
    two documents define one name differently, the later document's rules read theirs under another name.
    """
    if len(documents) == 1:
        return documents[0]
    flags: dict[str, Flag] = {}
    evaluators: dict[str, Any] = {}
    for number, document in enumerate(documents):
        clashes = any(evaluators.get(name, rule) != rule for name, rule in document.evaluators.items())
        # All or none: a rule that is the same in both may refer to one that is not.
        renamed = {name: f"{name}#{number}" for name in document.evaluators} if clashes else {}
        evaluators.update(
            {renamed.get(name, name): _with_names(rule, renamed) for name, rule in document.evaluators.items()}
        )
        for key, flag in document.flags.items():
            flags[key] = msgspec.structs.replace(
                flag,
                metadata={**document.metadata, **flag.metadata},
                targeting=_with_names(flag.targeting, renamed),
            )
    return FlagDocument(flags=flags, evaluators=evaluators)


def _with_names(rule: Any, renamed: dict[str, str]) -> Any:
    """The rule with its references renamed. Rules are bounded in depth."""
    if not renamed:
        return rule
    if isinstance(rule, list):
        return [_with_names(item, renamed) for item in rule]
    if not isinstance(rule, dict):
        return rule
    if len(rule) == 1 and isinstance(name := rule.get("$ref"), str):
        return {"$ref": renamed.get(name, name)}
    return {key: _with_names(item, renamed) for key, item in rule.items()}
