"""Quantities in a metric's own unit (`unit_of`): limits, margins, baselines, caps and budgets.

Shares and rates are in percent. What has no unit is a bare number.
"""

import re
from typing import Any

from ebbgate.core.metrics.definition import CriticalLimit, Margin, MetricKind
from ebbgate.core.metrics.units import SHARES, SIZE, TIME, unit_of
from ebbgate.core.rollouts.plan_file_reader import refusal, shown
from ebbgate.core.rollouts.values import duration, not_notation

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_QUANTITY = re.compile(rf"({_NUMBER})\s*([A-Za-z%]*)")
_LIMIT = re.compile(r">\s*(.+?)\s+for\s+(\S.*)")


def quantity(value: Any, path: str, *, event: str, kind: MetricKind) -> float:
    """`1s` for an event in milliseconds is 1000. Never negative."""
    unit = unit_of(event, kind)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise refusal(f"{shown(value)} is not a quantity", path=path, hint=f"write it like `{_example(unit)}`")
    text = str(value).strip()
    if text.startswith("-"):
        raise refusal(f"{shown(value)} is negative", path=path, hint=f"write it like `{_example(unit)}`")
    match = _QUANTITY.fullmatch(text)
    if match is None:
        example = _example(unit)
        raise not_notation(
            value, path, kind="a quantity", example=example, accepts=lambda t: bool(_QUANTITY.fullmatch(t))
        )
    return _convert(float(match[1]), match[2], unit, path, event=event, text=text)


def _convert(number: float, written: str, unit: str | None, path: str, *, event: str, text: str) -> float:
    if unit is None:
        if not written:
            return number
        if written == "%":
            raise refusal(
                f"`{text}` is a percentage, but `{event}` is not a share", path=path, hint="write a bare number"
            )
        hint = f"let the event's name tell its unit (`{event}_ms`, `_s`, `_mb`), or write a bare number"
        raise refusal(f"`{text}` has a unit, but the name `{event}` tells none", path=path, hint=hint)
    if not written:
        meant = f"{number * 100:g}" if unit == "%" and number < 1 else text
        hint = f"write `{meant}{unit}`"
        raise refusal(f"`{text}` has no unit", path=path, hint=hint)
    if unit == "%":
        if written != "%" or number > 100:
            raise refusal(f"`{text}` is not a share of units", path=path, hint="write a percentage from `0%` to `100%`")
        return round(number / 100, 12)
    units = TIME if unit in TIME else SIZE
    if written not in units:
        kind = f"in a unit of `{event}` ({', '.join(units)})"
        raise not_notation(text, path, kind=kind, example=_example(unit), accepts=lambda t: _has_unit(t, units))
    return round(number * units[written] / units[unit], 9)


def _has_unit(text: str, units: dict[str, float]) -> bool:
    match = _QUANTITY.fullmatch(text)
    return match is not None and match[2] in units


def _example(unit: str | None) -> str:
    return {"%": "5%", None: "5"}.get(unit, f"100{unit}")


def benchmark(value: Any, path: str, *, event: str, kind: MetricKind) -> float:
    """An absolute limit: `1s` or `< 1s`."""
    text = value.strip().removeprefix("<").strip() if isinstance(value, str) else value
    if isinstance(text, str) and text.startswith(">"):
        hint = "a limit is what must not be exceeded: write `< 1s`"
        raise refusal(f"{shown(value)} points the wrong way", path=path, hint=hint)
    return quantity(text, path, event=event, kind=kind)


def critical_limit(value: Any, path: str, *, event: str, kind: MetricKind, on: tuple[str, ...]) -> CriticalLimit:
    """`> 5% for 5m` (RULES G1). The duration is plan time."""
    if isinstance(value, str) and (match := _LIMIT.fullmatch(value.strip())):
        limit = quantity(match[1], path, event=event, kind=kind)
        if kind in SHARES and not 0 < limit < 1:
            raise refusal(
                f"{shown(value)} can never be crossed or always is", path=path, hint="write a share between 0% and 100%"
            )
        return CriticalLimit(value=limit, sustained=duration(match[2], path), on=on)
    example = f"> {_example(unit_of(event, kind))} for 5m"
    raise refusal(
        f"{shown(value)} is not a critical limit", path=path, hint=f'write value and duration in quotes: `"{example}"`'
    )


