"""Asking from outside whether an application is well."""

from typing import Protocol

from ebbgate.core.rollouts.plan import Probe


class Prober(Protocol):
    """Runs one probe to its end, within its timeout. May be called from several threads at once."""

    def probe(self, probe: Probe) -> str:
        """What is wrong, in words; empty when all is well. Raises nothing on purpose."""
        ...
