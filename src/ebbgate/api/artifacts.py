"""/artifacts: bytes by their digests, sent piece by piece and checked before they count."""

import asyncio
from contextlib import ExitStack
from typing import Annotated

import msgspec
from litestar import put
from litestar.params import PathParameter

from ebbgate.api.actors import ApiRequest
from ebbgate.api.dependencies import Services

DigestOf = Annotated[str, PathParameter(description="`sha256:` and 64 hex digits: of the body.")]


class StoredArtifact(msgspec.Struct, frozen=True, kw_only=True):
    """A blob that is kept now. bytes: its length."""

    digest: str
    bytes: int


@put(
    "/artifacts/{digest:str}",
    status_code=200,
    operation_id="putArtifact",
    tags=["releases"],
    request_max_body_size=None,  # the store has a limit of its own, and stops at it
)
async def put_artifact(services: Services, request: ApiRequest, digest: DigestOf) -> StoredArtifact:
    """Keep the body under its digest. Bytes that are not what the digest says are refused."""
    stack = ExitStack()
    receiving = await asyncio.to_thread(services.artifacts.receive, digest)
    writer = await asyncio.to_thread(stack.enter_context, receiving)
    length = 0
    try:
        async for piece in request.stream():
            length += len(piece)
            await asyncio.to_thread(writer.write, piece)
    except BaseException as error:
        await asyncio.to_thread(stack.__exit__, type(error), error, error.__traceback__)
        raise
    await asyncio.to_thread(stack.close)
    return StoredArtifact(digest=digest, bytes=length)
