"""Archives with reproducible bytes, and the store that keeps them by digest."""

from ebbgate.adapters.artifacts.archive import Packed, pack, tree_digest, unpack
from ebbgate.adapters.artifacts.files import FileArtifactStore

__all__ = ["FileArtifactStore", "Packed", "pack", "tree_digest", "unpack"]
