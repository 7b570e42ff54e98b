"""Versions of flags, and environments with their settings."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Time = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "flag_versions",
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("flag", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", Time, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("snapshot_version", sa.BigInteger(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=True),
        sa.Column("killed_to", sa.Text(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("opt_in_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "flag", "version", name="pk_flag_versions"),
    )
    op.create_table(
        "environments",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("bucketing", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_environments"),
    )


def downgrade() -> None:
    op.drop_table("environments")
    op.drop_table("flag_versions")
