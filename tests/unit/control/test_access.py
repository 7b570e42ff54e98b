"""Tokens: made, revoked, checked; audited, and told to the edge."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import msgspec
import pytest

from ebbgate.control.access import AccessService
from ebbgate.control.audit import Actor
from ebbgate.core.access import AccessList, TokenDirectory
from ebbgate.core.errors import (
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
)
from ebbgate.ports.control_store import AuditRow, EnvironmentRow
from ebbgate.testing.clock import MORNING, VirtualClock
from ebbgate.testing.memory_control import FaultPoint, MemoryControlStore

ADA = Actor(name="ada", reason="new service")


class Published:
    """An AccessPublisher that keeps what it was given. fails: whether the next call does."""

    def __init__(self) -> None:
        self.access = AccessList()
        self.fails = False

    def publish(self, access: AccessList) -> None:
        if self.fails:
            self.fails = False
            raise StoreUnavailableError("the disk is full", hint="make room")
        self.access = access

    def knows(self, secret: str) -> bool:
        return TokenDirectory(self.access).find(secret) is not None


class Desk:
    """The service with all that is around it."""

    def __init__(self) -> None:
        self.store = MemoryControlStore()
        self.clock = VirtualClock()
        self.published = Published()
        with self.store.transaction() as tx:
            tx.put_environment(EnvironmentRow(name="production", created_at=MORNING))
        self.service = AccessService(self.store, self.clock, self.published, entropy=counted_bytes())

    def audit(self) -> list[AuditRow]:
        with self.store.transaction() as tx:
            return tx.audit()


def counted_bytes() -> Callable[[int], bytes]:
    """Different bytes at each call, the same in each run."""
    calls = 0

    def draw(count: int) -> bytes:
        nonlocal calls
        calls += 1
        return hashlib.sha256(str(calls).encode()).digest()[:count]

    return draw


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_created_token_authenticates_and_is_known_to_the_edge(desk: Desk) -> None:
    row, secret = desk.service.create_token("server", "checkout api", "production", actor=ADA)

    assert desk.service.authenticate(secret) == row
    assert (row.kind, row.name, row.environment, row.created_at) == ("server", "checkout api", "production", MORNING)
    stored = TokenDirectory(desk.published.access).find(secret)
    assert stored is not None
    assert (stored.id, stored.kind, stored.environment) == (row.id, "server", "production")
    assert desk.service.list() == [row]


def test_the_text_of_a_token_is_kept_nowhere(desk: Desk) -> None:
    row, secret = desk.service.create_token("admin", "ops", actor=ADA)

    kept = msgspec.json.encode([desk.service.list(), desk.published.access, desk.audit()]).decode()

    assert secret not in kept
    assert secret.removeprefix("ebb_admin_") not in kept
    assert row.sha256 not in msgspec.json.encode(desk.audit()).decode()


def test_creating_and_revoking_leave_one_audit_row_each(desk: Desk) -> None:
    row, _ = desk.service.create_token("client", "web", actor=ADA)
    desk.clock.advance(timedelta(hours=1))
    desk.service.revoke(row.id, actor=Actor(name="bob", reason="leaked"))
    desk.service.revoke(row.id, actor=Actor(name="bob", reason="again"))

    created, revoked = desk.audit()
    shown = {"name": "web", "kind": "client", "environment": None, "is_revoked": False}
    assert created == AuditRow(
        id=created.id,
        at=MORNING,
        actor="ada",
        action="token.create",
        subject=f"token:{row.id}",
        reason="new service",
        after=shown,
    )
    assert (revoked.actor, revoked.action, revoked.reason) == ("bob", "token.revoke", "leaked")
    assert (revoked.before, revoked.after) == (shown, shown | {"is_revoked": True})
    assert revoked.at == MORNING + timedelta(hours=1)


def test_a_revoked_token_is_refused_here_and_at_the_edge(desk: Desk) -> None:
    row, secret = desk.service.create_token("client", "web", actor=ADA)

    revoked = desk.service.revoke(row.id, actor=ADA)

    assert revoked.revoked_at == MORNING
    assert not desk.published.knows(secret)
    with pytest.raises(AuthenticationError):
        desk.service.authenticate(secret)


@pytest.mark.parametrize("secret", ["", "ebb_admin_short", "nonsense", "ebb_admin_" + "A" * 43, "\udcff"])
def test_a_text_that_is_no_known_token_is_refused_with_a_hint(desk: Desk, secret: str) -> None:
    with pytest.raises(AuthenticationError) as caught:
        desk.service.authenticate(secret)

    assert "Bearer" in caught.value.hint


def test_a_token_that_is_too_weak_is_told_which_kind_may(desk: Desk) -> None:
    _, secret = desk.service.create_token("operator", "on call", actor=ADA)

    assert desk.service.authorize(secret, "operate").name == "on call"
    with pytest.raises(PermissionDeniedError) as caught:
        desk.service.authorize(secret, "administer")

    assert "admin" in caught.value.hint


def test_the_first_start_gives_an_admin_token_once(desk: Desk) -> None:
    handed_out: list[str] = []

    assert desk.service.ensure_admin(handed_out.append)
    assert not desk.service.ensure_admin(handed_out.append)

    (secret,) = handed_out
    assert desk.service.authorize(secret, "administer").kind == "admin"
    assert desk.published.knows(secret)
    assert [row.action for row in desk.audit()] == ["token.create"]


def test_a_first_token_that_cannot_be_handed_out_is_not_made(desk: Desk) -> None:
    def full_disk(_secret: str) -> None:
        raise StoreUnavailableError("the disk is full", hint="make room")

    with pytest.raises(StoreUnavailableError):
        desk.service.ensure_admin(full_disk)

    assert (desk.service.list(), desk.audit()) == ([], [])
    assert desk.service.ensure_admin(lambda _: None), "the next start makes another"


def test_a_list_is_read_and_published_in_one_turn(desk: Desk) -> None:
    turns: list[int] = []

    @contextmanager
    def turn() -> Iterator[None]:
        known = len(desk.published.access.tokens)
        yield
        turns.append(len(desk.published.access.tokens) - known)

    service = AccessService(desk.store, desk.clock, desk.published, publishing=turn)
    service.create_token("client", "shop", actor=ADA)

    assert turns == [1]


def test_the_last_admin_token_cannot_be_revoked(desk: Desk) -> None:
    desk.service.ensure_admin(lambda _: None)
    (first,) = desk.service.list()

    with pytest.raises(ConflictError):
        desk.service.revoke(first.id, actor=ADA)
    desk.service.create_token("admin", "second", actor=ADA)

    assert desk.service.revoke(first.id, actor=ADA).revoked_at is not None


@pytest.mark.parametrize(
    ("kind", "name", "environment"),
    [
        ("root", "a", None),
        ("client", " ", None),
        ("client", "a" * 101, None),
        ("client", "a", ""),
        ("admin", "a", "production"),
        ("operator", "a", "production"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused_and_leaves_nothing(
    desk: Desk, kind: str, name: str, environment: str | None
) -> None:
    with pytest.raises(BadRequestError):
        desk.service.create_token(kind, name, environment, actor=ADA)

    assert desk.service.list() == []
    assert desk.audit() == []


def test_revoking_an_unknown_token_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFoundError):
        desk.service.revoke("nobody", actor=ADA)


def test_a_commit_that_fails_leaves_neither_token_nor_audit_row(desk: Desk) -> None:
    desk.store.fail_next(at=FaultPoint.COMMIT)

    with pytest.raises(StoreUnavailableError):
        desk.service.create_token("server", "api", actor=ADA)

    assert desk.service.list() == []
    assert desk.audit() == []


def test_a_revocation_that_the_edge_did_not_hear_of_can_be_repeated(desk: Desk) -> None:
    row, secret = desk.service.create_token("server", "api", actor=ADA)
    desk.published.fails = True
    with pytest.raises(StoreUnavailableError):
        desk.service.revoke(row.id, actor=ADA)
    assert desk.published.knows(secret)

    desk.service.revoke(row.id, actor=ADA)

    assert not desk.published.knows(secret)
    assert len(desk.audit()) == 2
