"""Builds a commit in a disposable checkout, and packs what the plan keeps of it."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from ebbgate.adapters.artifacts import pack
from ebbgate.adapters.artifacts.archive import EVERYTHING
from ebbgate.adapters.builds.checkout import checkout
from ebbgate.adapters.builds.commands import CommandRunner, build_environment
from ebbgate.adapters.builds.dependencies import installed, lock_of, lock_risks
from ebbgate.adapters.builds.repository import GitRepository
from ebbgate.core.errors import BuildError
from ebbgate.core.releases import Artifact, BuildTerms, Manifest
from ebbgate.ports.builder import Built, Progress
from ebbgate.ports.clock import Clock


class LocalBuilder:
    """A Builder on this machine. cache: where checkouts are made and npm keeps packages, outside of any repository."""

    def __init__(
        self, repository: GitRepository, clock: Clock, *, cache: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        self._repository = repository
        self._clock = clock
        self._cache = cache
        self._environ = os.environ if environ is None else environ

    def build(self, commit: str, terms: BuildTerms, *, work: Path, progress: Progress) -> Built:
        started_at = self._clock.machine_now()
        epoch = round(self._repository.committed_at(commit).timestamp())
        environ = build_environment(self._environ, terms, epoch=epoch, npm_cache=self._cache / "npm")
        log, archive = work / "build.log", work / "artifact.tar"
        with checkout(self._repository.root, commit, cache=self._cache) as root, _written(log) as file:
            locked_by = lock_of(root, terms.run)
            before = _contents(root, locked_by)
            risks = lock_risks(root, terms.run, locked_by)
            runner = CommandRunner(root, environ, log=file, clock=self._clock)
            commands = tuple(runner.run(line, timeout=terms.timeout, progress=progress) for line in terms.run)
            if locked_by is not None and _contents(root, locked_by) != before:
                risks.append(f"the build changed {locked_by}: what it pins is not what was installed; use `npm ci`")
            dependencies = installed(root)
            if not dependencies and (root / "node_modules").is_dir():
                risks.append("the dependency tree is not recorded: npm left no note of it in node_modules")
            packed = pack(root, terms.keep, archive)
            asked = ("git", "node", "npm") if (root / "package.json").is_file() else ("git",)
            toolchain = {name: found for name in asked if (found := _version(name, environ, root))}
        if not packed.files:
            raise BuildError(
                "the build left nothing to keep", hint="see the plan's `keep`, and what the commands write"
            )
        return Built(
            commit=commit,
            archive=archive,
            artifact=packed.artifact,
            manifest=Manifest(files=packed.files, dependencies=dependencies, locked_by=locked_by),
            commands=commands,
            risks=(*risks, *runner.warnings[:5]),
            toolchain=toolchain,
            log=log,
            started_at=started_at,
            ended_at=self._clock.machine_now(),
        )


def pack_source(source: Path, *, work: Path) -> tuple[Path, Artifact, Manifest]:
    """An archive of a folder as it lies there, for adopting what already runs. Raises BuildError."""
    if not source.is_dir():
        raise BuildError(f"{source} is no folder", hint="name the folder that holds the running version")
    archive, root = work / "artifact.tar", source.resolve()
    packed = pack(root, EVERYTHING, archive)
    if not packed.files:
        raise BuildError(f"{source} is empty", hint="name the folder that holds the running version")
    return archive, packed.artifact, Manifest(files=packed.files, dependencies=installed(root))


def _written(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", errors="replace")


def _contents(root: Path, name: str | None) -> bytes | None:
    return (root / name).read_bytes() if name is not None and (root / name).is_file() else None


def _version(program: str, environ: Mapping[str, str], root: Path) -> str:
    """What `program --version` says; empty where it is not there."""
    try:
        done = subprocess.run([program, "--version"], env=dict(environ), cwd=root, capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace").strip().removeprefix("git version ")
