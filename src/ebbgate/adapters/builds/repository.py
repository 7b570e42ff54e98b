"""The client's git repository. Nothing changes in it but new tags."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ebbgate.adapters.builds.git import git
from ebbgate.core.errors import BadRequestError, ConflictError, RepositoryError
from ebbgate.core.releases.changes import hides_output, source_changes
from ebbgate.core.releases.commits import Commit

_RECORD = "%x1e%H%x1f%an%x1f%ct%x1f%s%x1f%b"
_SHA = re.compile(r"[0-9a-f]{40}")


class GitRepository:
    """A Repository by git's own commands."""

    def __init__(self, folder: Path) -> None:
        found = git(folder, "rev-parse", "--show-toplevel", check=False)
        if found.returncode != 0:
            raise RepositoryError(
                f"{folder} is not in a git repository", hint="run it inside the application's repository"
            )
        self.root = Path(found.stdout.strip())

    def resolve(self, ref: str) -> str:
        found = git(self.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", check=False)
        sha = found.stdout.strip()
        if found.returncode != 0 or not _SHA.fullmatch(sha):
            raise BadRequestError(
                f"{ref!r} names no commit of this repository", hint="give a branch, a tag or a commit"
            )
        return sha

    def is_dirty(self, *, outputs: Sequence[Path] = ()) -> list[str]:
        beneath = [path.relative_to(self.root).as_posix() for path in outputs if path.is_relative_to(self.root)]
        named = [path for path in beneath if path != "."]
        entries = self._entries("normal")
        if hides_output(entries, named):
            entries = self._entries("all")
        return source_changes(entries, named)

    def _entries(self, untracked: str) -> list[tuple[str, str]]:
        lines = git(self.root, "status", "--porcelain", f"--untracked-files={untracked}", "-z").stdout.split("\0")
        return [(line[:2], line[3:]) for line in lines if line]

    def commits(self, since: str | None, until: str, *, limit: int = 500) -> list[Commit]:
        span = f"{since}..{until}" if since else until
        out = git(self.root, "log", f"--format={_RECORD}", f"--max-count={limit}", "--end-of-options", span).stdout
        return [_commit(record) for record in out.split("\x1e") if record.strip()]

    def tags(self) -> dict[str, str]:
        form = "%(refname:strip=2)%00%(objecttype)%00%(objectname)%00%(*objectname)"
        found: dict[str, str] = {}
        for line in git(self.root, "for-each-ref", f"--format={form}", "refs/tags").stdout.splitlines():
            name, kind, own, peeled = line.split("\0")
            found[name] = peeled if kind == "tag" else own
        return found

    def is_annotated(self, tag: str) -> bool:
        return git(self.root, "cat-file", "-t", f"refs/tags/{tag}", check=False).stdout.strip() == "tag"

    def tag(self, name: str, commit: str, message: str) -> None:
        if name in self.tags():
            raise ConflictError(f"the tag {name} exists already", hint="choose another version: --version v1.4.0")
        wants = git(self.root, "config", "--type=bool", "--get", "tag.gpgSign", check=False).stdout.strip()
        sign = "--sign" if wants == "true" else "--annotate"
        git(self.root, "tag", sign, "--message", message, "--cleanup=verbatim", name, commit)

    def source(self) -> str:
        """Where it comes from, without name and password; the folder's name where it has no remote."""
        url = git(self.root, "config", "--get", "remote.origin.url", check=False).stdout.strip()
        if not url:
            return self.root.name
        parts = urlsplit(url)
        if parts.scheme and parts.hostname:
            host = parts.hostname + (f":{parts.port}" if parts.port else "")
            return urlunsplit((parts.scheme, host, parts.path, "", ""))
        return url.rpartition("@")[2] if "@" in url else Path(url).name

    def committed_at(self, commit: str) -> datetime:
        return _moment(git(self.root, "show", "-s", "--format=%ct", commit).stdout.strip())


def _commit(record: str) -> Commit:
    sha, author, at, subject, body = record.split("\x1f", 4)
    return Commit(sha=sha, subject=subject, author=author, at=_moment(at), body=body.strip())


def _moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
