"""A channel through Apprise: mail, Slack, Teams, webhooks, and about a hundred more, each by a URL."""

import logging
import re
import threading
from urllib.parse import unquote, urlsplit

import apprise
import structlog

from ebbgate.core.alerts import ChannelRule, Message, Severity
from ebbgate.core.errors import StoreUnavailableError

_KINDS = {
    Severity.INFO: apprise.NotifyType.INFO,
    Severity.WARNING: apprise.NotifyType.WARNING,
    Severity.CRITICAL: apprise.NotifyType.FAILURE,
}


_MEND = "correct the scheme and the rest of its URL: `notify` in the settings file, or EBBGATE_NOTIFY"
log = structlog.get_logger("ebbgate.notify")

_SECRET_FROM = 4
"""Characters from which a part of a URL is taken for a secret; shorter ones are in ordinary words."""


class AppriseChannel:
    """One Apprise URL. A URL that it cannot read is a `problem`, not an error: the other channels go on."""

    def __init__(self, rule: ChannelRule) -> None:
        self.rule = rule
        _keep_to_ourselves()
        self._service = apprise.Apprise.instantiate(rule.url, suppress_exceptions=True)
        self.problem = "" if self._service is not None else f"Apprise cannot read its URL ({self.service}://...)"
        if self.problem:
            log.error("channel_unusable", channel=rule.name, problem=self.problem, hint=_MEND)

    @property
    def service(self) -> str:
        return urlsplit(self.rule.url).scheme

    def send(self, message: Message) -> None:
        if self._service is None:
            raise StoreUnavailableError(self.problem, hint=_MEND)
        with _Told() as told:
            taken = self._service.notify(
                title=message.title, body=message.words or message.title, notify_type=_KINDS[message.severity]
            )
        if not taken:
            raise StoreUnavailableError(
                f"{self.service} did not take it{without_secrets(told.words, self.rule.url)}",
                hint="see the service's settings and the network",
            )


def _keep_to_ourselves() -> None:
    """Apprise's own records name URLs, and with them what is secret: none of them gets into the logs. What a channel
    could not do is told by `problem` and by the error of `send`, under the channel's name.
    """
    logger = logging.getLogger("apprise")
    logger.propagate = False
    if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
        logger.addHandler(logging.NullHandler())  # without one, Python prints warnings by itself


def without_secrets(words: str, url: str) -> str:
    """What a service said, without the parts of its URL that may be secret: all but the scheme."""
    parts = [part for part in re.split(r"[/:@?&=]+", url.partition("://")[2]) if part]
    forms = {form for part in parts for form in (part, unquote(part)) if len(form) >= _SECRET_FROM}
    for form in sorted(forms, key=len, reverse=True):
        words = words.replace(form, "***")
    return words


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
