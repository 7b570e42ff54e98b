"""The short notations of a plan file: `5%`, `+30%`, `2d12h`, `1d..2d`, `1..5`, `a / b`, `review in 4h, then pause`.

Each parser takes the value as the file gave it and its path, and raises PlanError naming the place of the mistake.
"""

import math
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ebbgate.core.errors import PlanError
from ebbgate.core.rollouts.plan import Response, ReviewTerms
from ebbgate.core.rollouts.plan_file_reader import read_choice, refusal, shown

LONGEST = timedelta(days=3660)
"""Ten years: more is a slip of the pen, and would overflow dates."""

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_PERCENT = re.compile(rf"({_NUMBER})\s*%")
_CHANGE = re.compile(rf"([+-])\s*({_NUMBER})\s*%")
_PART = re.compile(rf"({_NUMBER})(ms|[wdhms])")
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ms|[wdhms])\s*)+")
_RATIO = re.compile(r"(\S+)\s*/\s*(\S+)")
_EVENT = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_SCALE = re.compile(rf"(-?{_NUMBER})\s*\.\.\s*(-?{_NUMBER})")
_REVIEW = re.compile(r"review\s+in\s+(.+?)\s*,\s*then\s+(\S+)")
_OFF_AFTER = re.compile(r"off\s+after\s+(.+)")

_UNIT_SECONDS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_UNIT_ORDER = list(_UNIT_SECONDS)
_LOOKS_LIKE_A_DIGIT = {"O": "0", "o": "0", "l": "1", "I": "1", "S": "5", "B": "8"}


def percent(value: Any, path: str) -> float:
    """`5%` is 0.05. Always >= 0; ranges are the caller's."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        meant = value if value >= 1 else value * 100
        raise refusal(f"{shown(value)} is a bare number, not a percentage", path=path, hint=f"write `{meant:g}%`")
    if isinstance(value, str):
        if match := _PERCENT.fullmatch(value.strip()):
            return round(float(match[1]) / 100, 12)  # 0.07 rather than 0.07000000000000001
        if value.strip().startswith("-"):
            raise refusal(f"{shown(value)} is negative", path=path, hint="write a percentage of at least `0%`")
    raise not_notation(
        value, path, kind="a percentage", example="5%", accepts=lambda text: bool(_PERCENT.fullmatch(text))
    )


def exposure(value: Any, path: str) -> float:
    """The share of all active units that a phase exposes (RULES B1), in (0, 1]."""
    share = percent(value, path)
    if 0 < share <= 1:
        return share
    hint = "an exposure is more than `0%` and at most `100%` of all active units"
    if share > 1 and share / 10 <= 1:
        hint += f"; did you mean `{share * 10:g}%`?"
    raise refusal(f"{shown(value)} cannot be exposed", path=path, hint=hint)


def change(value: Any, path: str) -> float:
    """A goal's relative change, signed: `+30%` is 0.3, `-25%` is -0.25."""
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str):
        if match := _CHANGE.fullmatch(text):
            share = round(float(match[2]) / 100, 12) * (-1 if match[1] == "-" else 1)
            if share == 0:
                raise refusal(
                    "a goal of no change is no goal", path=path, hint="write `+30%` or `-25%`, or make it a guardrail"
                )
            if share <= -1:
                raise refusal(f"{shown(value)} leaves nothing", path=path, hint="a fall is less than `-100%`")
            return share
        if _PERCENT.fullmatch(text):
            raise refusal(
                f"{shown(value)} has no sign", path=path, hint=f"write `+{text}` for more or `-{text}` for less"
            )
    elif isinstance(value, int | float) and not isinstance(value, bool):
        raise refusal(
            f"{shown(value)} is a bare number", path=path, hint="write a change with its sign: `+30%` or `-25%`"
        )
    raise not_notation(value, path, kind="a change", example="+30%", accepts=lambda text: bool(_CHANGE.fullmatch(text)))


