"""The channel that is always there: one structured log line for each row."""

import structlog

from ebbgate.ports.control_store import OutboxRow

log = structlog.get_logger("ebbgate.notify")


class LogNotifier:
    """Writes rows as log lines: holds at debug level, unless somebody should hear of them; then as warnings."""

    def notify(self, row: OutboxRow) -> None:
        payload = row.payload if isinstance(row.payload, dict) else {}
        is_hold = row.topic == "decision" and payload.get("decision") == "hold"
        write = log.warning if payload.get("notify") else log.debug if is_hold else log.info
        write(row.topic, subject=row.subject, key=row.key, payload=row.payload)
