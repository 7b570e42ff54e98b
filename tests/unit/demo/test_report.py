"""What the demo calls right, and what it says of the others."""

import msgspec
import pytest

from ebbgate.core.rollouts.state import Status
from ebbgate.demo.comparing import Other
from ebbgate.demo.expectation import expected_ends
from ebbgate.demo.report import ActReport, DemoReport, other_rows
from ebbgate.demo.settings import DemoSettings


def test_what_breaks_decides_what_is_expected() -> None:
    settings = DemoSettings()
    assert expected_ends(settings, 1, is_bad=False) == (Status.SUCCEEDED.value,)
    assert expected_ends(settings, 1, is_bad=True) == ("rolled_back (recovered)",)
    deaf = DemoSettings(ignore_pushes=True)
    assert expected_ends(deaf, 2, is_bad=True) == ("rolled_back (unverified)",)


@pytest.mark.parametrize(
    ("changes", "is_right"),
    [
        ({}, True),
        ({"ended": "succeeded"}, False),
        ({"postmortem": ""}, False),
        ({"incident": ""}, False),
        ({"replay_differs": 0}, True),
        ({"replay_differs": 2}, False),
    ],
)
def test_an_act_is_right_only_if_it_ended_so_is_written_down_and_lost_nothing(
    changes: dict[str, str | int], is_right: bool
) -> None:
    act = ActReport(
        act=2,
        release="v1.5.0",
        rollout="newWidgets-2",
        expected=("rolled_back (recovered)",),
        ended="rolled_back (recovered)",
        phase="early",
        looks=30,
        exposed=900,
        incident="INC-1",
        postmortem="draft",
    )
    assert msgspec.structs.replace(act, **changes).is_right is is_right


def test_the_others_stand_beside_ebbgate_with_what_is_calculated_marked() -> None:
    good = ActReport(
        act=1,
        release="v1.4.0",
        rollout="newWidgets-1",
        expected=("succeeded",),
        ended="succeeded",
        phase="early",
        looks=90,
        exposed=20_000,
        others=(Other(rule="a", looks=90, false_alarm_at=31), Other(rule="b", looks=90)),
    )
    broken = ActReport(
        act=2,
        release="v1.5.0",
        rollout="newWidgets-2",
        expected=("rolled_back (recovered)",),
        ended="rolled_back (failed)",
        phase="early",
        looks=20,
        exposed=2_000,
        was_broken=True,
        harmed=1_500,
        others=(Other(rule="a", looks=20, harmed=700), Other(rule="b", looks=20, harmed=4_000, is_projected=True)),
    )
    report = DemoReport(
        seed=1, users=1, units=1, events=1, exposures=1, duplicates=0, visits=1, machine_s=1.0, acts=(good, broken)
    )
    assert other_rows(report) == [
        ("ebbgate", "no false alarm", "did not act: 1,500 users"),
        ("a", "false alarm at look 31 of 90", "after 700 users"),
        ("b", "no false alarm in 90 looks", "after about 4,000*"),
    ]
