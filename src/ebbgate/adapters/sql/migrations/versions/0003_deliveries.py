"""Messages to people, and what became of them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Time = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("message_group", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("at", Time, nullable=False),
        sa.Column("next_at", Time, nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("delivered_at", Time, nullable=True),
        sa.Column("gave_up_at", Time, nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("key", "channel", name="uq_deliveries_key_channel"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_is_open", "deliveries", ["is_open"])
    op.create_index("ix_deliveries_channel_group", "deliveries", ["channel", "message_group"])


def downgrade() -> None:
    op.drop_table("deliveries")
