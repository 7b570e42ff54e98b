"""What a plan tolerates, turned into the null that each test is shifted to (RULES E1).

A true effect exactly at `tolerate` then fires with probability at most alpha.
"""

from collections.abc import Mapping
from math import ceil, fsum, log

from ebbgate.core.metrics.blocks import AFTERWARDS, SKETCH_BASE, ProportionBlock
from ebbgate.core.metrics.definition import Direction, Guardrail, Margin
from ebbgate.core.metrics.evidence_types import PhaseEvidence
from ebbgate.core.stats import odds_ratio

_CLOSE_TO_ONE = 1 - 1e-9

A_RARE_RATE = 0.01
GUESS_UNITS = 20
"""What is guessed of a rate before there are data: low, as that costs least where it is wrong; and units that it
weighs, so that the first three units do not make it 2 in 3."""


def sign(guardrail: Guardrail) -> int:
    """+1 if an increase is worse, -1 if a decrease is: `sign * (treatment - control)` points toward harm."""
    return 1 if guardrail.metric.bad is Direction.INCREASE else -1


def is_zero(margin: Margin) -> bool:
    """Whether nothing at all is granted."""
    return not margin.relative and not margin.absolute


def relative_tolerance(guardrail: Guardrail) -> float:
    """The tolerated change as a share of the control's value. Absolute margins are divided by the baseline, which
    `plan lint` asks for."""
    tolerate = guardrail.tolerate
    if tolerate.absolute is None or tolerate.absolute == 0:
        return tolerate.relative or 0.0
    assert guardrail.baseline, f"{guardrail.metric.name}: an absolute tolerance needs a baseline"
    return tolerate.absolute / guardrail.baseline


def tolerated_rate(guardrail: Guardrail) -> tuple[float, float]:
    """(offset, slope): nothing is harm while the treatment's rate of *bad* events is at most offset + slope * the
    control's.

    Exactly the plan's margin, at every level: a share that must not fall is one of failures, and `- 10 %` of it leaves
    them at 0.1 + 0.9 of the control's. A margin that reaches beyond 1 can never be exceeded.
    """
    tolerate = guardrail.tolerate
    if tolerate.absolute is not None:
        return tolerate.absolute, 1.0
    relative = tolerate.relative or 0.0
    return (0.0, 1 + relative) if sign(guardrail) > 0 else (relative, 1 - relative)


def guessed_level(guardrail: Guardrail, phases: Mapping[int, PhaseEvidence], block: ProportionBlock) -> float:
    """The control's rate of bad events as it may be guessed *before* a block that is in its phase already: so it is
    predictable, and only power rests on it (`margin_log_e`).

    Of the phase so far, with GUESS_UNITS of what is guessed without it: the baseline, else what the control had in
    other phases, else A_RARE_RATE.
    """
    worse, seen = sign(guardrail), phases[block.phase].strata.control
    n, y = seen.n - block.control_n, seen.numerator - block.control_y
    if guardrail.baseline is not None and 0 < guardrail.baseline < 1:
        guess = guardrail.baseline if worse > 0 else 1 - guardrail.baseline
    else:
        others = [phases[index].strata.control for index in sorted(phases) if index not in (*AFTERWARDS, block.phase)]
        known = [(arm.n, arm.numerator) for arm in others]
        guess = _share(fsum(n for n, _ in known), fsum(y for _, y in known), worse, A_RARE_RATE)
    return _share(n, y, worse, guess)


def _share(n: float, y: float, worse: int, guess: float) -> float:
    """Of bad events, with GUESS_UNITS of a guess."""
    return ((y if worse > 0 else n - y) + GUESS_UNITS * guess) / (n + GUESS_UNITS)


def tolerated_odds(guardrail: Guardrail, *, control_rate: float | None = None) -> float:
    """The odds ratio of *bad* events, treatment to control, at the tolerance; 1 if nothing is tolerated.

    As it was before edition 2 (EVIDENCE_EDITION), for replays. A margin on rates is another odds ratio at every rate.
    It is converted at the baseline and at the control's measured rate (None: too few units to say), and the
    larger of the two stands. With neither, a relative margin is taken as the odds ratio, which is right for rare events
    alone.
    """
    if is_zero(guardrail.tolerate):
        return 1.0
    rates = [rate for rate in (guardrail.baseline, control_rate) if rate is not None and 0 < rate < 1]
    if rates:
        return max(_odds_at(guardrail, rate) for rate in rates)
    relative = relative_tolerance(guardrail)
    return 1 + relative if sign(guardrail) > 0 else 1 / max(1 - relative, 1e-9)


def _odds_at(guardrail: Guardrail, rate: float) -> float:
    tolerate, worse = guardrail.tolerate, sign(guardrail)
    change = tolerate.absolute if tolerate.absolute is not None else rate * (tolerate.relative or 0.0)
    shifted = min(max(rate + worse * change, 1e-9), _CLOSE_TO_ONE)
    return odds_ratio(shifted, rate) if worse > 0 else odds_ratio(1 - shifted, 1 - rate)


def tolerated_wealth(guardrail: Guardrail, *, control_mean: float, cap: float) -> float:
    """The tolerated mean of the bets' D = sign * (x_T - x_C) / cap.

    Relative margins need the control's mean: the larger of the baseline and what was measured is taken, which errs
    toward tolerating.
    """
    tolerate = guardrail.tolerate
    if tolerate.absolute is not None:
        change = tolerate.absolute
    else:
        change = (tolerate.relative or 0.0) * max(guardrail.baseline or 0.0, control_mean)
    return min(max(change, 0.0) / cap, _CLOSE_TO_ONE)


def tolerated_bins(guardrail: Guardrail) -> int:
    """Bins of a sketch by which the treatment is moved back before it is compared; rounded toward tolerating more."""
    relative = relative_tolerance(guardrail)
    if not relative:
        return 0
    step = log(SKETCH_BASE)
    if sign(guardrail) > 0:
        return ceil(log(1 + relative) / step - 1e-9)
    return -ceil(-log(max(1 - relative, 1e-9)) / step - 1e-9)
