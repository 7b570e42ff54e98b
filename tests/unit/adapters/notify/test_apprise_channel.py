"""A channel's URL holds secrets: no log line has any of them."""

import logging

import pytest

from ebbgate.adapters.notify.apprise_channel import AppriseChannel, without_secrets
from ebbgate.core.alerts import ChannelRule

URL = "slakc://hunter2secret/abc/def"


def test_a_mistyped_url_is_told_by_the_channel_s_name_without_its_secret(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        channel = AppriseChannel(ChannelRule(name="team", url=URL))
    printed = "".join(capfd.readouterr())
    assert "hunter2" not in printed + caplog.text
    assert "team" in printed
    assert "EBBGATE_NOTIFY" in printed
    assert channel.problem == "Apprise cannot read its URL (slakc://...)"


def test_what_a_service_said_is_told_without_the_parts_of_its_url() -> None:
    said = ": cannot reach https://hooks.example.com/T0000/s3cr%20et for s3cr et"
    assert (
        without_secrets(said, "https://hooks.example.com/T0000/s3cr%20et")
        == ": cannot reach https://***/***/*** for ***"
    )
