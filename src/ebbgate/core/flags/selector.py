"""Which flags a consumer asks for: flagd's selector syntax (flags.md section 3). And several documents as one."""

from typing import Any

import msgspec

from ebbgate.core.errors import BadRequestError
from ebbgate.core.flags.document import Flag, FlagDocument

_SET, _SOURCE = "flagSetId", "source"


class Selector(msgspec.Struct, frozen=True, kw_only=True):
    """What a consumer asks for. source: an environment. flag_set: "" = flags without a set. None: all there are."""

    source: str | None = None
    flag_set: str | None = None


class SelectorError(BadRequestError):
    """A selector cannot be read."""


_ALL = Selector()


def parse_selector(text: str) -> Selector:
    """`flagSetId=x`, `flagSetId=`, `source=x`, or a bare value, which is a source. Ours: both with a comma between.

    Nothing selects everything. Raises SelectorError for any other key, for one that comes twice, for an empty source.
    """
    if not text:
        return _ALL
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, is_pair, value = (piece.strip() for piece in part.partition("="))
        if not is_pair:
            key, value = _SOURCE, key
        if key not in (_SET, _SOURCE) or key in found or (key == _SOURCE and not value):
            raise SelectorError(
                f"the selector {text[:200]!r} cannot be read",
                hint="Write flagSetId=<id>, source=<environment>, or both with a comma between.",
            )
        found[key] = value
    return Selector(source=found.get(_SOURCE), flag_set=found.get(_SET))


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
