"""The control API: decode, call one service, encode."""

from ebbgate.api.app import create_app

__all__ = ["create_app"]
