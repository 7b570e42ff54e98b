"""Structured logs: one JSON object a line, to standard error. Tokens are never handed to a logger."""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from ebbgate.ports.clock import Clock


def configure_logs(clock: Clock, *, process: str, level: str = "info") -> None:
    """Send structlog's and the standard library's records to standard error. process: `edge`, `control`.

    level: `debug`, `info`, `warning` or `error`; of our own records.
    """

    def stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["at"] = clock.machine_now().isoformat(timespec="milliseconds")
        event["process"] = process
        return event

    shared: list[Processor] = [structlog.processors.add_log_level, stamp, structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(default=str)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_foreign_formatter(shared))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)  # libraries say when something is wrong; what they do otherwise is theirs


def _foreign_formatter(shared: list[Processor]) -> logging.Formatter:
    """The same lines for what libraries say through the standard library."""
    formatter: Any = structlog.stdlib.ProcessorFormatter
    made: logging.Formatter = formatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(default=str),
        ],
    )
    return made
