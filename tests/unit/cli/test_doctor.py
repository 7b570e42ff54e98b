"""What `doctor` concludes from what it finds."""

from datetime import timedelta

from ebbgate.cli.doctor_checks import Finding, check_extras, check_python
from ebbgate.cli.doctor_server import check_clock, check_evaluators, check_silence
from ebbgate.core.clock import ClockMapping
from ebbgate.core.events.view import ArrivalsView, ArrivedEvent, ClockView, EvaluatorView, RolloutSilence
from ebbgate.testing.rollouts import NOON

MAPPING = ClockMapping(origin_at=NOON, plan_origin_at=NOON, scale=600.0)


def server_clock(ahead: timedelta) -> Finding:
    answer = ClockView(machine_at=NOON + ahead, plan_at=NOON, mapping=MAPPING)
    return check_clock(answer, before=NOON, after=NOON + timedelta(seconds=1)).finding


def an_evaluator(*, is_connected: bool) -> EvaluatorView:
    return EvaluatorView(
        evaluator="a",
        name="a",
        kind="sdk",
        is_connected=is_connected,
        snapshot_version=1,
        confirmed_at=NOON,
        last_seen_at=NOON,
    )


def test_an_old_python_is_named() -> None:
    assert check_python((3, 10, 2)).finding is Finding.FAILED
    assert check_python((3, 11, 0)).finding is Finding.OK


def test_missing_modules_are_named_with_the_extra() -> None:
    check = check_extras(lambda module: module != "duckdb")
    assert (check.finding, check.detail) == (Finding.FAILED, "missing: duckdb")
    assert check.hint == 'pip install "ebbgate[server]"'


def test_optional_extras_that_are_absent_are_no_failure() -> None:
    check = check_extras(lambda module: module != "openfeature")
    assert (check.finding, check.detail) == (Finding.OK, "server; not installed: ebbgate[openfeature]")


def test_clocks_may_differ_by_a_round_trip_but_not_by_minutes() -> None:
    assert server_clock(timedelta(seconds=3)) is Finding.OK
    assert server_clock(timedelta(seconds=-3)) is Finding.OK
    assert server_clock(timedelta(seconds=30)) is Finding.WARNING
    assert server_clock(timedelta(minutes=-6)) is Finding.FAILED


def test_no_evaluator_is_worth_a_note_only() -> None:
    assert check_evaluators([]).finding is Finding.NOTE
    assert check_evaluators([an_evaluator(is_connected=False)]).detail == "none connected, 1 seen before"
    assert check_evaluators([an_evaluator(is_connected=True)]).finding is Finding.OK


def test_silence_is_a_warning_with_the_rollout_that_waits() -> None:
    silence = RolloutSilence(rollout_id="newWidgets-1", sentences=("no `click`; seen: `clicks`",))
    checks = list(check_silence(ArrivalsView(watermark=NOON, silence=(silence,))))
    assert [(c.finding, c.detail) for c in checks] == [(Finding.WARNING, "newWidgets-1: no `click`; seen: `clicks`")]


def test_without_silence_the_arrivals_are_counted() -> None:
    names = (
        ArrivedEvent(name="click", count=1200, newest_at=NOON),
        ArrivedEvent(name="view", count=34, newest_at=NOON),
    )
    (check,) = check_silence(ArrivalsView(watermark=NOON, names=names))
    assert check.detail == "nothing is missed; 1,234 events have arrived"
