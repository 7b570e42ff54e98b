"""Where the server is, and with which token: by options, else the environment, else what `ebbgate login` keeps."""

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ebbgate.core.access import kind_of
from ebbgate.core.errors import AuthenticationError, BadRequestError, PermissionDeniedError

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

DEFAULT_URL = "http://127.0.0.1:8121"
_OF_APPLICATIONS = ("client", "server")  # kinds that the control API lets do nothing a command does
URL_VARIABLE, TOKEN_VARIABLE = "EBBGATE_CONTROL_URL", "EBBGATE_TOKEN"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """url: of the control API. token: empty where there is none. *_from: where each was found, for people."""

    url: str
    token: str
    url_from: str
    token_from: str


class KeptLogin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `ebbgate login` keeps."""

    url: str = ""
    token: str = ""


def config_path(environ: Mapping[str, str] | None = None) -> Path:
    """`~/.config/ebbgate/config.toml`, or where XDG_CONFIG_HOME says."""
    environ = os.environ if environ is None else environ
    home = environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "ebbgate" / "config.toml"


def find_target(url: str | None, token: str | None, *, environ: Mapping[str, str], kept: KeptLogin) -> Target:
    """Pure. The kept token is sent to the kept URL only: another server must not get to see it."""
    found_url, url_from = _first(
        (url, "--url"), (environ.get(URL_VARIABLE), URL_VARIABLE), (kept.url, "login"), (DEFAULT_URL, "default")
    )
    is_kept = kept.url.rstrip("/") == found_url.rstrip("/")
    found_token, token_from = _first(
        (token, "--token"), (environ.get(TOKEN_VARIABLE), TOKEN_VARIABLE), (kept.token if is_kept else "", "login")
    )
    return Target(url=found_url, token=found_token, url_from=url_from, token_from=token_from)


def _first(*found: tuple[str | None, str]) -> tuple[str, str]:
    return next(((value, source) for value, source in found if value), ("", "nowhere"))


def target(url: str | None, token: str | None) -> Target:
    """By options, environment and file. Raises BadRequestError for a file that cannot be used."""
    return find_target(url, token, environ=os.environ, kept=read_login(config_path()))


def open_client(url: str | None, token: str | None) -> "ControlClient":
    """A client of the control API. Raises AuthenticationError where there is no token, PermissionDeniedError for one of
    an application.
    """
    from ebbgate.client import ControlClient

    found = target(url, token)
    if not found.token:
        raise AuthenticationError(
            f"there is no token for {found.url}",
            hint=f"run `ebbgate login`, set {TOKEN_VARIABLE}, or give --token; the server's first start prints one",
        )
    if kind_of(found.token) in _OF_APPLICATIONS:
        raise PermissionDeniedError(
            f"the token of {found.token_from} is of kind {kind_of(found.token)}, which is for applications",
            hint=f"SDKs read {TOKEN_VARIABLE}, too: give --token with your own, or unset it and run `ebbgate login`",
        )
    return ControlClient(found.url, found.token)


def read_login(path: Path) -> KeptLogin:
    """What is kept; nothing where nobody has logged in. Raises BadRequestError."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise BadRequestError(f"{path} can be read by others", hint=f"chmod 600 {path}; it holds a token")
            return msgspec.convert(tomllib.load(file), KeptLogin)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return KeptLogin()
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise BadRequestError(f"{path} cannot be read: {error}", hint="delete it and run `ebbgate login`") from error


def write_login(path: Path, kept: KeptLogin) -> None:
    """Keep it, readable by its owner alone. Raises BadRequestError."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in msgspec.structs.asdict(kept).items()]
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        new.replace(path)
    except OSError as error:
        raise BadRequestError(
            f"{path} cannot be written: {error.strerror or error}",
            hint=f"set {URL_VARIABLE} and {TOKEN_VARIABLE} instead, or set XDG_CONFIG_HOME",
        ) from error
