"""OFREP answers, and what is recorded of them (RULES C2)."""

from typing import Any

import pytest

from ebbgate.core.events.types import EvaluatorReport, Exposure

PATH = "/ofrep/v1/evaluate/flags"


async def test_single_gives_key_value_variant_and_reason(edge: Any) -> None:
    answer = await edge.ofrep("plain", {"targetingKey": "u1"})
    assert answer.json() == {"key": "plain", "value": False, "variant": "off", "reason": "STATIC"}
    assert answer.headers["content-type"] == "application/json"


async def test_the_value_is_left_out_where_the_code_default_stands(edge: Any) -> None:
    edge.serve(
        2,
        nodefault={"state": "ENABLED", "variants": {"a": 1}},
        disabled={"state": "DISABLED", "variants": {"a": 1}, "defaultVariant": "a"},
    )
    assert (await edge.ofrep("nodefault", {})).json() == {"key": "nodefault", "reason": "DEFAULT"}
    assert (await edge.ofrep("disabled", {})).json() == {"key": "disabled", "reason": "DISABLED"}


async def test_zero_values_are_values(edge: Any) -> None:
    edge.serve(2, zero={"state": "ENABLED", "variants": {"z": 0}, "defaultVariant": "z"})
    assert (await edge.ofrep("zero", {})).json()["value"] == 0


async def test_an_unknown_flag_is_404_and_not_counted(edge: Any) -> None:
    answer = await edge.ofrep("nope", {})
    metrics = await edge.call("GET", "/metrics", kind="operator")
    assert (answer.status, answer.json()["errorCode"], answer.json()["key"]) == (404, "FLAG_NOT_FOUND", "nope")
    assert b'"nope"' not in metrics.body


async def test_a_rule_that_names_no_variant_is_400_general(edge: Any) -> None:
    edge.serve(
        2, odd={"state": "ENABLED", "variants": {"a": 1}, "defaultVariant": "a", "targeting": {"if": [True, "b", "c"]}}
    )
    answer = await edge.ofrep("odd", {})
    assert (answer.status, answer.json()["errorCode"]) == (400, "GENERAL")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"context": null}', b'{"context": {}}', b'{"context": {}, "x": 1}'])
async def test_bodies_are_read_leniently(edge: Any, body: bytes) -> None:
    single = await edge.call("POST", PATH + "/plain", body)
    bulk = await edge.call("POST", PATH, body)
    slashed = await edge.call("POST", PATH + "/", body)
    assert (single.status, bulk.status, slashed.status) == (200, 200, 200)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"nonsense", "PARSE_ERROR"),
        (b"\xff", "PARSE_ERROR"),
        (b"[]", "PARSE_ERROR"),
        (b'{"context": {"a": "\xff"}}', "PARSE_ERROR"),
        (b'{"context": []}', "INVALID_CONTEXT"),
        (b"[" * 100_000, "PARSE_ERROR"),
    ],
)
async def test_a_body_that_is_no_request_is_400_with_ofreps_code(edge: Any, body: bytes, code: str) -> None:
    single = await edge.call("POST", PATH + "/plain", body)
    bulk = await edge.call("POST", PATH, body)
    assert (single.status, single.json()["errorCode"], single.json()["key"]) == (400, code, "plain")
    assert (bulk.status, bulk.json()["errorCode"]) == (400, code)
    assert "key" not in bulk.json()


async def test_a_body_over_the_limit_is_413(make_edge: Any) -> None:
    edge = make_edge(ofrep_bytes_max=100)
    edge.grant()
    edge.serve()
    assert (await edge.ofrep("plain", {"a": "x" * 100})).status == 413


