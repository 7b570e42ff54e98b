"""Deploy targets: a directory of this machine, or whatever a command does."""

from ebbgate.adapters.deploy.local import LocalDeployer

__all__ = ["LocalDeployer"]
