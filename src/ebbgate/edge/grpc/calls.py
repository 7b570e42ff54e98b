"""What every gRPC call shares: who calls, and errors as status codes."""

from typing import Any, NoReturn

import grpc

from ebbgate.core.access import Permission
from ebbgate.core.errors import EbbgateError
from ebbgate.edge.guard import Grant, Guard
from ebbgate.edge.http import Scope

Call = Any  # grpc.aio.ServicerContext, which comes without types

_STATUS = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
_CREDENTIALS = (b"authorization", b"x-api-key")


class Door:
    """Lets calls in, by the token in their metadata; without one only where that was set."""

    def __init__(self, guard: Guard, *, is_open: bool) -> None:
        """is_open: calls without a token may do what a server token may."""
        self._guard = guard
        self._is_open = is_open

    def admit(self, call: Call, permission: Permission) -> tuple[Scope, Grant]:
        """The call as a request, and its grant. Raises as `Guard.admit` does."""
        scope = scope_of(call)
        if self._is_open and not any(name in _CREDENTIALS for name, _ in scope["headers"]):
            return scope, self._guard.admit_anyone()
        return scope, self._guard.admit(scope, permission)


def scope_of(call: Call) -> Scope:
    """The call's metadata as a request's headers."""
    headers = [(name.encode(), value.encode() if isinstance(value, str) else value)
               for name, value in call.invocation_metadata() or ()]  # fmt: skip
    return {"headers": headers, "query_string": b""}


async def refuse(call: Call, error: EbbgateError) -> NoReturn:
    """End the call with the error's status."""
    await call.abort(_STATUS.get(error.status, grpc.StatusCode.INTERNAL), f"{error.message} ({error.hint})")
    raise AssertionError("abort raises")
