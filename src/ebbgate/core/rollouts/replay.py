"""What a replay of a rollout's decisions found: every past decision computed again from what was stored with it."""

from collections.abc import Collection
from math import isclose
from typing import Any

import msgspec

TOLERANCE = 1e-9
"""Relative difference of two numbers that count as the same (RULES E5)."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A value that came out otherwise. path: within the decision's inputs, such as `analyses.errors.log_e`."""

    sequence: int
    path: str
    stored: str
    recomputed: str


class ReplayView(msgspec.Struct, frozen=True, kw_only=True):
    """A whole replay. decisions: recomputed from the rollout's beginning on; by_person: of those, steps that a person
    took, which follow from nothing. differences: the first of them. state_is_same: whether the evidence that the store
    holds now is what the blocks give; None where the rows do not hold all of them.
    """

    rollout_id: str
    decisions: int
    values: int
    by_person: int = 0
    differences: tuple[Difference, ...] = ()
    differing: int = 0
    state_is_same: bool | None = None

    @property
    def is_same(self) -> bool:
        return not self.differing and self.state_is_same is not False


def differences(
    sequence: int, stored: Any, recomputed: Any, *, without: Collection[str] = ()
) -> tuple[int, list[Difference]]:
    """How many values were compared, and those that differ: numbers by more than TOLERANCE, anything else at all.
    without: names of fields that are not compared."""
    one, other = _flat(msgspec.to_builtins(stored)), _flat(msgspec.to_builtins(recomputed))
    paths = sorted(path for path in one.keys() | other.keys() if path.rpartition(".")[2] not in without)
    return len(paths), [
        Difference(sequence=sequence, path=path, stored=_shown(one, path), recomputed=_shown(other, path))
        for path in paths
        if path not in one or path not in other or not _same(one[path], other[path])
    ]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(one == other)


def _shown(values: dict[str, Any], path: str) -> str:
    return repr(values[path]) if path in values else "nothing"


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Each leaf by its path."""
    if isinstance(value, dict):
        parts = [(f"{path}.{name}" if path else str(name), part) for name, part in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(f"{path}[{place}]", part) for place, part in enumerate(value)]
    else:
        return {path: value}
    return {key: leaf for name, part in parts for key, leaf in _flat(part, name).items()}
