"""/healthz and /readyz, open to all: they tell nothing but whether the process lives, and whether it can work."""

from litestar import MediaType, get

from ebbgate.api.dependencies import Services
from ebbgate.api.guard import OPEN


@get("/healthz", media_type=MediaType.TEXT, sync_to_thread=False, opt=OPEN, operation_id="healthz", tags=["server"])
def healthz() -> str:
    """The process answers."""
    return "ok"


@get("/readyz", media_type=MediaType.TEXT, sync_to_thread=True, opt=OPEN, operation_id="readyz", tags=["server"])
def readyz(services: Services) -> str:
    """Both stores answer; else 503."""
    services.store.ping()
    services.events.offset()
    return "ok"
