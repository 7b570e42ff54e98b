"""Alembic runs this module. The connection is the store's, inside the transaction that the store began."""

from alembic import context

from ebbgate.adapters.sql.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
context.run_migrations()
