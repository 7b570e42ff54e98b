"""The store's own summariser, for those who have observations and no event store."""

from ebbgate.adapters.events.summariser import BlockSummariser


def block_summariser() -> BlockSummariser:
    """A summariser with a DuckDB in memory; close it after use."""
    return BlockSummariser()
