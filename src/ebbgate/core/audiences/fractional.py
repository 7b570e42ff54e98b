"""The `fractional` operator (flags.md section 1): a unit's hash chooses between weighted variants."""

from collections.abc import Callable
from typing import Any

import mmh3

from ebbgate.core.audiences.bucketing import HASH_SPACE, Bucketing, hash_text, hash_value, threshold
from ebbgate.core.audiences.coercion import join_text
from ebbgate.core.audiences.node import Call, Node

WEIGHT_MAX = 2**31 - 1

Entries = list[tuple[Any, int]]


def read_entry(entry: Any) -> tuple[Any, int] | None:
    """(variant, weight) of `[variant, weight?]`, or None when it is not one. A negative weight counts as 0."""
    if not isinstance(entry, list | tuple) or not 1 <= len(entry) <= 2:
        return None
    variant = entry[0]
    if not isinstance(variant, str | bool | int | float | None):
        return None
    weight = entry[1] if len(entry) == 2 else 1
    if isinstance(weight, float) and weight.is_integer():
        weight = int(weight)
    if not isinstance(weight, int) or isinstance(weight, bool) or weight > WEIGHT_MAX:
        return None
    return variant, max(weight, 0)


def read_entries(entries: list[Any]) -> Entries | None:
    """All entries, or None when one is malformed, or the weights sum to 0 or to more than 2^31 - 1."""
    read = [read_entry(entry) for entry in entries]
    valid = [entry for entry in read if entry is not None]
    if len(valid) != len(read) or not 0 < sum(weight for _, weight in valid) <= WEIGHT_MAX:
        return None
    return valid


def ladder(entries: Entries) -> tuple[tuple[int, Any], ...]:
    """(threshold, variant): the first entry whose threshold exceeds the hash wins. Entries that cannot are left out."""
    total = sum(weight for _, weight in entries)
    steps: list[tuple[int, Any]] = []
    cumulated = 0
    for variant, weight in entries:
        cumulated += weight
        if weight:
            steps.append((threshold(cumulated, total), variant))
    return tuple(steps)


def _select(steps: tuple[tuple[int, Any], ...]) -> Callable[[int], Any]:
    """From a hash to a variant."""
    if len(steps) == 1:
        only = steps[0][1]
        return lambda value: only
    if len(steps) == 2:
        (first_below, first), (_, second) = steps
        return lambda value: first if value < first_below else second

    def choose(value: int) -> Any:
        for below, variant in steps:
            if value < below:
                return variant
        return None

    assert steps[-1][0] == HASH_SPACE
    return choose


def targeting_key(data: Any) -> str | None:
    """The context's targeting key where it is a text that is not empty; None is a unit that gets control (B2)."""
    key = data.get("targetingKey") if isinstance(data, dict) else None
    return key if isinstance(key, str) and key else None


def _hash_or_none(value: Any) -> int | None:
    """The v3 hash; None for null, an array, or what is not JSON."""
    if value is None or isinstance(value, list | tuple):
        return None
    try:
        return hash_value(value)
    except (TypeError, OverflowError):
        return None


def _shorthand_hash(flag_key: str, bucketing: Bucketing) -> Callable[[str], int]:
    if bucketing == "v2":
        return lambda key: hash_text(flag_key + key)
    return lambda key: hash_value([flag_key, key])


def compile_fractional(
    arguments: list[Node], *, is_literal: list[bool], flag_key: str, bucketing: Bucketing, prefix: str | None
) -> Call:
    """The operator as a closure.

    arguments: compiled; is_literal: whether each was written as an array. prefix: P where the first argument is a
    text P joined to the targeting key and the context is known to be a mapping, else None.
    """
    entries = arguments if is_literal and is_literal[0] else arguments[1:]
    if not all(node.is_constant for node in entries) or (arguments and arguments[0].is_constant and not is_literal[0]):
        return _dynamic(arguments, flag_key=flag_key, bucketing=bucketing)
    read = read_entries([node.value for node in entries])
    if read is None:
        return lambda data: None
    select = _select(ladder(read))
    if entries is arguments:
        return _by_targeting_key(select, _shorthand_hash(flag_key, bucketing))
    if prefix is not None and bucketing == "v2":
        return _by_prefixed_key(select, prefix, ladder(read))
    return _by_value(arguments[0].call, select, flag_key=flag_key, bucketing=bucketing)


def _by_targeting_key(select: Callable[[int], Any], digest: Callable[[str], int]) -> Call:
    def choose(data: Any) -> Any:
        key = targeting_key(data)
        return None if key is None else select(digest(key))

    return choose


def _by_prefixed_key(select: Callable[[int], Any], prefix: str, steps: tuple[tuple[int, Any], ...]) -> Call:
    """The form that a rollout renders (B2): the hot path."""
    digest = mmh3.mmh3_32_uintdigest
    if len(steps) == 2:
        (below, first), (_, second) = steps

        def choose_of_two(data: Any) -> Any:
            key = data.get("targetingKey")
            if key.__class__ is str:
                try:
                    return first if digest((prefix + key).encode()) < below else second
                except UnicodeEncodeError:
                    pass
            return select(hash_text(prefix + join_text(key)))

        return choose_of_two
    return lambda data: select(hash_text(prefix + join_text(data.get("targetingKey"))))


def _by_value(bucket_by: Call, select: Callable[[int], Any], *, flag_key: str, bucketing: Bucketing) -> Call:
    if bucketing == "v3":

        def choose_v3(data: Any) -> Any:
            digest = _hash_or_none(bucket_by(data))
            return None if digest is None else select(digest)

        return choose_v3
    fallback = _by_targeting_key(select, _shorthand_hash(flag_key, "v2"))

    def choose_v2(data: Any) -> Any:
        value = bucket_by(data)
        if isinstance(value, str):
            return select(hash_text(value))
        return fallback(data) if value is None else None

    return choose_v2


def _dynamic(arguments: list[Node], *, flag_key: str, bucketing: Bucketing) -> Call:
    """The whole operator on values, for variants and weights that are expressions."""
    calls = [node.call for node in arguments]
    shorthand = _shorthand_hash(flag_key, bucketing)

    def choose(data: Any) -> Any:
        values = [call(data) for call in calls]
        if not values:
            return None
        head = values[0]
        digest: int | None = None
        if isinstance(head, list | tuple):
            entries = values
        else:
            entries = values[1:]
            if bucketing == "v3":
                digest = _hash_or_none(head)
            elif isinstance(head, str):
                digest = hash_text(head)
            if digest is None and (bucketing == "v3" or head is not None):
                return None
        read = read_entries(entries)
        if read is None:
            return None
        if digest is None:
            key = targeting_key(data)
            if key is None:
                return None
            digest = shorthand(key)
        return _select(ladder(read))(digest)

    return choose
