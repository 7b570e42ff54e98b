"""Building in a real repository: a clean checkout, what a build sees, what it leaves, and the papers."""

import json
import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ebbgate.adapters.artifacts import pack, tree_digest, unpack
from ebbgate.adapters.builds import GitRepository, LocalBuilder, bill_of_materials, sign, verify_signature
from ebbgate.adapters.builds.checkout import checkout
from ebbgate.adapters.builds.dependencies import installed
from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.core.errors import BadRequestError, BuildError, ConflictError
from ebbgate.core.releases import BuildTerms, Manifest

NOTE = {
    "packages": {
        "": {"name": "root"},
        "node_modules/a": {"version": "1.0.0", "integrity": "sha512-AAAA", "resolved": "https://example.com/a.tgz"},
        "node_modules/@s/b": {"version": "2.0.0", "dev": True},
        "node_modules/@s/b/node_modules/a": {"version": "0.9.0"},
        "node_modules/linked": {"link": True, "resolved": "linked"},
    }
}

NPM = """#!/bin/sh
mkdir -p dist; echo x > dist/x
[ "$1" = rewrites ] && echo y > package-lock.json
true
"""


class Yard:
    """A repository with one commit."""

    def __init__(self, top: Path) -> None:
        self.top, self.root = top, top / "repository"
        self.root.mkdir()
        self.git("init", "-q")
        (self.root / "text").write_text("one")
        self.commit("feat: one")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
        command = ["git", "-C", str(self.root), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def commit(self, message: str) -> None:
        self.git("add", ".")
        self.git("commit", "-q", "-m", message)

    def build(self, *run: str, keep: str = "dist", environ: dict[str, str] | None = None, **fields: Any) -> Any:
        repository = GitRepository(self.root)
        builder = LocalBuilder(
            repository, SystemClock(), cache=self.top / "cache", environ={"PATH": os.environ["PATH"], **(environ or {})}
        )
        self.lines: list[str] = []
        work = self.top / "work"
        work.mkdir(exist_ok=True)
        terms = BuildTerms(run=run, keep=(keep,), **fields)
        return builder.build(repository.resolve("HEAD"), terms, work=work, progress=self.lines.append)

    def kept(self, built: Any) -> dict[str, str]:
        into = self.top / "unpacked"
        into.mkdir()
        unpack(built.archive, into)
        return {path.relative_to(into).as_posix(): path.read_text() for path in into.rglob("*") if path.is_file()}


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def test_a_build_that_dirties_its_tree_gives_the_same_bytes_twice_and_leaves_nothing(yard: Yard) -> None:
    make = "mkdir dist && cp text dist/ && pwd > dist/place && echo junk > text"
    first, second = yard.build(make), yard.build(make)
    assert first.artifact == second.artifact
    assert (yard.git("status", "--porcelain"), yard.git("worktree", "list").count("\n")) == ("", 1)
    assert not list((yard.top / "cache").glob("*/checkout"))


def test_a_build_sees_the_variables_that_are_listed_and_no_other(yard: Yard) -> None:
    mine = {"SECRET": "s", "npm_config_registry": "r", "CI": "yes", "EBBGATE_TOKEN": "t"}
    built = yard.build("mkdir dist && env > dist/env", environ=mine, env={"MODE": "x"}, pass_env=("CI",))
    seen = dict(line.partition("=")[::2] for line in yard.kept(built)["dist/env"].splitlines())
    assert {"npm_config_registry": "r", "CI": "yes", "MODE": "x", "TZ": "UTC"}.items() <= seen.items()
    assert not {"SECRET", "EBBGATE_TOKEN", "GIT_DIR"} & seen.keys()
    assert seen["npm_config_cache"] == str(yard.top / "cache" / "npm")


def test_output_is_live_and_a_failure_names_the_command_with_its_last_lines(yard: Yard) -> None:
    with pytest.raises(BuildError, match="ended with status 3") as caught:
        yard.build("echo out of memory >&2; exit 3")
    assert "out of memory" in caught.value.message
    assert yard.lines == ["$ echo out of memory >&2; exit 3", "out of memory"]
    with pytest.raises(BuildError, match="took longer"):
        yard.build("sleep 9", timeout=timedelta(milliseconds=200))
    with pytest.raises(BuildError, match="left no dist"):
        yard.build("true")


def test_what_a_killed_build_left_is_cleared_and_other_worktrees_stay(yard: Yard) -> None:
    commit = yard.git("rev-parse", "HEAD").strip()
    yard.git("worktree", "add", "-q", "--detach", str(yard.top / "own"))
    with checkout(yard.root, commit, cache=yard.top / "cache") as folder:
        (home,) = [folder.parent]
        copy = yard.top / "as-a-kill-leaves-it"
        folder.rename(copy)
        copy.rename(folder)
        with pytest.raises(ConflictError, match="another build"), checkout(yard.root, commit, cache=yard.top / "cache"):
            pass
    yard.git("worktree", "add", "-q", "--detach", str(home / "checkout"))
    yard.build("mkdir dist && cp text dist/")
    assert [line.split()[0] for line in yard.git("worktree", "list").splitlines()] == [
        str(yard.root),
        str(yard.top / "own"),
    ]


@pytest.mark.parametrize(
    ("files", "run", "risk"),
    [
        ({}, "npm install", "no npm-shrinkwrap.json or package-lock.json"),
        ({"pnpm-lock.yaml": "x"}, "npm install", "pnpm-lock.yaml is there, but npm does not read it"),
        ({"package-lock.json": "x"}, "npm install", None),
        ({"package-lock.json": "x"}, "npm rewrites", "the build changed package-lock.json"),
    ],
)
def test_an_unlocked_build_is_a_risk_that_is_said(
    yard: Yard, files: dict[str, str], run: str, risk: str | None
) -> None:
    """npm is a stand-in here: no network in tests."""
    (yard.root / "npm").write_text(NPM)
    (yard.root / "npm").chmod(0o755)
    (yard.root / "package.json").write_text('{"dependencies": {"a": "^1.0.0"}}')
    for name, text in files.items():
        (yard.root / name).write_text(text)
    yard.commit("fix: locks")
    built = yard.build(f"PATH=.:$PATH {run}")
    assert [risk in one for one in built.risks] == [True] if risk else built.risks == ()
    assert built.manifest.locked_by == ("package-lock.json" if "package-lock.json" in files else None)


def test_the_resolved_tree_is_recorded_and_goes_into_the_bill_of_materials(yard: Yard) -> None:
    for folder in (yard.root, yard.root / "ui"):
        (folder / "node_modules").mkdir(parents=True)
        (folder / "node_modules" / ".package-lock.json").write_text(json.dumps(NOTE))
    found = installed(yard.root)
    assert [(one.place, one.version, one.is_dev) for one in found[:3]] == [
        ("node_modules/@s/b", "2.0.0", True),
        ("node_modules/@s/b/node_modules/a", "0.9.0", False),
        ("node_modules/a", "1.0.0", False),
    ]
    assert {one.place.partition("/")[0] for one in found} == {"node_modules", "ui"}
    packed = pack(yard.root, ["text"], None)
    manifest = Manifest(files=packed.files, dependencies=found)
    at = GitRepository(yard.root).committed_at("HEAD")
    bill, again = (bill_of_materials("dash", "v1", packed.artifact, manifest, at=at) for _ in range(2))
    assert bill == again
    told = json.loads(bill)
    assert (told["bomFormat"], told["specVersion"], len(told["components"])) == ("CycloneDX", "1.6", 6)
    a = next(one for one in told["components"] if one["bom-ref"] == "node_modules/a")
    assert (a["purl"], a["hashes"]) == ("pkg:npm/a@1.0.0", [{"alg": "SHA-512", "content": "000000"}])


def test_the_archive_depends_on_names_contents_links_and_the_executable_bit_alone(yard: Yard) -> None:
    tree = yard.top / "tree"
    (tree / "dist").mkdir(parents=True)
    (tree / "dist" / "run").write_text("#!")
    (tree / "dist" / "link").symlink_to("run")
    before = tree_digest(tree)
    os.utime(tree / "dist" / "run", (1, 1))
    (tree / "dist" / "run").chmod(0o600)
    assert tree_digest(tree) == before
    changes: list[Callable[[], object]] = [
        lambda: (tree / "dist" / "run").chmod(0o700),
        lambda: (tree / "dist" / "run").write_text("#?"),
        lambda: (tree / "dist" / "more").mkdir(),
    ]
    for change in changes:
        change()
        assert tree_digest(tree) != before
        before = tree_digest(tree)
    (tree / "dist" / "out").symlink_to("/etc/passwd")
    with pytest.raises(BuildError, match="leads outside"):
        tree_digest(tree)


def test_provenance_is_signed_by_a_key_and_by_no_other(tmp_path: Path) -> None:
    files = {}
    for name in ("ours", "theirs"):
        key = Ed25519PrivateKey.generate()
        files[name] = tmp_path / name
        files[name].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{name}.pub").write_bytes(public)
    signed, unsigned = sign(b"{}", files["ours"]), sign(b"{}", None)
    assert verify_signature(signed, tmp_path / "ours.pub")
    assert not verify_signature(signed, tmp_path / "theirs.pub")
    assert not verify_signature(signed.replace(b'"e30="', b'"W10="'), tmp_path / "ours.pub")
    assert not verify_signature(unsigned, tmp_path / "ours.pub")
    with pytest.raises(BadRequestError, match="signing key"):
        sign(b"{}", tmp_path / "none")


def test_a_tag_is_annotated_and_never_made_twice(yard: Yard) -> None:
    repository, commit = GitRepository(yard.root), yard.git("rev-parse", "HEAD").strip()
    yard.git("config", "user.name", "ada")
    yard.git("config", "user.email", "ada@example.com")
    repository.tag("v1.0.0", commit, "dash v1.0.0\n\n- feat: one\n")
    assert (repository.is_annotated("v1.0.0"), repository.tags()) == (True, {"v1.0.0": commit})
    with pytest.raises(ConflictError, match="exists already"):
        repository.tag("v1.0.0", commit, "again")
    yard.git("remote", "add", "origin", "https://ada:secret@example.com/dash.git")
    assert repository.source() == "https://example.com/dash.git"
    with pytest.raises(BadRequestError, match="names no commit"):
        repository.resolve("--upload-pack=x")
