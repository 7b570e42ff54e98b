"""Messages go out at least once, each channel by itself, and a dead one is tried again until a day has passed."""

import threading
from collections.abc import Callable
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
        self.let_go = threading.Event()  # cleared, it hangs until it is set
        self.let_go.set()
        self.in_flight: list[int] = []
        self._sending = 0

    def send(self, message: Message) -> None:
        self._sending += 1
        self.in_flight.append(self._sending)
        try:
            assert self.let_go.wait(timeout=20)
            self._take(message)
        finally:
            self._sending -= 1

    def _take(self, message: Message) -> None:
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


def eventually(is_true: Callable[[], bool]) -> bool:
    """Whether it came true within 5 s."""
    moment = threading.Event()
    return any(is_true() or moment.wait(0.01) for _ in range(500))


def words(channel: FakeChannel) -> list[str]:
    return [message.words for message in channel.taken]


def test_a_channel_that_hangs_delays_no_page_to_another_one(post: Post) -> None:
    """Issue 5: a library waits for a mail server to its time limit, again and again, while somebody is to be paged."""
    # given a channel that hangs, with more to send than is read at once
    post.mail.let_go.clear()
    post.chat.rule = ChannelRule(name="chat", url="fake://")
    told = [f"page {number}" for number in range(60)]
    for one in told[:-1]:
        post.say(one)
    thread = threading.Thread(target=post.service.run, daemon=True)
    thread.start()
    try:
        # when more is said, over the store and without it
        assert eventually(lambda: words(post.chat) == told[:-1]), "the other one has all of it, in order"
        post.say(told[-1])
        post.service.shout("the store fails", "see the disk", group="store")
        # then the other one hears it, and the one that hangs has one message in its hands
        assert eventually(lambda: sorted(words(post.chat)) == sorted([*told, "see the disk"]))
        assert (post.mail.in_flight, words(post.mail)) == ([1], [])
        waiting = post.service.deliveries(channel="mail")
        assert [(row.attempts, row.delivered_at) for row in waiting] == [(0, None)] * 60
        # and when it answers again it gets the same, one after the other
        post.mail.let_go.set()
        assert eventually(lambda: len(post.mail.taken) == 61)
        assert [one for one in words(post.mail) if one in told] == told
        assert set(post.mail.in_flight) == {1}
        assert eventually(lambda: all(row.attempts == 1 for row in post.service.deliveries(channel="mail")))
    finally:
        post.mail.let_go.set()
        post.service.stop()
        thread.join(timeout=5)
    assert not thread.is_alive()


def test_a_test_message_waits_for_the_slowest_channel_and_not_for_the_sum_of_them(post: Post) -> None:
    """Preflight asks all of them; each is sent to while the others are."""
    both = threading.Barrier(2, timeout=5)
    for channel in (post.mail, post.chat):
        channel.send = lambda _message: both.wait()  # type: ignore[method-assign,assignment,return-value]
    sent = post.service.test([], actor=Actor(name="ops", reason="trying"))
    assert [one.error for one in sent if one.delivered_at is None] == []


def test_what_was_queued_for_a_channel_that_is_gone_says_so_and_is_given_up_after_a_day(post: Post) -> None:
    post.say("one")
    later = NotificationService(post.store, post.clock, [post.chat])
    assert later.deliver() == 0
    with post.store.transaction() as tx:
        (row,) = tx.deliveries(channel="mail")
    assert (row.attempts, row.error) == (1, "channel 'mail' is no longer configured")
    post.clock.advance(timedelta(days=1))
    later.deliver()
    with post.store.transaction() as tx:
        assert tx.deliveries(channel="mail")[0].gave_up_at is not None
