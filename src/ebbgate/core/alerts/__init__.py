"""What people are told, and by which channel."""

from ebbgate.core.alerts.delivery import GIVE_UP_AFTER, QUIET, retry_after
from ebbgate.core.alerts.message import Message, Severity, Topic, message_of
from ebbgate.core.alerts.routing import ChannelRule, wants
from ebbgate.core.alerts.view import ChannelView, DeliveryView

__all__ = [
    "GIVE_UP_AFTER",
    "QUIET",
    "ChannelRule",
    "ChannelView",
    "DeliveryView",
    "Message",
    "Severity",
    "Topic",
    "message_of",
    "retry_after",
    "wants",
]
