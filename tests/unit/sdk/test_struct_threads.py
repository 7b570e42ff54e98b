"""What an application imports builds its decoders while it is imported, by one thread.

msgspec 0.22 ends the process (SIGSEGV) when several threads are the first to read a type, and an application may well
start several clients at once.
"""

import ast
from pathlib import Path

import pytest

import ebbgate

ROOT = Path(ebbgate.__file__).parent
FILES = sorted([*(ROOT / "sdk").glob("*.py"), *(ROOT / "core" / "flags").glob("*.py")])
READERS = ("msgspec.json.decode", "msgspec.msgpack.decode")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_type_is_read_for_the_first_time_by_whichever_thread_comes_first(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in READERS
        and any(word.arg == "type" for word in node.keywords)
    ]
    assert not lazy, "build a Decoder beside the type instead"