async def test_bulk_holds_every_flag_and_its_tag_changes_only_with_the_answer(edge: Any) -> None:
    first = await edge.bulk({"targetingKey": "u1"})
    same = await edge.bulk({"targetingKey": "u1"}, if_none_match=first.headers["etag"])
    weak = await edge.bulk({"targetingKey": "u1"}, if_none_match=f'"x", W/{first.headers["etag"]}')
    edge.serve(2)
    after_publish = await edge.bulk({"targetingKey": "u1"}, if_none_match=first.headers["etag"])
    edge.serve(3, plain={"state": "ENABLED", "variants": {"b": True}, "defaultVariant": "b"})
    changed = await edge.bulk({"targetingKey": "u1"}, if_none_match=first.headers["etag"])
    assert {flag["key"] for flag in first.json()["flags"]} == {"plain", "newWidgets"}
    assert (same.status, same.body, same.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (weak.status, after_publish.status, changed.status) == (304, 304, 200)


async def test_an_exposure_is_recorded_once_for_each_unit_flag_and_version(edge: Any) -> None:
    for unit in ("u1", "u2", "u1"):
        await edge.ofrep("newWidgets", {"targetingKey": unit})
        await edge.bulk({"targetingKey": unit})
    edge.serve(2)
    await edge.ofrep("newWidgets", {"targetingKey": "u1"})
    await edge.flush()
    exposures = [entry for entry in edge.entries if isinstance(entry, Exposure)]
    assert [(e.unit, e.snapshot_version) for e in exposures] == [("u1", 1), ("u2", 1), ("u1", 2)]
    assert all(e.source == "ofrep" and e.flag_set == "shop" for e in exposures)
    assert {e.sent_at for e in exposures} == {record.received_at for record in edge.writer.records}
    assert len({e.id for e in exposures}) == 3


async def test_a_forgotten_unit_is_recorded_again_under_the_same_id(make_edge: Any) -> None:
    edge = make_edge(exposures_known_max=1)
    edge.grant()
    edge.serve()
    for unit in ("u1", "u2", "u1"):
        await edge.ofrep("newWidgets", {"targetingKey": unit})
    await edge.flush()
    first, _, again = [entry for entry in edge.entries if isinstance(entry, Exposure)]
    assert first.id == again.id


@pytest.mark.parametrize("context", [{}, {"targetingKey": ""}, {"targetingKey": 7}, {"targetingKey": "u" * 257}])
async def test_a_unit_that_is_no_text_or_too_long_is_answered_but_not_recorded(edge: Any, context: Any) -> None:
    answer = await edge.ofrep("newWidgets", context)
    await edge.flush()
    assert answer.status == 200
    assert edge.entries == []


async def test_exposures_wait_while_the_log_fails_and_their_number_is_bounded(make_edge: Any) -> None:
    edge = make_edge(entries_pending_max=2)
    edge.grant()
    edge.serve()
    for unit in ("u1", "u2", "u3"):
        assert (await edge.ofrep("newWidgets", {"targetingKey": unit})).status == 200
    edge.writer.is_failing = True
    with pytest.raises(Exception, match="disk is full"):
        await edge.flush()
    edge.writer.is_failing = False
    await edge.flush()
    await edge.ofrep("newWidgets", {"targetingKey": "u3"})  # was not taken, hence not remembered
    await edge.flush()
    assert [entry.unit for entry in edge.entries] == ["u1", "u2", "u3"]


async def test_evaluations_are_reported_by_token_while_there_are_any(edge: Any) -> None:
    for context in ({"targetingKey": "u1"}, {}, {}):
        await edge.ofrep("newWidgets", context)
    await edge.ofrep("plain", {}, kind="server")
    await edge.edge.background.report()
    await edge.edge.background.report()
    await edge.flush()
    reports = {entry.name: entry for entry in edge.entries if isinstance(entry, EvaluatorReport)}
    assert len([entry for entry in edge.entries if isinstance(entry, EvaluatorReport)]) == 2
    mine = reports["OFREP, token client"]
    assert (mine.kind, mine.state, mine.snapshot_version) == ("ofrep", "heartbeat", 1)
    assert (mine.counts.evaluations, mine.counts.keyless) == ({"newWidgets": 3}, {"newWidgets": 2})
    assert reports["OFREP, token server"].counts.evaluations == {"plain": 1}


async def test_a_flag_whose_rule_fails_is_counted_as_code_default_and_one_that_is_not_there_is_not(edge: Any) -> None:
    broken = {"state": "ENABLED", "variants": {"on": True}, "defaultVariant": "on", "targeting": {"$ref": "nowhere"}}
    edge.serve(2, broken=broken, plain={**broken, "targeting": {}})
    for key in ("broken", "plain", "nope"):
        await edge.ofrep(key, {"targetingKey": "u1"})
    await edge.call("POST", PATH, b"{}")
    await edge.edge.background.report()
    await edge.flush()
    [report] = [entry for entry in edge.entries if isinstance(entry, EvaluatorReport)]
    assert report.counts.evaluations == {"broken": 2, "plain": 2}
    assert report.counts.code_defaults == {"broken": 2}
    assert report.counts.keyless == {"broken": 1, "plain": 1}


async def test_attributes_that_a_rule_reads_and_that_do_not_arrive_are_counted(edge: Any) -> None:
    rule = {"if": [{"ends_with": [{"var": "email"}, "@x.io"]}, "on", "off"]}
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off", "targeting": rule}
    off = {**flag, "state": "DISABLED"}
    edge.serve(2, newWidgets=flag, plain=flag, disabled=off)
    for context in ({}, {"targetingKey": "u1"}, {"targetingKey": "u1", "email": "a@x.io"}):
        await edge.ofrep("newWidgets", context)
        await edge.ofrep("plain", context)
        await edge.ofrep("disabled", context)
    await edge.edge.background.report()
    await edge.flush()
    [report] = [entry for entry in edge.entries if isinstance(entry, EvaluatorReport)]
    assert report.counts.missing_attributes == {"newWidgets": {"email": 2}, "plain": {"email": 2}}


async def test_the_attributes_counted_are_bounded_and_a_rollouts_are_always_among_them(edge: Any) -> None:
    def reads(flag: int | str, names: int) -> dict[str, Any]:
        rule = {"or": [{"var": f"{flag}-{name}"} for name in range(names)]}
        return {"state": "ENABLED", "variants": {"true": True, "false": False}, "defaultVariant": "false",
                "targeting": rule}  # fmt: skip

    edge.serve(2, **{f"f{flag}": reads(flag, 99) for flag in range(21)}, newWidgets=reads("new", 3))
    await edge.bulk({"targetingKey": "u1"})
    await edge.edge.background.report()
    await edge.flush()
    [report] = [entry for entry in edge.entries if isinstance(entry, EvaluatorReport)]
    missing = report.counts.missing_attributes
    assert sum(len(names) for flag, names in missing.items() if flag != "newWidgets") == 2_000
    assert len(missing["newWidgets"]) == 3


async def test_keys_that_are_no_flag_are_counted_for_server_tokens_up_to_a_number_of_names(edge: Any) -> None:
    """A client token is public: with it anybody could have names of his own shown."""
    for number in range(150):
        await edge.ofrep(f"gone-{number}", {}, kind="server")
    await edge.ofrep("gone-0", {}, kind="server")
    await edge.ofrep("x" * 129, {}, kind="server")
    await edge.ofrep("made-up", {}, kind="client")
    await edge.edge.background.report()
    metrics = await edge.call("GET", "/metrics", kind="operator")
    await edge.flush()
    [report] = [entry for entry in edge.entries if isinstance(entry, EvaluatorReport)]
    told = {f"gone-{number}": 1 for number in range(100)} | {"gone-0": 2}
    assert report.counts.evaluations == report.counts.code_defaults == told
    assert b"gone-0" not in metrics.body


async def test_only_the_flag_set_that_a_selector_names_is_evaluated(edge: Any) -> None:
    plain = {"state": "ENABLED", "variants": {"a": 1}, "defaultVariant": "a"}
    mine, free = ({**plain, "metadata": {"flagSetId": name}} for name in ("mine", ""))
    edge.serve(2, mine=mine, free=free, rest=plain)
    edge.serve(3, environment="staging", other=plain)

    async def asked(selector: str) -> tuple[int, int, list[str]]:
        own = await edge.ofrep("mine", {"targetingKey": "u"}, flagd_selector=selector)
        rest = await edge.ofrep("rest", {"targetingKey": "u"}, flagd_selector=selector, kind="server")
        bulk = await edge.bulk({"targetingKey": "u"}, flagd_selector=selector)
        if own.status == 404:
            assert own.json()["errorCode"] == "FLAG_NOT_FOUND"
        return own.status, rest.status, [flag["key"] for flag in bulk.json()["flags"]]

    assert await asked("flagSetId=mine") == (200, 404, ["mine"])
    assert await asked("flagSetId=shop") == (404, 200, ["rest"])
    assert await asked("flagSetId=") == (404, 404, ["free"])
    assert await asked("flagSetId=nobody") == (404, 404, [])
    assert await asked("source=staging") == (404, 404, ["other"])
    assert await asked("production") == (200, 200, ["mine", "free", "rest"])
    await edge.edge.background.report()
    await edge.flush()
    reports = {entry.name: entry.counts for entry in edge.entries if isinstance(entry, EvaluatorReport)}
    assert reports["OFREP, token client"].evaluations == {"mine": 4, "free": 2, "rest": 2, "other": 1}
    assert reports["OFREP, token server"].evaluations == {"rest": 3}


@pytest.mark.parametrize("selector", ["owner=me", "source=", "a,b"])
async def test_a_selector_that_cannot_be_read_is_400_general(edge: Any, selector: str) -> None:
    single = await edge.ofrep("plain", {}, flagd_selector=selector)
    bulk = await edge.bulk({}, flagd_selector=selector)
    assert (single.status, single.json()["errorCode"], single.json()["key"]) == (400, "GENERAL", "plain")
    assert (bulk.status, bulk.json()["errorCode"]) == (400, "GENERAL")
    assert (await edge.ofrep("plain", {}, flagd_selector="nowhere")).status == 404
