"""What Prometheus Alertmanager posts to a webhook (version 4), as far as it is needed; unknown fields are let be."""

from typing import Annotated, Literal

import msgspec

SEVERITY, CRITICAL = "severity", "critical"
FLAG, APP, ENVIRONMENT, ASKS = "flag", "app", "environment", "ebbgate"
ROLLBACK = "rollback"
"""A label `ebbgate: rollback` asks for a rollback whatever the plan says of alerts."""


class Alert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One alert. fingerprint: of its labels."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    starts_at: str = ""
    ends_at: str = ""
    fingerprint: str = ""
    generator_url: Annotated[str, msgspec.Meta(max_length=10_000)] = msgspec.field(default="", name="generatorURL")

    @property
    def key(self) -> str:
        """What tells one from the other, and one time from the next."""
        labels = ",".join(f"{name}={value}" for name, value in sorted(self.labels.items()))
        return f"alert:{self.fingerprint or labels}:{self.starts_at}"

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "alert")

    @property
    def link(self) -> str:
        """Where the alert came from, if that is a web address: it is shown as a link."""
        return self.generator_url if self.generator_url.startswith(("http://", "https://")) else ""

    @property
    def is_critical(self) -> bool:
        return self.labels.get(SEVERITY, "").lower() == CRITICAL

    @property
    def asks_for_rollback(self) -> bool:
        return self.labels.get(ASKS, "").lower() == ROLLBACK

    @property
    def words(self) -> str:
        """Such as `alert ApiDown: no instance answers`."""
        said = self.annotations.get("summary") or self.annotations.get("description") or "no summary"
        return f"alert {self.name}: {said.strip()[:500]}"


class AlertmanagerMessage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of the webhook."""

    alerts: Annotated[list[Alert], msgspec.Meta(max_length=1_000)]
    version: str = "4"


class AlertTaken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an alert: taken_back, asked, frozen, told, incident, noted, resolved, known or unmatched.
    rollouts: those it fits; incident: where it is told.
    """

    alert: str
    outcome: str
    rollouts: tuple[str, ...] = ()
    incident: str = ""
    why: str = ""
