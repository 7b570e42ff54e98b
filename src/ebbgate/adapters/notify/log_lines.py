"""The channel that is always there: one structured log line for each row."""

import structlog

from ebbgate.ports.control_store import OutboxRow

log = structlog.get_logger("ebbgate.notify")


class LogNotifier:
    """Writes rows as log lines; holds are told at debug level."""

    def notify(self, row: OutboxRow) -> None:
        is_hold = row.topic == "decision" and isinstance(row.payload, dict) and row.payload.get("decision") == "hold"
        write = log.debug if is_hold else log.info
        write(row.topic, subject=row.subject, key=row.key, payload=row.payload)
