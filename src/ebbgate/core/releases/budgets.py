"""Size budgets of a build, measured against its manifest. A limit is exclusive: `< 500KB`."""

import re
from collections.abc import Sequence
from functools import cache

from ebbgate.core.releases.artifact import ArtifactFile, Manifest
from ebbgate.core.releases.release import BudgetResult
from ebbgate.core.releases.terms import Budget


def judge_budgets(budgets: Sequence[Budget], manifest: Manifest, stable: Manifest | None) -> tuple[BudgetResult, ...]:
    """One result for each limit. stable: of the last stable release; growth cannot be told without it."""
    results: list[BudgetResult] = []
    for budget in budgets:
        found = matching(manifest, budget.files)
        if budget.total_bytes is not None:
            results.append(_result(budget, "total", budget.total_bytes, _sum(found, budget), found))
        if budget.size_bytes is not None:
            largest = max(found, key=lambda file: _bytes(file, budget), default=None)
            used = _bytes(largest, budget) if largest else 0
            results.append(_result(budget, "size", budget.size_bytes, used, found, largest.path if largest else None))
        if budget.growth_bytes is not None:
            results.append(_growth(budget, budget.growth_bytes, found, stable))
    return tuple(results)


def _growth(budget: Budget, limit: int, found: Sequence[ArtifactFile], stable: Manifest | None) -> BudgetResult:
    if stable is None:
        return BudgetResult(
            files=budget.files,
            kind="growth",
            limit=limit,
            used=None,
            is_met=None,
            is_gzip=budget.is_gzip,
            note="there is no stable release to compare with",
        )
    before = _sum(matching(stable, budget.files), budget)
    return _result(budget, "growth", limit, _sum(found, budget) - before, found)


def _result(
    budget: Budget, kind: str, limit: int, used: int, found: Sequence[ArtifactFile], worst: str | None = None
) -> BudgetResult:
    return BudgetResult(
        files=budget.files,
        kind=kind,
        limit=limit,
        used=used if found else None,
        is_met=used < limit if found else None,
        is_gzip=budget.is_gzip,
        worst=worst,
        note="" if found else f"no kept file matches {budget.files}",
    )


def matching(manifest: Manifest, glob: str) -> list[ArtifactFile]:
    """The files, without links, whose path fits."""
    fits = _pattern(glob)
    return [file for file in manifest.files if file.link is None and fits.fullmatch(file.path)]


def _sum(files: Sequence[ArtifactFile], budget: Budget) -> int:
    return sum(_bytes(file, budget) for file in files)


def _bytes(file: ArtifactFile, budget: Budget) -> int:
    return file.gzip_bytes if budget.is_gzip else file.bytes


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    """`**/` is any number of folders, `**` anything, `*` and `?` stay within one folder."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob.removeprefix("./"))
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(part, re.escape(part)) for part in parts))
