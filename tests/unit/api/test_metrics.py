from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from ebbgate.testing.memory_control import FaultPoint


def samples(desk: Any) -> dict[tuple[str, ...], float]:
    answer = desk.call("GET", "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_rollouts_decisions_and_the_log_are_counted(desk_alone: Any) -> None:
    desk_alone.start()
    desk_alone.live(3)
    found = samples(desk_alone)
    assert found["ebbgate_rollouts", "running"] == 1
    assert found["ebbgate_rollouts", "succeeded"] == 0
    assert found["ebbgate_decisions_total", "too_young", "hold"] == 3
    assert found["ebbgate_loop_ticks_total",] == 3
    assert found["ebbgate_loop_failures_total",] == 0
    assert found["ebbgate_log_offset",] == desk_alone.events.offset() > 0
    assert found["ebbgate_evaluators", "confirmed"] == 4
    assert found["ebbgate_evaluators", "lagging"] == 0


def test_a_decision_is_counted_once_however_often_is_scraped(desk_alone: Any) -> None:
    desk_alone.start()
    desk_alone.live(2)
    assert samples(desk_alone)["ebbgate_decisions_total", "too_young", "hold"] == 2
    desk_alone.live(1)
    assert samples(desk_alone)["ebbgate_decisions_total", "too_young", "hold"] == 3
    assert samples(desk_alone)["ebbgate_decisions_total", "too_young", "hold"] == 3


def test_evaluators_that_do_not_serve_the_newest_flags_are_lagging(desk_alone: Any) -> None:
    desk_alone.start()
    desk_alone.live(1)
    desk_alone.client().flags.put("menu", {"state": "ENABLED", "variants": {"on": True}}, reason="new")
    assert samples(desk_alone)["ebbgate_evaluators", "lagging"] == 4


def test_a_store_that_does_not_answer_gives_no_half_scrape(desk_alone: Any) -> None:
    desk_alone.store.fail_next(2, at=FaultPoint.BEGIN)
    assert desk_alone.call("GET", "/metrics").status_code == 503
