"""Where the server is, and who asks: as the host says, else as the process's environment does."""

import os
from collections.abc import Mapping

import msgspec

from ebbgate.sdk.timing import Timing

_BEARER = "bearer "


class Connection(msgspec.Struct, frozen=True):
    """url: of the edge, empty where nothing is to be connected. token: empty where there is none."""

    url: str
    token: str
    timing: Timing


def connection_of(
    url: str | None, token: str | None, timing: Timing | None, *, environ: Mapping[str, str] | None = None
) -> Connection:
    """What is given goes before EBBGATE_URL and EBBGATE_TOKEN, these before the variables of OFREP (its ADR 7).

    OFREP_ENDPOINT, OFREP_HEADERS (the token out of them) and OFREP_TIMEOUT_MS are one set-up: headers and timeout are
    read only where the endpoint is, so that no token goes to a server that it is not for. Raises nothing: a variable
    that cannot be read is as if it were not there.
    """
    environ = os.environ if environ is None else environ
    own = url or environ.get("EBBGATE_URL", "")
    endpoint = "" if own else environ.get("OFREP_ENDPOINT", "").strip()
    secret = token or environ.get("EBBGATE_TOKEN", "")
    if endpoint:
        secret = secret or _token_in(environ.get("OFREP_HEADERS", ""))
        timing = timing or _timing_of(environ.get("OFREP_TIMEOUT_MS", ""))
    return Connection(own or endpoint, secret.strip(), timing or Timing())  # a token out of a file ends with a newline


def _token_in(headers: str) -> str:
    """The token in `name=value,name=value`, which is percent-encoded as a whole."""
    if not headers:
        return ""
    from urllib.parse import unquote

    for pair in unquote(headers).split(","):
        name, _, value = pair.partition("=")
        name, value = name.strip().lower(), value.strip()
        if name == "authorization" and value[: len(_BEARER)].lower() == _BEARER:
            return value[len(_BEARER) :].strip()
        if name == "x-api-key":
            return value
    return ""


def _timing_of(milliseconds: str) -> Timing | None:
    text = milliseconds.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
        return None
    return Timing(request_timeout_s=int(text) / 1_000)
