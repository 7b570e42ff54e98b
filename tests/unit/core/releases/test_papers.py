"""The diff of two manifests, and the provenance statement."""

import json
from base64 import b64decode

from ebbgate.core.releases import ArtifactFile, BuildTerms, Dependency, Manifest
from ebbgate.core.releases.diff import dependency_changes, file_changes
from ebbgate.core.releases.provenance import envelope, statement, to_be_signed
from ebbgate.testing.clock import MORNING


def a_file(path: str, sha256: str) -> ArtifactFile:
    return ArtifactFile(path=path, bytes=1, gzip_bytes=1, sha256=sha256)


def a_dependency(name: str, version: str, integrity: str = "") -> Dependency:
    return Dependency(name=name, version=version, place=f"node_modules/{name}", integrity=integrity)


def test_a_diff_names_what_was_added_removed_and_changed() -> None:
    before = Manifest(files=(a_file("a", "1"), a_file("b", "1"), a_file("c", "1")))
    after = Manifest(files=(a_file("a", "1"), a_file("b", "2"), a_file("d", "1")))
    assert [(one.path, one.what) for one in file_changes(before, after)] == [
        ("b", "changed"),
        ("c", "removed"),
        ("d", "added"),
    ]


def test_the_same_version_with_other_contents_is_a_change() -> None:
    before = Manifest(files=(), dependencies=(a_dependency("x", "1.0.0", "sha512-a"), a_dependency("y", "1.0.0")))
    after = Manifest(files=(), dependencies=(a_dependency("x", "1.0.0", "sha512-b"), a_dependency("y", "1.0.0")))
    assert [(one.name, one.what) for one in dependency_changes(before, after)] == [("x", "changed")]


def test_provenance_is_a_statement_about_the_digest_and_the_commit() -> None:
    data = statement(
        app="dash",
        version="v1.0.0",
        digest="sha256:" + "a" * 64,
        source="dash",
        commit="c" * 40,
        terms=BuildTerms(run=("make",), keep=("dist",), env={"TOKEN": "not told"}),
        builder="urn:ebbgate:cli:1",
        invocation="1",
        started_at=MORNING,
        ended_at=MORNING,
        toolchain={"node": "v20"},
        dependencies={"pkg:npm/x@1.0.0": "sha512:ab"},
    )
    told = json.loads(data)
    assert (told["_type"], told["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/provenance/v1",
    )
    assert told["subject"][0]["digest"] == {"sha256": "a" * 64}
    resolved = told["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert resolved[0]["digest"] == {"gitCommit": "c" * 40}
    assert resolved[1] == {"uri": "pkg:npm/x@1.0.0", "digest": {"sha512": "ab"}}
    assert b"not told" not in data, "values of variables may be secrets"


def test_an_unsigned_envelope_has_no_signatures() -> None:
    told = json.loads(envelope(b"{}", {}))
    assert told == {"payloadType": "application/vnd.in-toto+json", "payload": "e30=", "signatures": []}
    assert b64decode(told["payload"]) == b"{}"
    assert to_be_signed(b"{}") == b"DSSEv1 28 application/vnd.in-toto+json 2 {}"
