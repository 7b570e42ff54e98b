"""RULES D4, D5, G2: how events arrive is compared between the arms, and whether treated units still come by."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.core.metrics.arrivals import (
    DROPPED_MAX,
    VOLUME_EXPECTED,
    VOLUME_TAIL,
    ArrivalBlock,
    ArrivalEvidence,
    VolumeBlock,
    VolumeEvidence,
    fold_arrivals,
    fold_volume,
    judge_arrivals,
    judge_volume,
    poisson_tail,
    promised_volume,
)
from ebbgate.core.metrics.contrast import TOTAL_PPM, Contrast, Interval

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def arrivals(*blocks: tuple[int, ...]) -> Any:
    """Each: treated, late, dropped; control, late, dropped."""
    evidence = ArrivalEvidence(metric="errors")
    for minute, (t, t_late, t_dropped, c, c_late, c_dropped) in enumerate(blocks):
        block = ArrivalBlock(
            metric="errors",
            phase=1,
            opened_at=NOON + timedelta(minutes=minute),
            closed_at=NOON + timedelta(minutes=minute + 1),
            treatment_n=t,
            treatment_late=t_late,
            treatment_dropped=t_dropped,
            control_n=c,
            control_late=c_late,
            control_dropped=c_dropped,
        )
        evidence = fold_arrivals(evidence, block, tests=4)
    return judge_arrivals(evidence, tests=4)


def test_d4_late_shares_that_differ_between_the_arms_are_shown_and_equal_ones_are_not() -> None:
    assert arrivals(*[(50, 10, 0, 200, 8, 0)] * 10).late_differs
    assert arrivals(*[(50, 1, 0, 200, 30, 0)] * 10).late_differs, "fewer is as suspicious as more"
    assert not arrivals(*[(50, 5, 0, 200, 20, 0)] * 50).late_differs


def test_d5_dropped_shares_are_compared_and_more_than_a_hundredth_asks_a_person() -> None:
    differing = arrivals(*[(50, 0, 8, 200, 0, 2)] * 10)
    assert differing.dropped_differs
    assert differing.is_dropping
    both = arrivals(*[(50, 0, 1, 200, 0, 4)] * 10)
    assert not both.dropped_differs
    assert both.treatment_dropped > DROPPED_MAX
    assert both.is_dropping
    assert not arrivals(*[(500, 0, 1, 500, 0, 1)] * 10).is_dropping


def visits(*counts: tuple[int, int], promised: float = 0.25) -> Any:
    evidence = VolumeEvidence()
    for minute, (treated, control) in enumerate(counts):
        block = VolumeBlock(
            phase=1,
            opened_at=NOON + timedelta(minutes=minute),
            closed_at=NOON + timedelta(minutes=minute + 1),
            treatment_n=treated,
            control_n=control,
        )
        evidence = fold_volume(evidence, block, promised=promised)
    return judge_volume(evidence)


def test_g2_a_volume_is_lost_when_treated_units_stay_away_while_the_control_comes() -> None:
    assert visits(*[(10, 40)] * 10, (0, 40), (0, 40), (0, 40), (0, 40)).lost
    assert not visits(*[(10, 40)] * 20).lost
    assert not visits(*[(0, 0)] * 20).lost, "nobody comes at all: that is no doing of the new version"


def test_g2_the_window_widens_until_it_promises_thirty() -> None:
    few = visits(*[(0, 8)] * 14)
    assert (few.expected, few.tail, few.lost) == (28.0, None, False)
    enough = visits(*[(0, 8)] * 15)
    assert enough.expected == VOLUME_EXPECTED
    assert enough.lost
    assert enough.opened_at == NOON
    assert visits(*[(0, 8)] * 20).opened_at == NOON + timedelta(minutes=5)


def test_g2_the_tail_is_poisson_s_and_half_of_the_promise_is_sound() -> None:
    assert poisson_tail(2, 15.0) == pytest.approx(3.93e-5, rel=1e-2)
    assert visits((2, 120)).tail == pytest.approx(poisson_tail(2, 15.0))
    assert visits((2, 120)).lost
    assert poisson_tail(3, 15.0) > VOLUME_TAIL
    assert not visits((3, 120)).lost
    assert visits((16, 120)).tail == 1.0


def test_g2_what_is_promised_counts_the_holdout_among_those_never_treated() -> None:
    contrast = Contrast(
        rollout_id="r",
        environment="production",
        flag="f",
        salt="s",
        phase=1,
        version_from=1,
        version_to=None,
        treatment=Interval(start=0, end=200_000),
        control=Interval(start=200_000, end=TOTAL_PPM),
        treatment_variant="on",
        control_variant="off",
        audience_variant="on_audience",
    )
    assert promised_volume(contrast, holdout=0.0) == pytest.approx(0.25)
    assert promised_volume(contrast, holdout=0.1) == pytest.approx(0.18 / 0.82)
    full = msgspec.structs.replace(contrast, treatment=Interval(start=0, end=TOTAL_PPM))
    assert promised_volume(full, holdout=0.0) == 0.0
    assert promised_volume(full, holdout=0.05) == pytest.approx(19.0)
