"""`flagd.evaluation.v1` and `.v2`: flags evaluated here, for providers that ask over gRPC."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from ebbgate.core.audiences.coercion import bounded
from ebbgate.core.errors import EbbgateError
from ebbgate.core.flags.details import EvaluationDetails, ValueType
from ebbgate.edge.changes import Changes
from ebbgate.edge.grpc.calls import Call, Door, refuse
from ebbgate.edge.grpc.messages import VALUE_TYPES, Message, fill, message, plain
from ebbgate.edge.guard import Grant, Guard
from ebbgate.edge.ofrep import OfrepService
from ebbgate.edge.proof import ProofBook
from ebbgate.edge.selection import Selection, Selections
from ebbgate.edge.served import ServedSnapshots

_EXPECTED: dict[str, ValueType] = {
    "Boolean": "boolean", "String": "string", "Int": "integer", "Float": "float", "Object": "object",
}  # fmt: skip
_STATUS = {
    "FLAG_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "TYPE_MISMATCH": grpc.StatusCode.INVALID_ARGUMENT,
    "PARSE_ERROR": grpc.StatusCode.DATA_LOSS,
    "GENERAL": grpc.StatusCode.UNKNOWN,
}


class EvaluationService:
    """One version of the service; both answer alike. What is evaluated is recorded as over OFREP (RULES C2)."""

    def __init__(
        self,
        package: str,
        *,
        door: Door,
        guard: Guard,
        snapshots: ServedSnapshots,
        selections: Selections,
        ofrep: OfrepService,
        changes: Changes,
        proofs: ProofBook,
    ) -> None:
        self._package = package
        self._door = door
        self._guard = guard
        self._snapshots = snapshots
        self._selections = selections
        self._ofrep = ofrep
        self._changes = changes
        self._proofs = proofs

    def handler(self) -> Any:
        """For the server."""
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        methods: dict[str, Any] = {f"Resolve{name}": unary(self._resolver(name), **self._codec(f"Resolve{name}"))
                                   for name in VALUE_TYPES}  # fmt: skip
        methods["ResolveAll"] = unary(self.resolve_all, **self._codec("ResolveAll"))
        methods["EventStream"] = stream(self.event_stream, **self._codec("EventStream"))
        return grpc.method_handlers_generic_handler(f"{self._package}.Service", methods)

    def _codec(self, method: str) -> dict[str, Any]:
        return {
            "request_deserializer": message(f"{self._package}.{method}Request").FromString,
            "response_serializer": message(f"{self._package}.{method}Response").SerializeToString,
        }

    def _resolver(self, name: str) -> Callable[[Message, Call], Awaitable[Message]]:
        """The method that resolves flags of that type."""
        answer_type = message(f"{self._package}.Resolve{name}Response")
        expected = _EXPECTED[name]

        async def resolve(request: Message, call: Call) -> Message:
            try:
                grant, selection = self._admit(call)
            except EbbgateError as error:
                await refuse(call, error)
            key, context = request.flag_key, plain(request.context)
            details = selection.evaluate(key, context, expected, self._snapshots.timestamp)
            self._ofrep.note(selection.served, grant, key, details, context)
            if details.error_code is not None:
                await call.abort(_STATUS[details.error_code], details.error_code)
            answer = answer_type()
            if details.variant is not None:
                if expected == "object":
                    fill(answer.value, details.value)
                else:
                    answer.value = details.value
            _describe(answer, details)
            return answer

        return resolve

    async def resolve_all(self, request: Message, call: Call) -> Message:
        """Every flag that can be evaluated; the value's type is the flag's."""
        try:
            grant, selection = self._admit(call)
        except EbbgateError as error:
            await refuse(call, error)
        context = plain(request.context)
        answer = message(f"{self._package}.ResolveAllResponse")()
        for key, details in selection.evaluate_all(context, self._snapshots.timestamp).items():
            self._ofrep.note(selection.served, grant, key, details, context)
            if details.error_code is None:
                flag = answer.flags[key]
                _put_any(flag, details)
                _describe(flag, details)
        fill(answer.metadata, selection.served.metadata)
        return answer

    async def event_stream(self, _request: Message, call: Call) -> AsyncIterator[Message]:
        """`provider_ready` at once, then `configuration_change` with the flags that a cache must forget."""
        answer_type = message(f"{self._package}.EventStreamResponse")
        try:
            grant, selection = self._admit(call)
            environment = selection.served.environment
            with self._proofs.follow(environment), self._changes.watch() as changed:
                yield answer_type(type="provider_ready")
                while self._guard.is_good(grant):
                    current = selection._replace(served=self._snapshots.get(environment))
                    if current.served is not selection.served:
                        answer = answer_type(type="configuration_change")
                        keys = sorted(selection.keys | current.keys)
                        fill(answer.data, {"flags": {key: {"flagKey": key, "type": "update"} for key in keys}})
                        selection = current
                        yield answer
                    await changed.wait()
                    changed.clear()
            await call.abort(grpc.StatusCode.UNAUTHENTICATED, "the token was revoked")
        except EbbgateError as error:
            await refuse(call, error)

    def _admit(self, call: Call) -> tuple[Grant, Selection]:
        scope, grant = self._door.admit(call, "evaluate")
        return grant, self._selections.of(scope, grant)


def _describe(answer: Message, details: EvaluationDetails) -> None:
    """What every answer has beside its value."""
    answer.reason = details.reason
    if details.variant is not None:
        answer.variant = details.variant
    if details.metadata:
        fill(answer.metadata, details.metadata)


def _put_any(flag: Message, details: EvaluationDetails) -> None:
    value = details.value
    if details.variant is None:
        return
    if isinstance(value, bool):
        flag.bool_value = value
    elif isinstance(value, str):
        flag.string_value = value
    elif isinstance(value, dict):
        fill(flag.object_value, value)
    else:
        flag.double_value = bounded(value)
