"""A channel through Apprise: mail, Slack, Teams, webhooks, and about a hundred more, each by a URL."""

import logging
import threading
from urllib.parse import urlsplit

import apprise

from ebbgate.core.alerts import ChannelRule, Message, Severity
from ebbgate.core.errors import StoreUnavailableError

_KINDS = {
    Severity.INFO: apprise.NotifyType.INFO,
    Severity.WARNING: apprise.NotifyType.WARNING,
    Severity.CRITICAL: apprise.NotifyType.FAILURE,
}


class AppriseChannel:
    """One Apprise URL. A URL that it cannot read is a `problem`, not an error: the other channels go on."""

    def __init__(self, rule: ChannelRule) -> None:
        self.rule = rule
        self._service = apprise.Apprise.instantiate(rule.url, suppress_exceptions=True)
        self.problem = "" if self._service is not None else f"Apprise cannot read its URL ({self.service}://...)"

    @property
    def service(self) -> str:
        return urlsplit(self.rule.url).scheme

    def send(self, message: Message) -> None:
        if self._service is None:
            raise StoreUnavailableError(self.problem, hint="correct the channel's URL in the settings")
        with _Told() as told:
            taken = self._service.notify(
                title=message.title, body=message.words or message.title, notify_type=_KINDS[message.severity]
            )
        if not taken:
            raise StoreUnavailableError(
                f"{self.service} did not take it{told.words}", hint="see the service's settings and the network"
            )


class _Told(logging.Handler):
    """What Apprise logs while it sends: its only word on why a service refused. Other threads send to others."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if threading.get_ident() == self._thread:
            self._lines.append(record.getMessage())

    @property
    def words(self) -> str:
        return f": {self._lines[0][:200]}" if self._lines else ""

    def __enter__(self) -> "_Told":
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)
