"""Runs the migrations that are part of the package."""

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy.engine import Connection

from ebbgate.core.errors import ConflictError

_one_at_a_time = threading.Lock()  # Alembic keeps its context in module globals


def upgrade(connection: Connection) -> None:
    """Bring the schema to this version inside the connection's open transaction; does nothing when it is.

    Raises ConflictError for a schema that a newer version made.
    """
    config = Config(attributes={"connection": connection})
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    with _one_at_a_time:
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ConflictError(
                f"the control store has a schema that this version does not know: {error}",
                hint="install the newer ebbgate that made it, or restore a backup",
            ) from error
