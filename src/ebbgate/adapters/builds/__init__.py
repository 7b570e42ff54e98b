"""Building where the repository is: git, a disposable checkout, commands, papers."""

from ebbgate.adapters.builds.builder import LocalBuilder
from ebbgate.adapters.builds.repository import GitRepository
from ebbgate.adapters.builds.sbom import bill_of_materials
from ebbgate.adapters.builds.signing import sign, verify_signature

__all__ = ["GitRepository", "LocalBuilder", "bill_of_materials", "sign", "verify_signature"]
