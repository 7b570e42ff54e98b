"""The typed client of the control API."""
