"""The control plane: one service a noun, and the reconcile loop. Services hold ports and read like recipes."""
