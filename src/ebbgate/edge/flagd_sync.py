"""The flag document for other evaluators of flagd's format: which part of it, and over HTTP (flags.md section 3)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from ebbgate.core.errors import BadRequestError
from ebbgate.edge.generations import ClientGenerations
from ebbgate.edge.guard import Grant, Guard
from ebbgate.edge.http import Answer, Receive, Scope, Send, give, header, is_match, query
from ebbgate.edge.served import Served, ServedSnapshots, etag_of

_SET = "flagSetId"
_SOURCE = "source"
_KEPT_MAX = 100  # selections kept for each snapshot; more are made anew each time


class Selector(msgspec.Struct, frozen=True, kw_only=True):
    """What a consumer asks for. source: an environment. flag_set: "" = flags without a set. None: all there are."""

    source: str | None = None
    flag_set: str | None = None


def parse_selector(text: str) -> Selector:
    """`flagSetId=x`, `source=x`, both with a comma, or a bare source. Raises BadRequestError."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, is_pair, value = part.partition("=")
        if not is_pair:
            key, value = _SOURCE, part
        if key not in (_SET, _SOURCE) or key in found:
            raise BadRequestError(
                f"the selector {text[:200]!r} cannot be read",
                hint="Write flagSetId=<id>, source=<environment>, or both with a comma between.",
            )
        found[key] = value
    return Selector(source=found.get(_SOURCE) or None, flag_set=found.get(_SET))


class FlagdDocuments:
    """The documents that consumers get. One that asks for nothing gets the whole document of its environment."""

    def __init__(self, guard: Guard, snapshots: ServedSnapshots, generations: ClientGenerations) -> None:
        self._guard = guard
        self._snapshots = snapshots
        self._generations = generations

    def served(self, selector: Selector, scope: Scope, grant: Grant) -> Served:
        """The snapshot that a request is about. Raises NotFoundError, NotReadyError, PermissionDeniedError."""
        if selector.source is not None:
            served = self._snapshots.get(self._guard.environment_of(selector.source, grant))
        else:
            served = self._snapshots.get(self._guard.environment(scope, grant))
        self._generations.look(scope, grant, served)
        return served

    async def get(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """GET /flagd/v1/flags. The selector is in the header Flagd-Selector, or in the query."""
        grant = self._guard.admit(scope, "read_snapshot")
        asked = header(scope, b"flagd-selector")
        text = asked.decode("latin-1") if asked is not None else query(scope).get("selector", "")
        selector = parse_selector(text)
        data = document_of(self.served(selector, scope, grant), selector)
        etag = etag_of(data)
        headers = [(b"etag", etag), (b"vary", b"flagd-selector")]
        if is_match(scope, etag):
            await give(send, Answer(HTTPStatus.NOT_MODIFIED, headers=headers))
        else:
            await give(send, Answer(HTTPStatus.OK, data, headers=headers))


def document_of(served: Served, selector: Selector) -> bytes:
    """The flagd document with the flags that are asked for, as JSON; the same bytes for the same flags."""
    wanted = selector.flag_set
    if wanted is None:
        return served.document
    data = served.selected.get(wanted)
    if data is None:
        data = _selection(served, wanted)
        if len(served.selected) < _KEPT_MAX:
            served.selected[wanted] = data
    return data


def _selection(served: Served, wanted: str) -> bytes:
    document: dict[str, Any] = msgspec.json.decode(served.document)
    of_all = (document.get("metadata") or {}).get(_SET, served.flag_set)
    flags = document["flags"]
    if isinstance(flags, dict):
        document["flags"] = {key: flag for key, flag in flags.items() if _set_of(flag, of_all) == wanted}
    else:
        document["flags"] = [flag for flag in flags if _set_of(flag, of_all) == wanted]
    return msgspec.json.encode(document)


def _set_of(flag: Mapping[str, Any], of_all: str) -> str:
    """The flag's set: its own, or else the document's."""
    return str((flag.get("metadata") or {}).get(_SET, of_all))
