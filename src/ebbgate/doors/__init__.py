"""The product driven by JSON lines: one module a door, run with `python -m`."""
