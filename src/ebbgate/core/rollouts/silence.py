"""What does not arrive, said aloud (DESIGN section 5): the biggest trip is silence."""

from collections.abc import Mapping
from difflib import get_close_matches

from ebbgate.core.rollouts.plan import Plan


def silent_events(plan: Plan, seen: Mapping[str, int]) -> list[str]:
    """One sentence for each event name that the plan's metrics need and nobody sends. seen: name -> how many
    arrived. Metrics of releases and of queries need no event.
    """
    metrics = [metric for metric in plan.metrics if metric.is_of_events]
    wanted = dict.fromkeys(name for m in metrics for name in (m.trial, m.event) if name)
    sentences = []
    for name in wanted:
        if seen.get(name):
            continue
        close = get_close_matches(name, seen, n=1, cutoff=0.6) or _reordered(name, seen)
        others = f"seen: `{close[0]}`" if close else f"{len(seen)} other names arrive" if seen else "nothing arrives"
        sentences.append(f"no `{name}`; {others}")
    return sentences


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


def _reordered(name: str, seen: Mapping[str, int]) -> list[str]:
    """Names made of the same words in another order: `click_widget` for `widget_click`."""
    words = sorted(name.split("_"))
    return [other for other in seen if sorted(other.split("_")) == words]
