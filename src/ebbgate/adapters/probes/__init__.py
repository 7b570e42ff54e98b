"""Probes of a plan: an address that answers 2xx, or commands that end with 0."""

from ebbgate.adapters.probes.prober import LocalProber

__all__ = ["LocalProber"]