def duration(value: Any, path: str) -> timedelta:
    """`90s`, `30m`, `4h`, `1d`, `2w`, `2d12h`; more than nothing. Which clock it is on (RULES A1) is the caller's."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < 0:
            raise refusal(
                f"{shown(value)} is negative", path=path, hint="a duration is more than nothing: `30m`, `4h`, `2d`"
            )
        raise refusal(
            f"{shown(value)} has no unit", path=path, hint=f"write `{value:g}m`, `{value:g}h` or `{value:g}d`"
        )
    text = value.strip() if isinstance(value, str) else ""
    if text.startswith(("-", "−")):
        raise refusal(
            f"{shown(value)} is negative", path=path, hint=f"a duration is more than nothing: `{text[1:] or '2d'}`"
        )
    if re.fullmatch(r"\d+(:\d+)+", text):
        raise refusal(f"{shown(value)} is a time of day or a sum?", path=path, hint="write `1h30m` or `1m30s`")
    if not _DURATION.fullmatch(text):
        raise not_notation(
            value, path, kind="a duration", example="2d12h", accepts=lambda t: bool(_DURATION.fullmatch(t))
        )
    return _total(text, path)


def _total(text: str, path: str) -> timedelta:
    parts = _PART.findall(text)
    order = [_UNIT_ORDER.index(unit) for _, unit in parts]
    if order != sorted(set(order)):
        raise refusal(
            f"{shown(text)} has its units out of order", path=path, hint="largest first, each once: `2d12h30m`"
        )
    seconds = math.fsum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    if seconds <= 0:
        raise refusal(
            f"{shown(text)} is no time at all", path=path, hint="a duration is more than nothing: `30m`, `4h`, `2d`"
        )
    if seconds > LONGEST.total_seconds():
        raise refusal(f"{shown(text)} is longer than ten years", path=path, hint="write a shorter one")
    return timedelta(seconds=seconds)


def stay(value: Any, path: str) -> tuple[timedelta, timedelta]:
    """`1d..2d`: younger never advances, older asks (RULES F2)."""
    if isinstance(value, str) and value.count("..") == 1:
        shortest_text, longest_text = value.split("..")
        shortest, longest = duration(shortest_text, path), duration(longest_text, path)
        if shortest > longest:
            hint = f"shortest first: `{longest_text.strip()}..{shortest_text.strip()}`"
            raise refusal(f"{shown(value)} ends before it begins", path=path, hint=hint)
        return shortest, longest
    length = duration(value, path)
    hint = f"say both ends: `{value}..{duration_text(length * 2)}`; younger never advances, older does `when.too_long`"
    raise refusal(f"{shown(value)} does not say how long at most", path=path, hint=hint)


def scale(value: Any, path: str) -> tuple[float, float]:
    """`1..5`: the lowest and the highest answer of a survey."""
    if isinstance(value, str) and (match := _SCALE.fullmatch(value.strip())):
        low, high = float(match[1]), float(match[2])
        if low < high:
            return low, high
        raise refusal(f"{shown(value)} has no room", path=path, hint=f"lowest first: `{high:g}..{low:g}`")
    raise refusal(f"{shown(value)} is not a scale", path=path, hint="write lowest and highest answer: `1..5`")


def event(value: Any, path: str) -> str:
    """The name of an event."""
    if isinstance(value, str) and _EVENT.fullmatch(value.strip()):
        return value.strip()
    if isinstance(value, str) and "/" in value:
        hint = "use `rate:`, `share:` or `ratio:` for `a / b`, or name one event"
        raise refusal(f"{shown(value)} names two events", path=path, hint=hint)
    raise refusal(
        f"{shown(value)} is not the name of an event",
        path=path,
        hint="for example `api_ms`: letters, digits, `_ . : -`",
    )


def division(value: Any, path: str) -> tuple[str, str]:
    """`api_error / api_request`: the event counted, and the event that makes a unit eligible."""
    if isinstance(value, str) and (match := _RATIO.fullmatch(value.strip())) and value.count("/") == 1:
        return event(match[1], path), event(match[2], path)
    raise refusal(f"{shown(value)} is not one event over another", path=path, hint="write `api_error / api_request`")


def review_terms(value: Any, path: str) -> ReviewTerms:
    """`review in 4h, then pause` (RULES F3)."""
    if isinstance(value, str) and (match := _REVIEW.fullmatch(value.strip())):
        answers = [r.value for r in (Response.PAUSE, Response.ROLLBACK, Response.HOLD)]
        return ReviewTerms(deadline=duration(match[1], path), then=Response(read_choice(match[2], path, answers)))
    raise refusal(
        f"{shown(value)} does not say what a review does at its end",
        path=path,
        hint="write `review in 4h, then pause`; a review has a deadline and what happens then",
    )


def off_after(value: Any, path: str) -> timedelta:
    """`off after 15m` (RULES B7)."""
    if isinstance(value, str) and (match := _OFF_AFTER.fullmatch(value.strip())):
        return duration(match[1], path)
    raise refusal(f"{shown(value)} does not say when the flag goes off", path=path, hint="write `off after 15m`")


def not_notation(value: Any, path: str, *, kind: str, example: str, accepts: Callable[[str], bool]) -> PlanError:
    """The refusal of a text that should be a notation, naming the character that spoils it where one does."""
    slip = _slip(value, accepts) if isinstance(value, str) else None
    if slip is None:
        return refusal(f"{shown(value)} is not {kind}", path=path, hint=f"write it like `{example}`")
    place, repaired = slip
    letter = value[place]
    what = f"character {place + 1} is the letter {letter}, not the digit {_LOOKS_LIKE_A_DIGIT[letter]}"
    return refusal(f"{shown(value)} is not {kind}: {what}", path=path, hint=f"did you mean `{repaired}`?")


def _slip(value: str, accepts: Callable[[str], bool]) -> tuple[int, str] | None:
    """Where a letter stands for a digit, and the text with the digit: `3O%` is meant as `30%`."""
    for place, character in enumerate(value):
        digit = _LOOKS_LIKE_A_DIGIT.get(character)
        repaired = value.replace(character, digit).strip() if digit else ""
        if repaired and accepts(repaired):
            return place, repaired
    return None


def duration_text(length: timedelta) -> str:
    """The same notation back: 36 hours is `1d12h`."""
    milliseconds = round(length / timedelta(milliseconds=1))
    parts: list[str] = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def percent_text(share: float) -> str:
    """0.05 is `5%`."""
    return f"{round(share * 100, 6):g}%"


def change_text(share: float) -> str:
    """0.3 is `+30%`."""
    return f"{round(share * 100, 6):+g}%"
