"""A setting that cannot be used is told by the name under which it was written."""

from typing import Any

import pytest

from ebbgate.bootstrap.settings import from_sources, read_settings
from ebbgate.core.errors import BadRequestError


def refused(environ: dict[str, str] | None = None, **overrides: Any) -> BadRequestError:
    with pytest.raises(BadRequestError) as raised:
        read_settings(overrides, environ=environ or {})
    return raised.value


def test_a_variable_that_is_no_number_is_named_with_its_value() -> None:
    error = refused({"EBBGATE_SCALE": "abc"})
    assert error.message.startswith("EBBGATE_SCALE cannot be used: 'abc': ")
    assert "float" in error.message


def test_an_option_is_named_as_it_was_typed() -> None:
    assert refused(edge_port=99_999).message.startswith("--edge-port cannot be used: 99999: ")


def test_what_may_be_secret_is_named_without_its_value() -> None:
    error = refused({"EBBGATE_ARTIFACT_MAX": "0"})
    assert "EBBGATE_ARTIFACT_MAX cannot be used: '0'" in error.message
    file = {"settings.toml": {"notify": [{"name": "team", "url": 7, "secret": "hunter2"}]}}
    with pytest.raises(BadRequestError) as raised:
        from_sources(file, {}, {})
    assert raised.value.message.startswith("`notify` in settings.toml cannot be used")
    assert "hunter2" not in raised.value.message


def test_an_unknown_key_of_the_file_is_named_with_the_file_and_what_is_meant() -> None:
    with pytest.raises(BadRequestError) as raised:
        from_sources({"/etc/ebbgate.toml": {"sclae": 5}}, {}, {})
    assert raised.value.message == "/etc/ebbgate.toml has an unknown setting `sclae`"
    assert raised.value.hint.startswith("did you mean `scale`?")


def test_later_sources_go_before_earlier_ones() -> None:
    found = from_sources({"f.toml": {"scale": 2.0, "edge_port": 1}}, {"EBBGATE_SCALE": "3"}, {"edge_port": 4})
    assert (found.scale, found.edge_port) == (3.0, 4)
