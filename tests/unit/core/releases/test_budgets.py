import pytest

from ebbgate.core.releases import ArtifactFile, Budget, Manifest
from ebbgate.core.releases.budgets import judge_budgets, matching


def a_manifest(**sizes: int) -> Manifest:
    files = [
        ArtifactFile(path=path.replace("__", "/"), bytes=size, gzip_bytes=size // 4, sha256="")
        for path, size in sizes.items()
    ]
    return Manifest(files=tuple(files))


BEFORE = a_manifest(dist__a=1_000, dist__sub__b=3_000)
AFTER = a_manifest(dist__a=1_400, dist__sub__b=3_000, dist__sub__c=600)


@pytest.mark.parametrize(
    ("budget", "used", "is_met"),
    [
        (Budget(files="dist/**", growth_bytes=1_001), 1_000, True),
        (Budget(files="dist/**", growth_bytes=1_000), 1_000, False),
        (Budget(files="dist/*", growth_bytes=401), 400, True),
        (Budget(files="dist/**", growth_bytes=251, is_gzip=True), 250, True),
        (Budget(files="**", total_bytes=5_000), 5_000, False),
        (Budget(files="dist/**/*", size_bytes=3_001), 3_000, True),
        (Budget(files="dist/sub/*", size_bytes=3_000), 3_000, False),
    ],
)
def test_a_budget_is_an_exclusive_limit_on_what_matches(budget: Budget, used: int, is_met: bool) -> None:
    (result,) = judge_budgets([budget], AFTER, BEFORE)
    assert (result.used, result.is_met) == (used, is_met)


def test_growth_without_a_stable_release_is_not_called_met() -> None:
    (result,) = judge_budgets([Budget(files="**", growth_bytes=1)], AFTER, None)
    assert result.is_met is None
    assert "no stable release" in result.note


def test_a_budget_that_matches_no_file_is_not_called_met() -> None:
    (result,) = judge_budgets([Budget(files="build/**", total_bytes=1)], AFTER, BEFORE)
    assert result.is_met is None
    assert "no kept file" in result.note


def test_two_stars_span_folders_and_one_does_not() -> None:
    manifest = a_manifest(dist__app=1, dist__x__y__app=1, other__app=1)
    assert [file.path for file in matching(manifest, "dist/**/app")] == ["dist/app", "dist/x/y/app"]
    assert [file.path for file in matching(manifest, "*/app")] == ["dist/app", "other/app"]
