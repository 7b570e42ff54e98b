"""The client's view of itself."""

import msgspec


class ClientStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the client knows of itself; for health pages and for `ebbgate doctor`.

    evaluator: this process's id. contact_age_s: machine seconds since the server was last heard, None if never.
    queued: entries not acknowledged. dropped_*: lost because the queue was full or the entry could not be sent.
    rejected: entries that the server refused, by code. handler_errors: exceptions from the host's handlers.
    errors, last_error: what went wrong, contained. failures: exceptions inside calls, answered by the code default.
    """

    evaluator: str
    snapshot_version: int | None
    is_live: bool
    contact_age_s: float | None
    queued: int
    delivered: int
    dropped_exposures: int
    dropped_events: int
    dropped_attributes: int
    rejected: dict[str, int]
    handler_errors: int
    errors: int
    last_error: str | None
    failures: int
