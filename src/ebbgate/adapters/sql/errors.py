"""What the database says, as the errors of the port."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ebbgate.core.errors import ConflictError, StoreUnavailableError


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Raise ConflictError for a broken constraint, StoreUnavailableError for other failures. place: for the message."""
    try:
        yield
    except IntegrityError as error:
        raise ConflictError(
            f"the control store refused a row: {error.orig}", hint="read what is stored and repeat the change"
        ) from error
    except (DBAPIError, PoolTimeoutError) as error:
        raise unavailable(place, error) from error


def unavailable(place: str, error: SQLAlchemyError) -> StoreUnavailableError:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return StoreUnavailableError(f"the control store at {place} failed: {cause}", hint=_hint(str(cause)))


def _hint(cause: str) -> str:
    if "locked" in cause or "lock timeout" in cause:
        return "another process holds the store; try again, and see that only one `ebbgate serve` uses this data"
    if "no such table" in cause or "does not exist" in cause:
        return "the schema is missing; `ebbgate serve` makes it at its start"
    if "not a database" in cause or "malformed" in cause:
        return "the file is damaged or not a store; restore a backup"
    return "see that the place exists, can be written, has space left, and that the server answers"
