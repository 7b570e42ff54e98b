"""Messages go out at least once, each channel by itself, and a dead one is tried again until a day has passed."""

from datetime import timedelta
from typing import Any

import pytest

from ebbgate.control.audit import Actor, tell
from ebbgate.control.notifications import NotificationService
from ebbgate.control.outbox import OutboxService
from ebbgate.core.alerts import ChannelRule, Message, Topic
from ebbgate.core.errors import NotFoundError, StoreUnavailableError
from ebbgate.testing.clock import VirtualClock
from ebbgate.testing.memory_control import MemoryControlStore


class FakeChannel:
    """A channel that takes everything while it is up."""

    problem = ""
    service = "fake"

    def __init__(self, name: str, *topics: Topic) -> None:
        self.rule = ChannelRule(name=name, url="fake://", topics=topics)
        self.is_up = True
        self.taken: list[Message] = []

    def send(self, message: Message) -> None:
        if not self.is_up:
            raise StoreUnavailableError("fake did not take it", hint="none")
        self.taken.append(message)


class Log:
    def notify(self, row: Any) -> None: ...


class Post:
    """Two channels, a store, and what carries rows to them."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryControlStore(), VirtualClock()
        self.mail, self.chat = FakeChannel("mail"), FakeChannel("chat", Topic.REVIEW)
        self.service = NotificationService(self.store, self.clock, [self.mail, self.chat])
        self.outbox = OutboxService(self.store, self.clock, Log(), self.service)

    def say(self, key: str, *, topic: str = "page", group: str = "") -> None:
        with self.store.transaction() as tx:
            tell(tx, self.clock, topic=topic, subject="w-1", key=key, payload={"words": key, "group": group})
        self.outbox.deliver()


@pytest.fixture
def post() -> Post:
    return Post()


def test_a_row_reaches_the_channels_that_want_it_once(post: Post) -> None:
    post.say("one")
    post.service.deliver()
    post.service.deliver()
    assert [message.words for message in post.mail.taken] == ["one"]
    assert post.chat.taken == []


def test_a_dead_channel_does_not_delay_the_others_and_gets_its_message_later(post: Post) -> None:
    post.mail.is_up = False
    post.say("one", topic="review")
    post.service.deliver()
    assert len(post.chat.taken) == 1
    (waiting,) = post.service.deliveries(channel="mail")
    assert (waiting.attempts, waiting.error, waiting.delivered_at) == (1, "fake did not take it", None)
    post.mail.is_up = True
    assert post.service.deliver() == 0, "not before its time"
    post.clock.advance(timedelta(seconds=5))
    assert post.service.deliver() == 1
    assert len(post.mail.taken) == 1


def test_a_message_that_nobody_takes_for_a_day_is_given_up_and_says_so(post: Post) -> None:
    post.mail.is_up = False
    post.say("one")
    for _ in range(200):
        post.service.deliver()
        post.clock.advance(timedelta(minutes=15))
    (row,) = post.service.deliveries(channel="mail")
    assert row.gave_up_at is not None
    assert row.delivered_at is None


def test_messages_of_one_group_are_said_once_an_hour(post: Post) -> None:
    for minute in range(0, 120, 20):
        post.say(f"at {minute}", group="w-1:environment")
        post.clock.advance(timedelta(minutes=20))
    post.service.deliver()
    assert [message.words for message in post.mail.taken] == ["at 0", "at 60"]


def test_a_test_message_tells_who_took_it_and_is_not_sent_again(post: Post) -> None:
    post.chat.is_up = False
    mail, chat = post.service.test([], actor=Actor(name="ops", reason="trying"))
    assert mail.delivered_at is not None
    assert chat.delivered_at is None
    assert chat.error == "fake did not take it"
    post.chat.is_up = True
    post.clock.advance(timedelta(hours=2))
    assert post.service.deliver() == 0


def test_a_channel_that_is_not_there_is_said_with_those_that_are(post: Post) -> None:
    with pytest.raises(NotFoundError) as raised:
        post.service.test(["pager"], actor=Actor(name="ops", reason="trying"))
    assert raised.value.hint == "channels: mail, chat"


def test_a_channel_that_breaks_silences_no_other_one(post: Post) -> None:
    """A library's own error is no refusal that anybody foresaw; it must not starve what stands behind it."""

    def breaks(_: Message) -> None:
        raise ValueError("cannot parse slack://token_a")

    # given a channel that breaks, before one that works
    post.mail.send = breaks  # type: ignore[method-assign,assignment]
    post.chat.rule = ChannelRule(name="chat", url="fake://")
    # when something is said over the store, and without it
    post.say("one")
    assert post.service.deliver() == 1
    post.service.shout("the store fails", "see the disk", group="store")
    post.service.send_shouts()
    # then the other one heard both, and the first is tried again
    assert [message.words for message in post.chat.taken] == ["one", "see the disk"]
    (row,) = post.service.deliveries(channel="mail")
    assert (row.attempts, row.delivered_at, row.error) == (1, None, "it broke: ValueError"), "and no secret of its URL"
