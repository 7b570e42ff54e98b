"""The server's settings: one frozen struct from defaults, a TOML file, then EBBGATE_* variables; unknown keys are
refused.
"""

import os
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from ebbgate.core.alerts import ChannelRule
from ebbgate.core.errors import BadRequestError

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
LogLevel = Literal["debug", "info", "warning", "error"]
PREFIX = "EBBGATE_"
FILE_VARIABLE = "EBBGATE_SETTINGS"
_LISTS = ("cors_origins", "environments")  # separated by commas in a variable


class Role(StrEnum):
    """What a server process does (RULES I3)."""

    ALL = "all"  # supervises the other two
    EDGE = "edge"
    CONTROL = "control"


class ServeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `ebbgate serve`.

    data_dir: holds everything that is stored. edge_port, control_port: 0 picks a free one and writes it to
    `<role>.port` in the data
    directory. scale: plan seconds for one machine second (RULES A1); stored at the first start, and fixed from then on.
    store_url: of the control store; empty = SQLite in the data directory. admin_token_file: where the first start
    also writes the
    one-time admin token (0600), instead of printing it. cors_origins: of web pages that may use OFREP and send events
    with a client token; `*` for all. public_url: of the edge as clients see it, where that is not what they call.
    grpc_port: of flagd's gRPC services at the edge; None = none, 0 picks a free one. grpc_without_token: its calls
    need none.
    notify: channels for people, each with a `name`, an Apprise `url`, and the `topics` and least severity (`at_least`)
    that it wants; in the variable: URLs separated by blanks, each of which wants everything.
    artifact_max: bytes of one archive of a release.
    end_at: end the process at a named step of the loop
    (`committed` or `committed:3`),
    for drills and tests.
    """

    data_dir: Path = Path(".ebbgate")
    role: Role = Role.ALL
    host: str = "127.0.0.1"
    edge_port: Port = 8120
    control_port: Port = 8121
    scale: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    environments: tuple[str, ...] = ("production",)
    log_level: LogLevel = "info"
    store_url: str = ""
    admin_token_file: Path | None = None
    cors_origins: tuple[str, ...] = ()
    public_url: str = ""
    grpc_port: Port | None = None
    grpc_without_token: bool = False
    notify: tuple[ChannelRule, ...] = ()
    artifact_max: Annotated[int, msgspec.Meta(ge=1)] = 1_000_000_000
    end_at: str = ""

    @property
    def control_url(self) -> str:
        return self.store_url or f"sqlite:///{self.data_dir.absolute() / 'control.db'}"


_NAMES = tuple(field.name for field in msgspec.structs.fields(ServeSettings))
_KNOWN = ", ".join(sorted(_NAMES))
_SECRET = ("notify", "store_url")
"""Whose values are never repeated: their URLs hold secrets."""


def read_settings(overrides: Mapping[str, Any], *, environ: Mapping[str, str] | None = None) -> ServeSettings:
    """Settings with `overrides` (those that are not None) on top. Raises BadRequestError naming the key and the
    mend.
    """
    environ = os.environ if environ is None else environ
    path = environ.get(FILE_VARIABLE)
    return from_sources({path: _read_file(Path(path))} if path else {}, environ, overrides)


def from_sources(
    files: Mapping[str, Mapping[str, Any]], environ: Mapping[str, str], overrides: Mapping[str, Any]
) -> ServeSettings:
    """Settings from what files hold (by their paths), then from variables, then from options. Raises BadRequestError.

    Names in errors are those under which a setting was written.
    """
    found: dict[str, Any] = {}
    written: dict[str, str] = {}
    for path, values in files.items():
        if unknown := [key for key in values if key not in _NAMES]:
            raise _unknown(path, unknown[0])
        found |= values
        written |= {name: f"`{name}` in {path}" for name in values}
    for name in _NAMES:
        if (value := environ.get(variable := PREFIX + name.upper())) is not None:
            found[name] = _channels(value) if name == "notify" else value.split(",") if name in _LISTS else value
            written[name] = variable
    for name, value in overrides.items():
        if value is not None:
            found[name], written[name] = value, f"--{name.replace('_', '-')}"
    settings = _converted(found, written)
    named = [channel.name for channel in settings.notify]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise BadRequestError(f"two channels have the name {twice[0]!r}", hint="give each of `notify` its own name")
    return settings


def _converted(found: Mapping[str, Any], written: Mapping[str, str]) -> ServeSettings:
    try:
        return msgspec.convert(dict(found), ServeSettings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        for name, value in found.items():  # one at a time, as the error of all says no more than a path
            try:
                msgspec.convert({name: value}, ServeSettings, strict=False, dec_hook=_decode)
            except msgspec.ValidationError as one:
                what = "" if name in _SECRET else f"{value!r}: "
                reason = str(one).partition(" - at ")[0]
                raise BadRequestError(
                    f"{written.get(name, name)} cannot be used: {what}{reason}", hint=f"settings are: {_KNOWN}"
                ) from error
        raise BadRequestError(f"a setting cannot be used: {error}", hint=f"settings are: {_KNOWN}") from error


def _unknown(path: str, key: str) -> BadRequestError:
    close = get_close_matches(key, _NAMES, n=1)
    meant = f"did you mean `{close[0]}`? " if close else ""
    return BadRequestError(f"{path} has an unknown setting `{key}`", hint=f"{meant}settings are: {_KNOWN}")


def _channels(urls: str) -> list[dict[str, str]]:
    """Channels by their URLs alone: named by service, numbered where there are several."""
    services = [url.partition(":")[0] for url in urls.split()]
    names = [
        service if services.count(service) == 1 else f"{service}-{services[: index + 1].count(service)}"
        for index, service in enumerate(services)
    ]
    return [{"name": name, "url": url} for name, url in zip(names, urls.split(), strict=True)]


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadRequestError(f"settings file {path} cannot be read: {error}", hint=f"see {FILE_VARIABLE}") from error


def _decode(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(f"no way to read {kind}")


def encode_hook(value: Any) -> Any:
    """How paths go into JSON."""
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"no way to write {type(value)}")
