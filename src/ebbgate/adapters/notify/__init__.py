"""Channels that the outbox is delivered to."""
