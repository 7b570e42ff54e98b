"""Issue acceptance: what the import contracts and RULES A3 forbid makes `make check` fail, tried on a copy."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def plant(copy: Path, file: str, line: str) -> None:
    path = copy / "src" / "ebbgate" / file
    path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")


def status(copy: Path, *command: str) -> int:
    environment = {**os.environ, "PYTHONPATH": str(copy / "src")}
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    print(done.stdout[-3000:], done.stderr[-2000:])
    return done.returncode


def test_the_copy_itself_keeps_the_rules(copy: Path) -> None:
    assert status(copy, "lint-imports", "--no-cache") == 0
    assert status(copy, "ruff", "check", "src") == 0


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("core/errors.py", "import sqlalchemy  # noqa"),
        ("edge/settings.py", "from ebbgate.control import rollouts  # noqa"),
        ("control/loop.py", "from ebbgate.adapters import sql  # noqa"),
        ("sdk/timing.py", "import httpx  # noqa"),
    ],
)
def test_a_forbidden_import_breaks_a_contract(copy: Path, file: str, line: str) -> None:
    plant(copy, file, line)
    assert status(copy, "lint-imports", "--no-cache") != 0


@pytest.mark.parametrize(
    ("file", "lines"),
    [
        ("control/loop.py", "import time\n\nSTARTED = time.time()"),
        ("core/clock.py", "NOW = datetime.now()"),
        ("edge/settings.py", "import asyncio\n\nNAP = asyncio.sleep"),
    ],
)
def test_a_clock_outside_the_two_modules_is_refused(copy: Path, file: str, lines: str) -> None:
    plant(copy, file, lines)
    assert status(copy, "ruff", "check", "--select", "TID251", "src") != 0


def test_a_new_folder_must_be_placed(copy: Path) -> None:
    (copy / "src" / "ebbgate" / "somewhere").mkdir()
    (copy / "src" / "ebbgate" / "somewhere" / "__init__.py").write_text("", encoding="utf-8")
    assert status(copy, "lint-imports", "--no-cache") != 0
