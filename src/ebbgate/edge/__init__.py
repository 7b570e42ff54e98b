"""The data plane: OFREP, snapshots and their streams, event intake. Plain ASGI; it knows no rollout."""
