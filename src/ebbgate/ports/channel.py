"""A way to reach people: mail, chat, a webhook."""

from typing import Protocol

from ebbgate.core.alerts import ChannelRule, Message


class Channel(Protocol):
    """One configured channel. `problem` is "" when it can be used, else what is wrong with its URL."""

    rule: ChannelRule
    problem: str

    @property
    def service(self) -> str:
        """What kind of channel it is, such as `slack`."""
        ...

    def send(self, message: Message) -> None:
        """Returns when the service took it. Raises StoreUnavailableError when it did not; the same message may come
        twice after a crash.
        """
        ...
