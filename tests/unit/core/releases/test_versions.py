from datetime import date

import pytest

from ebbgate.core.errors import BadRequestError
from ebbgate.core.releases import VersionScheme
from ebbgate.core.releases.commits import Commit, release_notes
from ebbgate.core.releases.versions import newest_tag, next_version, tidy_version
from ebbgate.testing.clock import MORNING

TODAY = date(2026, 3, 2)


def a_commit(subject: str, body: str = "") -> Commit:
    return Commit(sha="a" * 40, subject=subject, author="ada", at=MORNING, body=body)


@pytest.mark.parametrize(
    ("tags", "subjects", "expected"),
    [
        ([], ["feat: one"], "v0.1.0"),
        (["v1.3.2"], ["fix: it"], "v1.3.3"),
        (["v1.3.2"], ["fix: it", "feat(ui): more"], "v1.4.0"),
        (["v1.3.2"], ["feat!: other"], "v2.0.0"),
        (["v0.3.2"], ["feat!: other"], "v0.4.0"),
        (["v1.9.0", "v1.10.0", "v1.2.0"], [], "v1.10.1"),
        (["1.2.0", "v2.0.0-rc.1", "nightly"], ["say so"], "v1.2.1"),
    ],
)
def test_the_next_version_comes_after_the_highest_one(tags: list[str], subjects: list[str], expected: str) -> None:
    commits = [a_commit(subject) for subject in subjects]
    assert next_version(VersionScheme.SEMVER, tags, commits, today=TODAY) == expected


def test_a_breaking_change_may_stand_in_the_body() -> None:
    commits = [a_commit("fix: it", "BREAKING CHANGE: not as before")]
    assert next_version(VersionScheme.SEMVER, ["v1.0.0"], commits, today=TODAY) == "v2.0.0"


def test_calendar_versions_count_within_a_month() -> None:
    tags = ["v2026.02.9", "v2026.03.9", "v2026.03.10"]
    assert next_version(VersionScheme.CALVER, tags, [], today=TODAY) == "v2026.03.11"
    assert next_version(VersionScheme.CALVER, tags, [], today=date(2026, 4, 1)) == "v2026.04.1"
    assert newest_tag(VersionScheme.CALVER, tags) == "v2026.03.10"


@pytest.mark.parametrize("text", ["", "one", "v", "1.0 0", "1..0", "v1.0.lock", "v1/2", "-1"])
def test_what_no_tag_or_folder_can_be_called_is_no_version(text: str) -> None:
    with pytest.raises(BadRequestError, match="cannot be a version"):
        tidy_version(text)


def test_a_version_gets_its_v() -> None:
    assert (tidy_version("1.4.0"), tidy_version("v1.4.0")) == ("v1.4.0", "v1.4.0")


def test_notes_group_what_the_subjects_tell_apart() -> None:
    notes = release_notes([a_commit("feat: more"), a_commit("fix: less"), a_commit("say so")])
    assert notes.index("## New") < notes.index("## Mended") < notes.index("## Other")
    assert "- feat: more (aaaaaaaaaa)" in notes
