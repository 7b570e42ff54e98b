"""/healthz and /readyz, open to all: they tell nothing but whether the process lives, and whether it can work."""

from litestar import MediaType, get

from ebbgate.api.dependencies import Services
from ebbgate.api.guard import OPEN
from ebbgate.core.errors import StoreUnavailableError

LOOP_SILENT_S = 60.0
"""Machine seconds without a finished tick after which control is not ready."""


@get("/healthz", media_type=MediaType.TEXT, sync_to_thread=False, opt=OPEN, operation_id="healthz", tags=["server"])
def healthz() -> str:
    """The process answers."""
    return "ok"


@get("/readyz", media_type=MediaType.TEXT, sync_to_thread=True, opt=OPEN, operation_id="readyz", tags=["server"])
def readyz(services: Services) -> str:
    """Both stores answer, and the loop has looked lately; else 503."""
    services.store.ping()
    services.events.offset()
    ticked_at = services.loop.ticked_at
    if ticked_at is not None and services.clock.monotonic() - ticked_at > LOOP_SILENT_S:
        raise StoreUnavailableError("the loop has not looked for a while", hint="see the log; restart control")
    return "ok"
