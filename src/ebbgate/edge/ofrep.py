"""OFREP 0.3.0: flags evaluated for one context, one by one or all at once."""

from http import HTTPStatus
from typing import Any

import msgspec

from ebbgate.core.flags.details import EvaluationDetails
from ebbgate.core.flags.selector import SelectorError
from ebbgate.edge.event_streams import EventStreams
from ebbgate.edge.exposures import ExposureRecorder
from ebbgate.edge.guard import Grant, Guard
from ebbgate.edge.http import Answer, Receive, Scope, Send, give, is_match, read_body
from ebbgate.edge.metrics import EdgeMetrics
from ebbgate.edge.selection import Selection, Selections
from ebbgate.edge.served import Served, ServedSnapshots, etag_of
from ebbgate.edge.settings import EdgeSettings

_UNSAID = "the flag cannot be evaluated"
_STATUS = {"FLAG_NOT_FOUND": HTTPStatus.NOT_FOUND}  # every other error code is 400


class _Request(msgspec.Struct):
    context: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Request).decode
_encode = msgspec.json.Encoder().encode


class Unreadable(Exception):
    """A body or a selector that is no OFREP request. code: the one that OFREP has for it."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(details)
        self.code = code


class OfrepService:
    """Both OFREP endpoints. Lenient as flagd is: no body, no context and no targeting key are all fine."""

    def __init__(
        self,
        settings: EdgeSettings,
        guard: Guard,
        snapshots: ServedSnapshots,
        selections: Selections,
        exposures: ExposureRecorder,
        event_streams: EventStreams,
        metrics: EdgeMetrics,
    ) -> None:
        self._limit = settings.ofrep_bytes_max
        self._guard = guard
        self._snapshots = snapshots
        self._selections = selections
        self._exposures = exposures
        self._event_streams = event_streams
        self._metrics = metrics

    async def single(self, scope: Scope, receive: Receive, send: Send, key: str) -> None:
        """POST /ofrep/v1/evaluate/flags/{key}; `key` is percent-decoded."""
        grant = self._guard.admit(scope, "evaluate")
        body = await read_body(scope, receive, self._limit)
        try:
            selection = self._selection(scope, grant)
            context = context_of(body)
        except Unreadable as error:
            failure = {"key": key, "errorCode": error.code, "errorDetails": str(error)}
            await give(send, Answer(HTTPStatus.BAD_REQUEST, _encode(failure)))
            return
        served = selection.served
        details = selection.evaluate(key, context, None, self._snapshots.timestamp)
        self.note(served, grant, key, details, context)
        answer = served.answers.get((key, details.variant, details.reason))
        if answer is None:
            answer = _answer(served, key, details, grant)
        await send(answer.start)
        await send(answer.body)

    async def bulk(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST /ofrep/v1/evaluate/flags. The tag is of the answer's bytes, as time alone can change what rules say."""
        grant = self._guard.admit(scope, "evaluate")
        body = await read_body(scope, receive, self._limit)
        try:
            selection = self._selection(scope, grant)
            context = context_of(body)
        except Unreadable as error:
            failure = {"errorCode": error.code, "errorDetails": str(error)}
            await give(send, Answer(HTTPStatus.BAD_REQUEST, _encode(failure)))
            return
        served = selection.served
        flags = []
        for key, details in selection.evaluate_all(context, self._snapshots.timestamp).items():
            self.note(served, grant, key, details, context)
            answer = served.answers.get((key, details.variant, details.reason)) or _answer(served, key, details, grant)
            flags.append(answer.raw)
        bulk: dict[str, Any] = {"flags": flags, "eventStreams": self._event_streams.offer(grant, served.environment)}
        if served.metadata:
            bulk["metadata"] = served.metadata
        data = _encode(bulk)
        etag = etag_of(data)
        if is_match(scope, etag):
            await give(send, Answer(HTTPStatus.NOT_MODIFIED, headers=[(b"etag", etag)]))
        else:
            await give(send, Answer(HTTPStatus.OK, data, headers=[(b"etag", etag)]))

    def _selection(self, scope: Scope, grant: Grant) -> Selection:
        """Raises Unreadable, as flagd answers for its selector, and otherwise as `Selections.of` does."""
        try:
            return self._selections.of(scope, grant)
        except SelectorError as error:
            raise Unreadable("GENERAL", f"{error.message}. {error.hint}") from error

    def note(
        self, served: Served, grant: Grant, key: str, details: EvaluationDetails, context: dict[str, Any] | None
    ) -> None:
        """Count an evaluation, and record the exposure where the flag is under rollout.

        One that failed got the caller's default, and silence about that is named, too. A key that is no flag is not
        counted for a client token: that is public, and with it anybody may ask for anything.
        """
        usage = grant.usage
        if details.error_code == "FLAG_NOT_FOUND":
            if grant.token.kind != "client" and key not in served.own:  # else of a flag set that was not selected
                usage.count_unknown(key)
            return
        unit = context.get("targetingKey") if context else None
        is_keyed = isinstance(unit, str) and unit != ""
        if served.is_stale:
            self._metrics.stale_evaluations.labels(served.environment).inc()
        usage.count(key, details.variant, served.version, is_keyless=not is_keyed)
        is_leased = key in served.leases
        for name in served.attributes.get(key, ()):
            if context is None or name not in context:
                usage.count_missing(key, name, is_leased=is_leased)
        if is_leased and is_keyed and details.variant is not None:
            assert isinstance(unit, str)
            self._exposures.record(served, key, details.variant, unit)


def context_of(body: bytes) -> dict[str, Any] | None:
    """The context of a request's body. Raises Unreadable."""
    if not body:
        return None
    try:
        return _decode(body).context
    except msgspec.ValidationError as error:
        code = "INVALID_CONTEXT" if "$.context" in str(error) else "PARSE_ERROR"
        raise Unreadable(code, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable("PARSE_ERROR", f"the body is not JSON: {error}") from error


def _answer(served: Served, key: str, details: EvaluationDetails, grant: Grant) -> Answer:
    """The answer to one evaluation; a success is kept, as it depends on flag, variant and reason alone.

    What went wrong inside a rule is not for everybody who holds a page's token: it tells of the rule. Details there are
    always: OFREP leaves them free, yet the provider for Python fails itself where they are missing.
    """
    if details.error_code is not None:
        may_know = grant.token.kind != "client" or details.error_code == "FLAG_NOT_FOUND"
        said = details.error_message if may_know and details.error_message else _UNSAID
        failure: dict[str, Any] = {"key": key, "errorCode": details.error_code, "errorDetails": said}
        if details.metadata:
            failure["metadata"] = details.metadata
        return Answer(_STATUS.get(details.error_code, HTTPStatus.BAD_REQUEST), _encode(failure))
    success: dict[str, Any] = {"key": key, "reason": details.reason}
    if details.variant is not None:
        success |= {"value": details.value, "variant": details.variant}
    if details.metadata:
        success["metadata"] = details.metadata
    answer = Answer(HTTPStatus.OK, _encode(success))
    served.answers[(key, details.variant, details.reason)] = answer
    return answer
