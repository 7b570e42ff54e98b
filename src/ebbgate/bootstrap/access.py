"""Tokens over the data directory's files: control's service, and a way back in for who has lost every admin token."""

import os
from pathlib import Path

import msgspec

from ebbgate.adapters.snapshots import FileAccessPublisher, NoticeSender
from ebbgate.adapters.sql import SqlControlStore
from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.directory import in_turn
from ebbgate.bootstrap.settings import ServeSettings
from ebbgate.control.access import AccessService
from ebbgate.control.audit import Actor
from ebbgate.core.access.view import NewToken, TokenView
from ebbgate.core.errors import NotFoundError, PermissionDeniedError
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore


def access_service(directory: Path, store: ControlStore, clock: Clock) -> AccessService:
    """The service that publishes to the edge; in turn with other processes that do."""
    publisher = FileAccessPublisher(directory / "access.json", NoticeSender(directory / "edge.sock"))
    return AccessService(store, clock, publisher, publishing=lambda: in_turn(directory / "access.lock"))


def new_admin(settings: ServeSettings, *, name: str, reason: str) -> NewToken:
    """Make an admin token in the server's own store, whether the server runs or not; audited as this account's.

    Raises NotFoundError where no server has run, PermissionDeniedError for another account than the server's.
    """
    directory = settings.data_dir
    _check_owner(directory, directory / "access.json")
    store = SqlControlStore(settings.control_url)
    try:
        actor = Actor(name=f"local account {os.geteuid()}", reason=reason)
        row, secret = access_service(directory, store, SystemClock()).create_token("admin", name, actor=actor)
    finally:
        store.close()
    return NewToken(token=msgspec.convert(row, TokenView, from_attributes=True), secret=secret)


def _check_owner(directory: Path, access_file: Path) -> None:
    """Files that another account makes could not be read by the server, which would then serve nobody."""
    try:
        owner = access_file.stat().st_uid
    except PermissionError as error:
        raise PermissionDeniedError(
            f"{directory} cannot be read by this account", hint="run this as the account that runs the server"
        ) from error
    except OSError as error:
        raise NotFoundError(
            f"no server has run on {directory}", hint="name the server's data directory with --data"
        ) from error
    if owner != os.geteuid():
        raise PermissionDeniedError(
            f"{directory} belongs to account {owner}, this is account {os.geteuid()}",
            hint=f"run it as the account that runs the server: sudo -u '#{owner}' ebbgate token new-admin ...",
        )
