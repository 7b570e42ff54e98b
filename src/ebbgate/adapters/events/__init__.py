"""The event log in segment files: one writer, readers in other processes (RULES C4, I1)."""

from ebbgate.adapters.events.log_reader import SegmentedLogReader
from ebbgate.adapters.events.log_writer import SegmentedLogWriter

__all__ = ["SegmentedLogReader", "SegmentedLogWriter"]
