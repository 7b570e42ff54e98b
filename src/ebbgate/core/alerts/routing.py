"""Which channel wants which message."""

import msgspec

from ebbgate.core.alerts.message import Message, Severity, Topic


class ChannelRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel and what it wants. url: as Apprise reads it; it holds secrets, and is never shown.

    topics: empty = all. at_least: the least severity; pages come through whatever it is.
    """

    name: str
    url: str
    topics: tuple[Topic, ...] = ()
    at_least: Severity = Severity.INFO


def wants(rule: ChannelRule, message: Message) -> bool:
    """Whether a message goes to a channel. A test goes wherever it is sent."""
    if message.topic is Topic.TEST:
        return True
    if rule.topics and message.topic not in rule.topics:
        return False
    return message.topic is Topic.PAGE or message.severity.rank >= rule.at_least.rank
