"""Who the client is in its process, and what looks wrong about that before anything is connected."""

import os
from collections.abc import Callable
from itertools import count

_NAME_MAX = 128
_PEOPLES_TOKENS = ("ebb_operator_", "ebb_admin_")  # the command line reads EBBGATE_TOKEN, too


def process_name(given: str | None) -> str:
    """The name that people see: the one given, else host and process id."""
    return (given or f"{_host()}:{os.getpid()}")[:_NAME_MAX]


def a_chance() -> Callable[[], float]:
    """Numbers in [0, 1), seeded by the system."""
    from random import Random

    return Random().random


def id_maker() -> Callable[[], str]:
    """Gives ids of 96 random bits, the same for all, and a number: unique like UUIDs, and several times cheaper."""
    prefix, numbers = os.urandom(12).hex(), count()
    return lambda: f"{prefix}-{next(numbers):x}"


def doubt_of(url: str, token: str, *, is_url_given: bool) -> str:
    """What the host should hear of its set-up, empty where nothing looks wrong.

    url, token: in force. is_url_given: by the caller, so that an empty one is meant.
    """
    if not url and not is_url_given:
        return "no url is given, and neither EBBGATE_URL nor OFREP_ENDPOINT is set: nothing is connected"
    if url and token.startswith(_PEOPLES_TOKENS):
        kind = token.split("_")[1]
        return f"the token (EBBGATE_TOKEN) is of kind {kind}, which is for people: make one of kind server for an app"
    return ""


def _host() -> str:
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "host")
