"""The whole schema as the first release has it."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite numbers rows by itself only under this name
Time = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_flag_tables()
    create_rollout_tables()
    create_decision_tables()
    create_ledger_tables()


def downgrade() -> None:
    for table in (
        "tokens",
        "journal",
        "outbox",
        "audit",
        "decisions",
        "evidence",
        "rollout_flags",
        "rollouts",
        "release_flags",
        "releases",
        "snapshots",
        "kills",
        "flags",
        "clock",
    ):
        op.drop_table(table)


def create_flag_tables() -> None:
    op.create_table(
        "clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("origin_at", Time, nullable=False),
        sa.Column("plan_origin_at", Time, nullable=False),
        sa.Column("scale", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_clock"),
    )
    op.create_table(
        "flags",
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", Time, nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("opt_in", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "key", name="pk_flags"),
    )
    op.create_table(
        "kills",
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("flag", sa.Text(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("killed_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("environment", "flag", name="pk_kills"),
    )
    op.create_table(
        "snapshots",
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_snapshots"),
    )
    op.create_index("ix_snapshots_environment", "snapshots", ["environment", "version"])


def create_rollout_tables() -> None:
    op.create_table(
        "releases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_releases"),
    )
    op.create_table(
        "release_flags",
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("flag", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["release"], ["releases.name"], name="fk_release_flags_release"),
        sa.PrimaryKeyConstraint("release", "environment", "flag", name="pk_release_flags"),
    )
    op.create_index("ix_release_flags_flag", "release_flags", ["flag"])
    op.create_table(
        "rollouts",
        sa.Column("number", Number, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["release"], ["releases.name"], name="fk_rollouts_release"),
        sa.PrimaryKeyConstraint("number", name="pk_rollouts"),
        sa.UniqueConstraint("id", name="uq_rollouts_id"),
    )
    op.create_index("ix_rollouts_release", "rollouts", ["release"])
    op.create_index("ix_rollouts_status", "rollouts", ["status"])
    op.create_table(
        "rollout_flags",
        sa.Column("rollout_id", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("flag", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.id"], name="fk_rollout_flags_rollout_id"),
        sa.PrimaryKeyConstraint("rollout_id", "environment", "flag", name="pk_rollout_flags"),
    )
    op.create_index("ix_rollout_flags_flag", "rollout_flags", ["flag"])


def create_decision_tables() -> None:
    op.create_table(
        "evidence",
        sa.Column("rollout_id", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.id"], name="fk_evidence_rollout_id"),
        sa.PrimaryKeyConstraint("rollout_id", name="pk_evidence"),
    )
    op.create_table(
        "decisions",
        sa.Column("rollout_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("status_before", sa.Text(), nullable=False),
        sa.Column("status_after", sa.Text(), nullable=False),
        sa.Column("looked_at", Time, nullable=False),
        sa.Column("machine_at", Time, nullable=False),
        sa.Column("log_offset", sa.BigInteger(), nullable=False),
        sa.Column("summarised_from", Time, nullable=True),
        sa.Column("summarised_to", Time, nullable=True),
        sa.Column("inputs", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["rollout_id"], ["rollouts.id"], name="fk_decisions_rollout_id"),
        sa.PrimaryKeyConstraint("rollout_id", "sequence", name="pk_decisions"),
    )


def create_ledger_tables() -> None:
    op.create_table(
        "audit",
        sa.Column("id", Number, nullable=False),
        sa.Column("at", Time, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])
    op.create_table(
        "outbox",
        sa.Column("id", Number, nullable=False),
        sa.Column("at", Time, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("delivered_at", Time, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("key", name="uq_outbox_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_delivered_at", "outbox", ["delivered_at"])
    op.create_table(
        "journal",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("started_at", Time, nullable=False),
        sa.Column("done_at", Time, nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_journal"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("revoked_at", Time, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("sha256", name="uq_tokens_sha256"),
    )
