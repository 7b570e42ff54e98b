"""The copy on disk, the imports that a fresh process makes, and the guide."""

import inspect
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ebbgate.sdk.client import Client
from ebbgate.sdk.clock import SdkClock
from ebbgate.sdk.disk import DiskCopy, StoredSnapshot
from ebbgate.sdk.holder import SnapshotHolder
from ebbgate.sdk.kills import KillList
from ebbgate.sdk.timing import Timing


def test_a_copy_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    copy = DiskCopy(tmp_path / "a" / "b", "pro/duction ü")
    assert copy.load() is None
    copy.save(b'{"x":\n1}', 1_700_000_000.25, is_durable=True)
    assert copy.load() == StoredSnapshot(b'{"x":\n1}', 1_700_000_000.25)
    assert [file.name for file in (tmp_path / "a" / "b").iterdir()] == ["pro%2fduction%20ü.snapshot"]
    assert Path(copy.path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["torn", "changed", "older", "empty", "foreign"])
def test_a_damaged_copy_is_no_copy(tmp_path: Path, damage: str) -> None:
    copy = DiskCopy(tmp_path, "production")
    copy.save(b'{"version": 1}', 1_700_000_000.0, is_durable=False)
    good = Path(copy.path).read_bytes()
    bad = {
        "torn": good[:-3],
        "changed": good.replace(b'"version": 1', b'"version": 2'),
        "older": good.replace(b"1700000000", b"1800000000"),  # a lease cannot be lengthened by hand
        "empty": b"",
        "foreign": b"\x00" * 100,
    }[damage]
    Path(copy.path).write_bytes(bad)
    assert copy.load() is None


def test_drafts_of_killed_processes_are_removed_at_the_next_start(tmp_path: Path, connect: Any) -> None:
    DiskCopy(tmp_path, "production").save(b"{}", 1_700_000_000.0, is_durable=False)
    with subprocess.Popen([sys.executable, "-c", ""]) as killed:
        killed.wait()
    gone = [f"production.snapshot.{process}.0a1b2c3d" for process in (killed.pid, os.getpid())]
    kept = [f"production.snapshot.{os.getppid()}.0a1b2c3d", "staging.snapshot.1.0a1b2c3d", "production.snapshot.notes"]
    for name in (*gone, *kept):
        (tmp_path / name).write_text("")
    connect(url="", cache_dir=tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"production.snapshot", *kept}


def test_a_client_starts_over_a_copy_that_is_no_snapshot(tmp_path: Path, connect: Any) -> None:
    DiskCopy(tmp_path, "production").save(b'{"version": "one"}', 1_700_000_000.0, is_durable=False)
    client = connect(url="", cache_dir=tmp_path)
    assert client.boolean_value("old", True) is True
    assert "copy on disk" in client.status.last_error


def test_a_disk_that_cannot_be_written_is_told_and_nothing_else(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    edge.publish(a_snapshot(1, old="on"))
    client = connect(cache_dir=tmp_path / "file" / "below")
    assert client.wait_ready(5)
    assert client.boolean_value("old", False) is True
    eventually(lambda: "cannot be written" in (client.status.last_error or ""))


def test_a_kill_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "kill"
    kills = KillList("always=off", str(file))
    assert kills.kills == {"always": "off"}
    assert not kills.refresh()
    file.write_text("a, b=on\n# c\nd # why\n")
    assert kills.refresh()
    assert not kills.refresh()
    assert kills.kills == {"a": None, "b": "on", "d": None, "always": "off"}
    file.write_bytes(b"\xff\xfe")
    assert not kills.refresh()  # unreadable: the last kills stay
    assert "a" in kills.kills
    file.unlink()
    assert kills.refresh()
    assert kills.kills == {"always": "off"}


@pytest.mark.parametrize("module", ["ebbgate", "ebbgate.sdk.client"])
def test_importing_the_sdk_stays_light(module: str) -> None:
    heavy = {"asyncio", "ssl", "http.server", "http.client", "openfeature", "sqlalchemy", "email", "logging"}
    program = f"import sys, {module}\nprint(*sorted({heavy!r} & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.split() == []


def test_importing_ebbgate_alone_loads_no_part_of_it() -> None:
    program = "import sys, ebbgate\nprint([name for name in sys.modules if name.startswith('ebbgate.')])"
    found = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "[]"


def test_the_provider_names_the_extra_that_is_missing() -> None:
    program = (
        "import sys\nsys.modules['openfeature'] = None\n"
        "from ebbgate.core.errors import MissingExtraError\n"
        "try:\n    import ebbgate.sdk.openfeature\n"
        "except MissingExtraError as error:\n    print(error.hint)\n"
    )
    found = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert 'pip install "ebbgate[openfeature]"' in found.stdout


def test_the_guide_names_every_setting_with_its_default() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guides" / "python-sdk.md").read_text(encoding="utf-8")
    for field in msgspec.structs.fields(Timing):
        assert f"`{field.name}` {field.default:,g}" in " ".join(guide.split()), field.name
    for setting in list(inspect.signature(Client).parameters):
        assert setting in guide, setting


def test_a_kill_file_with_a_byte_order_mark_kills_and_an_unreadable_one_is_told(tmp_path: Path) -> None:
    """Editors of some systems write the mark; a kill that silently does nothing is the worst of answers."""
    marked, unreadable = tmp_path / "marked", tmp_path / "unreadable"
    marked.write_text("new\n", encoding="utf-8-sig")
    unreadable.write_text("new\n", encoding="utf-16")
    assert dict(KillList("", str(marked)).kills) == {"new": None}
    client = Client("", "", kill_file=str(unreadable))
    assert "cannot be read" in (client.status.last_error or "")
    client.close(timeout=0)


def test_two_threads_that_save_leave_the_newest_snapshot(tmp_path: Path, a_snapshot: Any) -> None:
    """The heartbeat saves, too: with what it read before a push it must not overwrite what the push saved."""
    is_saving, may_go_on = threading.Event(), threading.Event()

    class SlowOnce(DiskCopy):
        def save(self, data: bytes, contact_at: float, *, is_durable: bool) -> None:
            if not is_saving.is_set():
                is_saving.set()
                may_go_on.wait(5)
            super().save(data, contact_at, is_durable=is_durable)

    holder = SnapshotHolder(
        environment="production",
        clock=SdkClock(),
        timing=Timing(),
        kills=KillList("", None),
        disk=SlowOnce(tmp_path, "production"),
    )
    holder.receive(a_snapshot(7))
    threads = [threading.Thread(target=holder.save) for _ in range(2)]
    threads[0].start()
    is_saving.wait(5)
    holder.receive(a_snapshot(8))
    threads[1].start()
    threads[1].join(0.2)  # without a lock it is through by now
    may_go_on.set()
    for thread in threads:
        thread.join(5)
    stored = DiskCopy(tmp_path, "production").load()
    assert stored is not None
    assert stored.data == a_snapshot(8)
