"""What does not arrive, said aloud (DESIGN section 5): the biggest trip is silence."""

from collections.abc import Mapping
from difflib import get_close_matches

import msgspec

from ebbgate.core.rollouts.plan import Plan


class SilentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event name that nobody sends. needed_by: such as `goal clicks`. is_gating: whether a guardrail needs it, so
    that phases wait for it; goals hold none.
    """

    name: str
    words: str
    needed_by: tuple[str, ...]
    is_gating: bool


def silent_events(plan: Plan, seen: Mapping[str, int]) -> list[SilentEvent]:
    """Each event name that the plan's metrics need and nobody sends, with a sentence. seen: name -> how many
    arrived. Metrics of releases and of queries need no event.
    """
    needed: dict[str, list[str]] = {}
    needs = [*(("guardrail", g.metric) for g in plan.guardrails), *(("goal", g.metric) for g in plan.goals)]
    for what, metric in needs:
        for name in dict.fromkeys(name for name in (metric.trial, metric.event) if name and metric.is_of_events):
            needed.setdefault(name, []).append(f"{what} {metric.name}")
    others = [name for name in seen if name not in needed]  # what the plan needs itself is no misspelt other
    return [
        SilentEvent(
            name=name,
            words=_words(name, needed_by, others, is_anything=bool(seen)),
            needed_by=tuple(needed_by),
            is_gating=any(one.startswith("guardrail") for one in needed_by),
        )
        for name, needed_by in needed.items()
        if not seen.get(name)
    ]


def _words(name: str, needed_by: list[str], others: list[str], *, is_anything: bool) -> str:
    if not is_anything:
        return f"no `{name}`; nothing arrives"
    if close := get_close_matches(name, others, n=1, cutoff=0.6) or _reordered(name, others):
        return f"no `{name}`; seen: `{close[0]}`"
    need = "needs" if len(needed_by) == 1 else "need"
    return f"`{name}` never arrives, and {' and '.join(needed_by)} {need} it"


def silent_attributes(evaluations: int, missing: Mapping[str, int]) -> list[str]:
    """One sentence for each attribute that a rule asks for and evaluations lack."""
    return [
        f"{evaluations:,} evaluations, {max(0, evaluations - count):,} carried `{attribute}`"
        for attribute, count in sorted(missing.items())
        if evaluations and count >= evaluations / 2
    ]


def silent_keys(evaluations: int, keyless: int) -> list[str]:
    """A sentence if evaluations came without a targeting key; they get the control (RULES B2)."""
    return (
        [f"{keyless:,} of {evaluations:,} evaluations had no targeting key and got the old version"] if keyless else []
    )


def _reordered(name: str, seen: list[str]) -> list[str]:
    """Names made of the same words in another order: `click_widget` for `widget_click`."""
    words = sorted(name.split("_"))
    return [other for other in seen if sorted(other.split("_")) == words]
