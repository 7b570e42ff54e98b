"""Tokens: shape, hash, kinds and lookup."""

import pytest

from ebbgate.core.access import (
    AccessList,
    StoredToken,
    TokenDirectory,
    decode_access,
    encode_access,
    kind_of,
    kinds_that_may,
    make_token,
    may,
    token_sha256,
)
from ebbgate.core.errors import BadRequestError

TOKEN = make_token("server", bytes(range(32)))


def a_stored(token: str, *, is_revoked: bool = False) -> StoredToken:
    return StoredToken(id="t1", kind="server", sha256=token_sha256(token), is_revoked=is_revoked)


def test_a_token_names_its_kind_and_carries_43_characters_of_entropy() -> None:
    assert TOKEN.startswith("ebb_server_")
    assert len(TOKEN.removeprefix("ebb_server_")) == 43
    assert kind_of(TOKEN) == "server"


@pytest.mark.parametrize("text", ["", "ebb_server_", "ebb_root_" + "a" * 43, TOKEN + "a", TOKEN + "\n", " " + TOKEN])
def test_what_is_no_token_has_no_kind(text: str) -> None:
    assert kind_of(text) is None


def test_a_token_is_found_by_its_text_alone_and_its_text_is_not_kept() -> None:
    access = AccessList(tokens=(a_stored(TOKEN),))
    found = TokenDirectory(access).find(TOKEN.encode())
    assert found is not None
    assert found.id == "t1"
    assert TokenDirectory(access).find(TOKEN + "x") is None
    assert TokenDirectory(access).find(found.sha256) is None
    assert TOKEN.encode() not in encode_access(access)


def test_a_revoked_token_is_not_found() -> None:
    assert TokenDirectory(AccessList(tokens=(a_stored(TOKEN, is_revoked=True),))).find(TOKEN) is None


def test_text_that_is_not_unicode_is_no_token_and_no_error() -> None:
    assert TokenDirectory(AccessList()).find(b"\xff\xfe") is None
    assert TokenDirectory(AccessList()).find("\ud800") is None


def test_the_access_list_survives_the_file() -> None:
    access = AccessList(tokens=(a_stored(TOKEN),))
    assert decode_access(encode_access(access)) == access


@pytest.mark.parametrize("data", [b"", b"{}x", b'{"tokens": [{"id": "a"}]}', b"\xff"])
def test_an_access_list_that_cannot_be_read_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequestError):
        decode_access(data)


def test_the_two_ladders_do_not_cross() -> None:
    assert kinds_that_may("evaluate") == ("client", "server", "admin")
    assert kinds_that_may("read_snapshot") == ("server", "operator", "admin")
    assert kinds_that_may("read_metrics") == ("operator", "admin")
    assert kinds_that_may("opt_self") == ("client", "server", "admin")
    assert kinds_that_may("operate") == ("operator", "admin")
    assert kinds_that_may("administer") == ("admin",)
    assert not may("server", "operate")
    assert not may("operator", "send_events")
