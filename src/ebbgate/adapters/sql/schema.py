"""The tables of the control store: bodies as JSON, with the columns beside them that queries and uniqueness need.

A test holds the migrations against this module: whoever changes a table writes a migration.
"""

import sqlalchemy as sa

from ebbgate.adapters.sql.columns import Json, Packed, UtcTime
from ebbgate.core.alerts import Message
from ebbgate.core.incidents import ActionItem, Incident, Note, PostMortem
from ebbgate.core.releases import Deployment, Release
from ebbgate.core.rollbacks.drill import Drill
from ebbgate.core.rollbacks.reports import Report
from ebbgate.core.rollouts.decision import Decision
from ebbgate.core.rollouts.state import RolloutState
from ebbgate.ports.control_store import Evidence

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite numbers rows by itself only under this name

clock = sa.Table(
    "clock",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # always 1
    sa.Column("origin_at", UtcTime, nullable=False),
    sa.Column("plan_origin_at", UtcTime, nullable=False),
    sa.Column("scale", sa.Double, nullable=False),
)

flags = sa.Table(
    "flags",
    metadata,
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.Column("definition", Json, nullable=False),
    sa.Column("opt_in", Json(tuple[str, ...]), nullable=False),
)

kills = sa.Table(
    "kills",
    metadata,
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("flag", sa.Text, primary_key=True),
    sa.Column("variant", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("killed_at", UtcTime, nullable=False),
)

flag_versions = sa.Table(
    "flag_versions",
    metadata,
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("flag", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("snapshot_version", sa.BigInteger, nullable=False),
    sa.Column("definition", Json),
    sa.Column("killed_to", sa.Text),
    sa.Column("unit", sa.Text),
    sa.Column("opt_in_count", sa.BigInteger, nullable=False),
)

environments = sa.Table(
    "environments",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("bucketing", sa.Text, nullable=False),
)

snapshots = sa.Table(
    "snapshots",
    metadata,
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Index("ix_snapshots_environment", "environment", "version"),
)

releases = sa.Table(
    "releases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("created_at", UtcTime, nullable=False),
)

release_flags = sa.Table(
    "release_flags",
    metadata,
    sa.Column("release", sa.Text, sa.ForeignKey("releases.name"), primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("flag", sa.Text, primary_key=True, index=True),
)
"""One release can bring several flags, and a flag may outlive several releases (DESIGN section 6)."""

rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("number", _Number, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("release", sa.Text, sa.ForeignKey("releases.name"), nullable=False, index=True),
    sa.Column("status", sa.Text, nullable=False, index=True),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("body", Json(RolloutState), nullable=False),
)

rollout_flags = sa.Table(
    "rollout_flags",
    metadata,
    sa.Column("rollout_id", sa.Text, sa.ForeignKey("rollouts.id"), primary_key=True),
    sa.Column("environment", sa.Text, primary_key=True),
    sa.Column("flag", sa.Text, primary_key=True, index=True),
)

evidence = sa.Table(
    "evidence",
    metadata,
    sa.Column("rollout_id", sa.Text, sa.ForeignKey("rollouts.id"), primary_key=True),
    sa.Column("body", Packed(Evidence), nullable=False),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("rollout_id", sa.Text, sa.ForeignKey("rollouts.id"), primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("decision", Json(Decision), nullable=False),
    sa.Column("status_before", sa.Text, nullable=False),
    sa.Column("status_after", sa.Text, nullable=False),
    sa.Column("looked_at", UtcTime, nullable=False),
    sa.Column("machine_at", UtcTime, nullable=False),
    sa.Column("log_offset", sa.BigInteger, nullable=False),
    sa.Column("summarised_from", UtcTime),
    sa.Column("summarised_to", UtcTime),
    sa.Column("inputs", sa.LargeBinary, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("before", Json),
    sa.Column("after", Json),
    sqlite_autoincrement=True,  # an id is never given twice
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("payload", Json),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("delivered_at", UtcTime, index=True),
    sqlite_autoincrement=True,
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("message_group", sa.Text, nullable=False),
    sa.Column("message", Json(Message), nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("next_at", UtcTime, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False, index=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("delivered_at", UtcTime),
    sa.Column("gave_up_at", UtcTime),
    sa.Column("error", sa.Text, nullable=False),
    sa.UniqueConstraint("key", "channel", name="uq_deliveries_key_channel"),
    sa.Index("ix_deliveries_channel_group", "channel", "message_group"),
    sqlite_autoincrement=True,
)

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False, unique=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("app", sa.Text, nullable=False),
    sa.Column("rollout_id", sa.Text, unique=True),
    sa.Column("body", Json(Incident), nullable=False),
)

incident_notes = sa.Table(
    "incident_notes",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("incident_id", sa.Text, sa.ForeignKey("incidents.id"), nullable=False, index=True),
    sa.Column("body", Json(Note), nullable=False),
    sqlite_autoincrement=True,
)

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("rollout_id", sa.Text, nullable=False, index=True),
    sa.Column("body", Json(Report), nullable=False),
    sqlite_autoincrement=True,
)
"""rollout_id: empty for a report that counts for none."""

post_mortems = sa.Table(
    "post_mortems",
    metadata,
    sa.Column("incident_id", sa.Text, sa.ForeignKey("incidents.id"), primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("body", Json(PostMortem), nullable=False),
)

action_items = sa.Table(
    "action_items",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("incident_id", sa.Text, sa.ForeignKey("incidents.id"), nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("body", Json(ActionItem), nullable=False),
    sqlite_autoincrement=True,
)

release_records = sa.Table(
    "release_records",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("app", sa.Text, nullable=False, index=True),
    sa.Column("number", sa.BigInteger, nullable=False, unique=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("body", Json(Release), nullable=False),
)
"""What was built or adopted. `releases` beside it holds every name that a rollout ever used, built or not."""

deployments = sa.Table(
    "deployments",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("app", sa.Text, nullable=False, index=True),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False, unique=True),
    sa.Column("status", sa.Text, nullable=False, index=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("body", Json(Deployment), nullable=False),
)

drills = sa.Table(
    "drills",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False, unique=True),
    sa.Column("app", sa.Text, nullable=False, index=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("body", Json(Drill), nullable=False),
)

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("started_at", UtcTime, nullable=False),
    sa.Column("done_at", UtcTime),
    sa.Column("result", sa.Text, nullable=False),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False, unique=True),
    sa.Column("environment", sa.Text),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("revoked_at", UtcTime),
)
