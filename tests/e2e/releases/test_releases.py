"""A commit becomes a release, a release becomes what answers, and the client's tree is never touched (issue 5)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ebbgate.bootstrap.settings import Role
from ebbgate.demo.server import LocalServer


def test_from_commits_to_releases_and_back(
    serve: Callable[..., LocalServer], bench: Callable[[LocalServer], Any]
) -> None:
    server = serve()
    work = bench(server)
    nothing_is_left_of_a_failure(work)
    first = work.build("--no-tag", "--version", "v0.0.1")
    again = work.build()
    assert again["artifact"] == first["artifact"], "two builds of one commit give the same bytes"
    assert again["tag"] == "v0.1.0"
    assert work.git("cat-file", "-t", "v0.1.0").strip() == "tag", "annotated"
    assert (work.git("status", "--porcelain"), work.git("worktree", "list").count("\n")) == ("", 1)

    status, done = work.deploy("v0.1.0")
    assert (status, done["status"], done["proof"]) == (0, "done", "fresh_process")
    assert (work.current, work.served()["text"]) == ("tiny@v0.1.0", "one")

    work.commit("sick", "fix: two")
    assert work.build()["version"] == "v0.1.1"
    status, failed = work.deploy("v0.1.1")
    assert (status, failed["status"], failed["previous"]) == (1, "failed", "tiny@v0.1.0")
    assert (work.current, work.served()["text"]) == ("tiny@v0.1.0", "one")

    (work.repository / "text").write_text("dirty")
    status, refused = work.run("release", "build")
    assert (status, refused["error"]["code"]) == (1, "repository_refused")
    work.git("checkout", "-q", "text")

    the_store_is_watched(work, server, again["artifact"]["digest"])
    assert work.git("status", "--porcelain") == ""


def the_store_is_watched(work: Any, server: LocalServer, digest: str) -> None:
    """A changed byte, lost bytes, a moved tag (issue 5, acceptance 5)."""
    name = digest.removeprefix("sha256:")
    blob = server.data_dir / "artifacts" / "sha256" / name[:2] / name
    good = blob.read_bytes()
    for harm in (good[:-1] + b"!", None):
        if harm is None:
            blob.unlink()
        else:
            blob.write_bytes(harm)
        (work.deployed / "releases" / "tiny@v0.1.0" / "dist" / "text").write_text("one, changed")
        status, failed = work.deploy("v0.1.0")
        assert (status, failed["status"], failed["events"][-1]["step"]) == (1, "failed", "fetch")
        status, found = work.run("release", "verify", "v0.1.0")
        assert (status, [one["what"] for one in found["findings"] if not one["is_good"]]) == (1, ["archive"])

    rebuilt = work.build("--rebuild", "v0.1.0", "--reason", "the disk failed")
    assert [mark["is_same"] for mark in rebuilt["rebuilds"]] == [True]
    assert work.run("release", "verify", "v0.1.0")[0] == 0
    assert work.deploy("v0.1.0")[0] == 0
    assert (work.current, work.served()["text"]) == ("tiny@v0.1.0+2", "one"), "beside the changed folder"

    work.git("tag", "-f", "-a", "v0.1.0", "-m", "moved", "HEAD")
    status, found = work.run("release", "verify", "v0.1.0")
    assert status == 1
    (moved,) = [one["text"] for one in found["findings"] if not one["is_good"]]
    assert moved.startswith("v0.1.0 was moved")


def nothing_is_left_of_a_failure(work: Any) -> None:
    """A failed command and a budget that is not met leave neither release nor tag."""
    plan = work.repository / "ebbgate.yaml"
    good = plan.read_text()
    for old, new, told in (
        ("echo junk > junk", "echo almost; exit 3", "`echo almost; exit 3` ended with status 3"),
        ("100KB", "10B", "a budget is not met"),
    ):
        plan.write_text(good.replace(old, new))
        work.git("commit", "-q", "-a", "-m", "break it")
        status, refused = work.run("release", "build")
        assert (status, refused["error"]["code"]) == (1, "build_failed")
        assert told in refused["error"]["message"]
    assert work.run("release", "list") == (0, [])
    assert (work.git("tag"), work.git("status", "--porcelain")) == ("", "")
    plan.write_text(good)
    work.git("commit", "-q", "-a", "-m", "mend it")


def test_a_kill_in_the_middle_of_a_deployment_leaves_a_whole_release_and_the_next_start_goes_on(
    tmp_path: Path, bench: Callable[[LocalServer], Any], eventually: Callable[..., None]
) -> None:
    """Issue 5, acceptance 4."""
    with LocalServer(tmp_path / "data", end_at="deploy.switch.acted") as server:
        work = bench(server)
        work.build()
        killed = server.pid(Role.CONTROL)
        status, asked = work.run("release", "deploy", "v0.1.0", "--reason", "test", "--no-wait", "--key", "once")
        assert status == 0
        server.wait_restarted(Role.CONTROL, killed)
        eventually(lambda: work.run("release", "list")[0] == 0, "control to answer again")
        status, done = work.run("release", "deploy", "v0.1.0", "--reason", "test", "--key", "once")
        assert (status, done["id"], done["status"]) == (0, asked["id"], "done")
        assert any("went on after a stop, at switch" in event["text"] for event in done["events"])
        assert (work.current, work.served()["text"]) == ("tiny@v0.1.0", "one")
