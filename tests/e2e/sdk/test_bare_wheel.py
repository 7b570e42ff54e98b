"""`pip install ebbgate` alone is the SDK (issue 2): the built wheel, in a clean environment, over a live server."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]

# What a user writes who has read the guide. It prints the values that it sees, one line a value.
PROGRAM = """
import sys
import threading
import ebbgate

changed = threading.Event()
with ebbgate.Client(sys.argv[1], sys.argv[2]) as client:
    client.on("changed", lambda notice: changed.set())
    assert client.wait_ready(20), client.status
    print(client.boolean_value("old", True, {"targetingKey": "user-1"}), flush=True)
    assert changed.wait(20), client.status
    print(client.boolean_value("old", False, {"targetingKey": "user-1"}), flush=True)
    client.track("checkout", "user-1", 9.5)
    assert client.flush(10), client.status
heavy = {"asyncio", "litestar", "sqlalchemy", "duckdb", "openfeature"} & set(sys.modules)
assert not heavy, heavy
try:
    import ebbgate.sdk.openfeature
except ebbgate.EbbgateError as error:
    print(error.code, error.hint, flush=True)
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = directory.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_and_its_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {"ebbgate/__init__.py", "ebbgate/py.typed", "ebbgate/sdk/client.py"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith("tests/")]


def test_a_bare_installation_evaluates_a_pushed_flag(
    wheel: Path, live_edge: Any, a_snapshot: Any, eventually: Any, tmp_path: Path
) -> None:
    live_edge.publish(a_snapshot(1))
    live_edge.start()
    venv.create(tmp_path / "clean", with_pip=True)
    python = tmp_path / "clean" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    _run([str(python), "-m", "pip", "install", "--quiet", str(wheel)])
    listed = _run([str(python), "-m", "pip", "list", "--format=freeze"]).split()
    assert {line.partition("==")[0] for line in listed} - {"pip", "setuptools"} == {"ebbgate", "mmh3", "msgspec"}

    program = subprocess.Popen(
        [str(python), "-I", "-c", PROGRAM, live_edge.url, live_edge.token],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert program.stdout is not None
        first = program.stdout.readline().strip()
        live_edge.publish(a_snapshot(2, old="on"))
        rest, errors = program.communicate(timeout=60)
    finally:
        program.kill()
        program.communicate()

    assert program.returncode == 0, errors
    assert first == "False"
    assert rest.splitlines() == ["True", 'missing_extra Install it with: pip install "ebbgate[openfeature]"']
    assert [entry.name for entry in live_edge.entries() if getattr(entry, "name", "") == "checkout"] == ["checkout"]


def _run(command: list[str]) -> str:
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout
