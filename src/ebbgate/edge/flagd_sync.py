"""The flag document for other evaluators of flagd's format: which part of it, and over HTTP (flags.md section 3)."""

from http import HTTPStatus
from typing import Any

import msgspec

from ebbgate.edge.generations import ClientGenerations
from ebbgate.edge.guard import Grant, Guard
from ebbgate.edge.http import Answer, Receive, Scope, Send, give, is_match, query
from ebbgate.edge.selection import Selection, Selections
from ebbgate.edge.served import Served, etag_of

_KEPT_MAX = 100  # selections kept for each snapshot; more are made anew each time


class FlagdDocuments:
    """The documents that consumers get. One that asks for nothing gets the whole document of its environment."""

    def __init__(self, guard: Guard, selections: Selections, generations: ClientGenerations) -> None:
        self._guard = guard
        self._selections = selections
        self._generations = generations

    def selection(self, scope: Scope, grant: Grant, *, selector: str) -> Selection:
        """What a request is about. selector: where its header names none. Raises as `Selections.of` does."""
        selection = self._selections.of(scope, grant, otherwise=selector)
        self._generations.look(scope, grant, selection.served)
        return selection

    async def get(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """GET /flagd/v1/flags. The selector is in the header Flagd-Selector, or in the query."""
        grant = self._guard.admit(scope, "read_snapshot")
        data = document_of(self.selection(scope, grant, selector=query(scope).get("selector", "")))
        etag = etag_of(data)
        headers = [(b"etag", etag), (b"vary", b"flagd-selector")]
        if is_match(scope, etag):
            await give(send, Answer(HTTPStatus.NOT_MODIFIED, headers=headers))
        else:
            await give(send, Answer(HTTPStatus.OK, data, headers=headers))


def document_of(selection: Selection) -> bytes:
    """The flagd document with the flags that are asked for, as JSON; the same bytes for the same flags."""
    served, wanted = selection
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
    keys = served.flag_sets.get(wanted, frozenset())
    flags = document["flags"]
    if isinstance(flags, dict):
        document["flags"] = {key: flag for key, flag in flags.items() if key in keys}
    else:
        document["flags"] = [flag for flag in flags if flag["key"] in keys]
    return msgspec.json.encode(document)
