"""What the API shows of channels and deliveries; never a channel's URL, which holds its secrets."""

from datetime import datetime

import msgspec

from ebbgate.core.access.view import ReasonText
from ebbgate.core.alerts.message import Severity, Topic


class ChannelView(msgspec.Struct, frozen=True, kw_only=True):
    """A channel. service: what kind it is, such as `mailto` or `slack`. problem: why it cannot work, if it cannot."""

    name: str
    service: str
    topics: tuple[Topic, ...] = ()
    at_least: Severity = Severity.INFO
    problem: str = ""


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one channel. delivered_at None: not yet, or never (`gave_up_at`). Machine times."""

    id: int
    channel: str
    topic: Topic
    severity: Severity
    title: str
    words: str
    at: datetime
    attempts: int
    next_at: datetime
    delivered_at: datetime | None = None
    gave_up_at: datetime | None = None
    error: str = ""


class TestChannels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request for a test message. channels: by name; empty = all."""

    __test__ = False  # no test case, whatever its name looks like to a collector

    reason: ReasonText
    channels: tuple[str, ...] = ()