def margin(value: Any, path: str, *, event: str, kind: MetricKind, least: float = 0.0) -> Margin:
    """`10%` of the control's value, `0.5pp` of all units (shares and rates), or `50ms` in the metric's unit.

    A bare 0 is no margin at all.
    least: 0 allows that (`tolerate`); the smallest positive number forbids it (`worse_by`).
    """
    text = str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    unit = unit_of(event, kind)
    example = "0.5pp" if unit == "%" else "10%"
    if text is None:
        raise refusal(f"{shown(value)} is not a margin", path=path, hint=f"write it like `{example}`")
    if text.startswith("-"):
        raise refusal(
            f"{shown(value)} is negative", path=path, hint="a margin has no sign: which way is worse is told by `bad`"
        )
    result = _margin(text.removeprefix("+").strip(), path, event=event, kind=kind, example=example)
    size = result.absolute if result.absolute is not None else result.relative
    if size is not None and size < least:
        hint = f"write a margin of more than nothing, for example `{example}`"
        raise refusal(f"{shown(value)} can never be proven: it leaves no room", path=path, hint=hint)
    return result


def _margin(text: str, path: str, *, event: str, kind: MetricKind, example: str) -> Margin:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise not_notation(text, path, kind="a margin", example=example, accepts=lambda t: bool(_QUANTITY.fullmatch(t)))
    number, written = float(match[1]), match[2]
    if number == 0:
        return Margin(relative=0.0)
    if written == "%":
        return Margin(relative=round(number / 100, 12))
    if written == "pp":
        if kind not in SHARES:
            hint = f"percentage points are for shares and rates; write a share of the old value: `{example}`"
            raise refusal(f"`{text}` is in percentage points, but `{event}` is not a share", path=path, hint=hint)
        return Margin(absolute=round(number / 100, 12))
    if kind in SHARES:
        hint = f"write `{number:g}pp` for percentage points or `{number:g}%` for a share of the old value"
        raise refusal(f"`{text}` could mean two things", path=path, hint=hint)
    return Margin(absolute=_convert(number, written, unit_of(event, kind), path, event=event, text=text))


def byte_limit(value: Any, path: str) -> int:
    """`< 500KB` or `500KB`, in bytes."""
    if isinstance(value, str):
        return round(benchmark(value, path, event="size_bytes", kind=MetricKind.MEAN))
    raise refusal(f"{shown(value)} is not a size", path=path, hint="write `< 500KB`")


def quantity_text(value: float, *, event: str, kind: MetricKind) -> str:
    """A value in the metric's unit, as a reader says it: 1000 of `api_ms` is `1s`."""
    unit = unit_of(event, kind)
    if unit is None:
        return f"{value:g}"
    if unit == "%":
        return f"{round(value * 100, 6):g}%"
    units = TIME if unit in TIME else SIZE
    base = value * units[unit]
    # MiB and the spelling `min` are for reading; for writing one ladder of units is enough.
    ladder = [name for name in units if name not in ("min",) and not name.endswith("iB")]
    fitting = [name for name in ladder if base >= units[name]] or ladder[:1]
    return f"{round(base / units[fitting[-1]], 6):g}{fitting[-1]}"


def margin_text(margin: Margin, *, event: str, kind: MetricKind) -> str:
    """`0.5pp`, `10%` or `50ms`."""
    if margin.relative is not None:
        return f"{round(margin.relative * 100, 6):g}%"
    assert margin.absolute is not None, "one of the two is set"
    if kind in SHARES:
        return f"{round(margin.absolute * 100, 6):g}pp"
    return quantity_text(margin.absolute, event=event, kind=kind)
