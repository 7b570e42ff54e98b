"""The control API: decode, call one service, encode."""
