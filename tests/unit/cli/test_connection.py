"""Where the server is, and which token it gets to see."""

import pytest

from ebbgate.cli.connection import DEFAULT_URL, KeptLogin, find_target, open_client
from ebbgate.core.access import make_token
from ebbgate.core.errors import PermissionDeniedError

KEPT = KeptLogin(url="http://kept:8121", token="kept-token")
ENVIRON = {"EBBGATE_CONTROL_URL": "http://environ:8121", "EBBGATE_TOKEN": "environ-token"}


def test_options_outrank_the_environment_and_the_environment_outranks_the_login() -> None:
    by_option = find_target("http://option", "option-token", environ=ENVIRON, kept=KEPT)
    assert (by_option.url, by_option.token) == ("http://option", "option-token")
    by_environ = find_target(None, None, environ=ENVIRON, kept=KEPT)
    assert (by_environ.url, by_environ.token) == ("http://environ:8121", "environ-token")
    by_login = find_target(None, None, environ={}, kept=KEPT)
    assert (by_login.url, by_login.token, by_login.token_from) == ("http://kept:8121", "kept-token", "login")


def test_the_kept_token_is_never_sent_to_another_server() -> None:
    assert find_target("http://elsewhere", None, environ={}, kept=KEPT).token == ""
    assert find_target(None, None, environ={"EBBGATE_CONTROL_URL": "http://elsewhere"}, kept=KEPT).token == ""


def test_the_kept_server_is_the_same_with_and_without_a_last_slash() -> None:
    assert find_target("http://kept:8121/", None, environ={}, kept=KEPT).token == "kept-token"


def test_without_anything_the_server_is_on_this_machine_and_there_is_no_token() -> None:
    found = find_target(None, None, environ={}, kept=KeptLogin())
    assert (found.url, found.url_from, found.token, found.token_from) == (DEFAULT_URL, "default", "", "nowhere")


def test_an_applications_token_is_told_from_a_persons_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EBBGATE_TOKEN", make_token("server", bytes(32)))
    with pytest.raises(PermissionDeniedError, match="EBBGATE_TOKEN is of kind server") as refused:
        open_client("http://127.0.0.1:9", None)
    assert "SDKs" in refused.value.hint
