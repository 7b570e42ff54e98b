"""Releases and deployments; and `build.keep` of stored plans is a list from here on."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "release_records",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_release_records"),
        sa.UniqueConstraint("number", name="uq_release_records_number"),
    )
    op.create_index("ix_release_records_app", "release_records", ["app"])
    op.create_table(
        "deployments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deployments"),
        sa.UniqueConstraint("key", name="uq_deployments_key"),
        sa.UniqueConstraint("number", name="uq_deployments_number"),
    )
    op.create_index("ix_deployments_app", "deployments", ["app"])
    op.create_index("ix_deployments_status", "deployments", ["status"])
    _rewrite(lambda keep: [keep] if isinstance(keep, str) else keep)


def downgrade() -> None:
    _rewrite(lambda keep: keep[0] if isinstance(keep, list) and keep else keep)
    op.drop_table("deployments")
    op.drop_table("release_records")


def _rewrite(change: Any) -> None:
    """Plans were stored with what they said of the build, which nothing used."""
    table = sa.table("rollouts", sa.column("number", sa.BigInteger), sa.column("body", sa.Text))
    connection = op.get_bind()
    for number, text in connection.execute(sa.select(table.c.number, table.c.body)).all():
        body = json.loads(text)
        build = body.get("plan", {}).get("build")
        if isinstance(build, dict) and "keep" in build:
            build["keep"] = change(build["keep"])
            connection.execute(sa.update(table).where(table.c.number == number).values(body=json.dumps(body)))
