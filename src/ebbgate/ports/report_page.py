"""Pages for people: what is stored, as one HTML file."""

from collections.abc import Sequence
from typing import Protocol

from ebbgate.core.incidents import ActionItem, Entry, Incident, PostMortem


class ReportPage(Protocol):
    """Renders; nothing it is given is trusted to be free of markup."""

    def post_mortem(
        self, document: PostMortem, incident: Incident, timeline: Sequence[Entry], actions: Sequence[ActionItem]
    ) -> str:
        """One page, whole in itself: styles and charts inside."""
        ...
