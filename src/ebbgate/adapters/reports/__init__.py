"""Pages for people."""

from ebbgate.adapters.reports.html import HtmlPage

__all__ = ["HtmlPage"]
