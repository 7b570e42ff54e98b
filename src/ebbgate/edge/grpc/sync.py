"""`flagd.sync.v1`: the flag document at once and on every change, for in-process evaluators and for flagd itself."""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from ebbgate.core.errors import EbbgateError
from ebbgate.edge.changes import Changes
from ebbgate.edge.flagd_sync import FlagdDocuments, document_of
from ebbgate.edge.grpc.calls import Call, Door, refuse
from ebbgate.edge.grpc.messages import SYNC, Message, message
from ebbgate.edge.guard import Guard
from ebbgate.edge.proof import ProofBook

_SyncAnswer = message(f"{SYNC}.SyncFlagsResponse")
_FetchAnswer = message(f"{SYNC}.FetchAllFlagsResponse")
_MetadataAnswer = message(f"{SYNC}.GetMetadataResponse")


class SyncService:
    """Every stream waits for itself alone: a reader that does not read holds nobody up.

    The selector in the metadata goes before the one in the request.
    """

    def __init__(
        self, door: Door, guard: Guard, documents: FlagdDocuments, changes: Changes, proofs: ProofBook
    ) -> None:
        self._door = door
        self._guard = guard
        self._documents = documents
        self._changes = changes
        self._proofs = proofs

    def handler(self) -> Any:
        """For the server."""
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        methods = {
            "SyncFlags": (stream, self.sync_flags),
            "FetchAllFlags": (unary, self.fetch_all_flags),
            "GetMetadata": (unary, self.get_metadata),
        }
        return grpc.method_handlers_generic_handler(
            f"{SYNC}.FlagSyncService",
            {
                name: make(
                    behaviour,
                    request_deserializer=message(f"{SYNC}.{name}Request").FromString,
                    response_serializer=message(f"{SYNC}.{name}Response").SerializeToString,
                )
                for name, (make, behaviour) in methods.items()
            },
        )

    async def sync_flags(self, request: Message, call: Call) -> AsyncIterator[Message]:
        """The document now, and again whenever it is another one, until the token is revoked."""
        try:
            scope, grant = self._door.admit(call, "read_snapshot")
            last: bytes | None = None
            environment = self._documents.selection(scope, grant, selector=request.selector).served.environment
            with self._proofs.follow(environment), self._changes.watch() as changed:
                while self._guard.is_good(grant):
                    data = document_of(self._documents.selection(scope, grant, selector=request.selector))
                    if data != last:
                        last = data
                        yield _SyncAnswer(flag_configuration=data.decode())
                    await changed.wait()
                    changed.clear()
            await call.abort(grpc.StatusCode.UNAUTHENTICATED, "the token was revoked")
        except EbbgateError as error:
            await refuse(call, error)

    async def fetch_all_flags(self, request: Message, call: Call) -> Message:
        """The document now."""
        try:
            scope, grant = self._door.admit(call, "read_snapshot")
            data = document_of(self._documents.selection(scope, grant, selector=request.selector))
        except EbbgateError as error:
            await refuse(call, error)
        return _FetchAnswer(flag_configuration=data.decode())

    async def get_metadata(self, _request: Message, call: Call) -> Message:
        """Nothing to add to anybody's context. flagd has deprecated the call, yet clients make it."""
        try:
            self._door.admit(call, "read_snapshot")
        except EbbgateError as error:
            await refuse(call, error)
        return _MetadataAnswer(metadata={})
