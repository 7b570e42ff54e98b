"""How far a change has got, on /metrics: confirmed, stragglers, unproven, and how long it took (RULES H2)."""

import asyncio
from datetime import timedelta
from typing import Any

from ebbgate.core.clock import ClockMapping
from ebbgate.core.events.types import EvaluatorReport
from ebbgate.core.flags import Snapshot, raw_document

CHANGE = "ebbgate_change_evaluators"
LAG = "ebbgate_change_confirmed_seconds"


class Reader:
    """Someone who follows a stream."""

    def __init__(self, edge: Any, path: str, query: str, kind: str) -> None:
        self.gone = asyncio.Event()
        scope = {
            "type": "http", "method": "GET", "path": path, "query_string": query.encode(),
            "headers": [(b"x-api-key", edge.tokens[kind].encode())],
        }  # fmt: skip
        self.task = asyncio.create_task(edge.edge.app(scope, self.receive, self.send))

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        return

    async def leave(self) -> None:
        self.gone.set()
        await self.task


async def settle() -> None:
    for _ in range(20):
        await asyncio.wait([asyncio.ensure_future(_nothing())])


async def _nothing() -> None:
    return


async def metrics(edge: Any) -> dict[str, float]:
    text = (await edge.call("GET", "/metrics", kind="operator")).body.decode()
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name.replace('environment="production",', ""): float(value) for name, _, value in lines}


async def confirm(edge: Any, evaluator: str, version: int) -> None:
    report = {
        "type": "evaluator", "evaluator": evaluator, "name": evaluator, "kind": "sdk", "state": "confirmed",
        "reported_at": edge.clock.machine_now().isoformat(), "snapshot_version": version,
    }  # fmt: skip
    assert (await edge.events(report, kind="server")).json()["accepted"] == 1


async def test_a_change_tells_confirmed_from_stragglers_and_those_who_cannot_say(edge: Any) -> None:
    sdks = [Reader(edge, "/v1/stream", f"evaluator=e{n}", "server") for n in range(4)]
    page = Reader(edge, "/ofrep/v1/stream", "", "client")
    await settle()
    edge.serve(2)
    for evaluator, seconds in (("e0", 0.25), ("e1", 0.5), ("e2", 2.0)):
        edge.clock.seconds = seconds
        await confirm(edge, evaluator, 2)
        await confirm(edge, evaluator, 2)  # heartbeats say it again
    await confirm(edge, "e3", 1)
    told = await metrics(edge)
    assert told[CHANGE + '{proof="confirmed"}'] == 3
    assert told[CHANGE + '{proof="straggler"}'] == 1
    assert told[CHANGE + '{proof="unproven"}'] == 1
    assert (told[LAG + '{quantile="0.5"}'], told[LAG + '{quantile="0.99"}']) == (0.5, 2.0)
    for reader in (*sdks, page):
        await reader.leave()


async def test_the_next_change_begins_anew(edge: Any) -> None:
    sdk = Reader(edge, "/v1/stream", "evaluator=e0", "server")
    await settle()
    await confirm(edge, "e0", 1)
    edge.serve(2)
    told = await metrics(edge)
    assert told[CHANGE + '{proof="confirmed"}'] == 0
    assert told[CHANGE + '{proof="straggler"}'] == 1
    assert not [name for name in told if name.startswith(LAG)]
    await sdk.leave()


async def test_after_a_restored_backup_with_lower_versions_nobody_has_confirmed_until_he_says_so(edge: Any) -> None:
    sdk = Reader(edge, "/v1/stream", "evaluator=e0", "server")
    await settle()
    edge.serve(50)
    await confirm(edge, "e0", 50)
    edge.serve(5, published_at=edge.clock.machine_now() + timedelta(hours=1))
    told = []
    for said in (None, 5, 3):  # at last one that has gone back, to the copy on its disk
        if said is not None:
            await confirm(edge, "e0", said)
        told.append((await metrics(edge))[CHANGE + '{proof="confirmed"}'])
    assert told == [0, 1, 0]
    await sdk.leave()


async def test_a_lost_evaluator_is_waited_for_until_its_lease_has_lapsed(edge: Any) -> None:
    sdk = Reader(edge, "/v1/stream", "evaluator=e0", "server")
    await settle()
    await sdk.leave()
    edge.serve(2)
    waited_for = await metrics(edge)
    edge.clock.seconds = 901.0
    given_up = await metrics(edge)
    assert waited_for[CHANGE + '{proof="straggler"}'] == 1
    assert given_up[CHANGE + '{proof="straggler"}'] == 0


async def test_evaluators_that_never_come_back_are_forgotten_though_nobody_reads_the_metrics(edge: Any) -> None:
    """Each process is an evaluator with an id of its own: they must not add up."""
    for place in range(3):
        sdk = Reader(edge, "/v1/stream", f"evaluator=e{place}", "server")
        await settle()
        await sdk.leave()
    edge.clock.seconds = 901.0
    await edge.edge.background.beat()
    assert edge.edge.proofs.known_count == 0


async def test_evaluations_from_an_older_snapshot_than_there_is_are_marked(edge: Any) -> None:
    async def stale() -> float:
        return (await metrics(edge))['ebbgate_snapshot_stale{environment="production"}']

    await edge.ofrep("plain", {})
    fresh = await stale()
    broken = Snapshot(
        version=2,
        environment="production",
        flag_set="shop",
        published_at=edge.clock.machine_now(),
        clock=ClockMapping(origin_at=edge.clock.machine_now(), plan_origin_at=edge.clock.machine_now()),
        document=raw_document({"flags": {"plain": {"state": "NO"}}}),
    )
    edge.control.publish(broken)
    edge.look()
    edge.look()  # it stays so, while nothing else comes
    answer = await edge.ofrep("plain", {})
    bulk = await edge.bulk({})
    told = await metrics(edge)
    marked = await stale()
    edge.serve(3)
    assert (answer.status, fresh, marked, await stale()) == (200, 0.0, 1.0, 0.0)
    assert told['ebbgate_evaluations_stale_total{environment="production"}'] == 3
    said = [answer.json(), *(flag for flag in bulk.json()["flags"] if flag["key"] == "plain")]
    assert [(one["reason"], one["metadata"]["staleReason"]) for one in said] == [("STALE", "STATIC")] * 2
    assert (await edge.ofrep("plain", {})).json()["reason"] == "STATIC"
    assert (await edge.ofrep("nope", {})).json()["errorCode"] == "FLAG_NOT_FOUND"


async def test_a_token_that_polls_is_unproven_and_its_programs_are_named(edge: Any) -> None:
    """RULES H2: such a caller keeps its answer for as long as it likes."""
    before = (await metrics(edge))[CHANGE + '{proof="unproven"}']
    for agent in ("openfeature-js/1.2", "curl/8\x1b[31m"):
        for _ in range(2):
            body = b'{"context": {"targetingKey": "u"}}'
            await edge.call("POST", "/ofrep/v1/evaluate/flags/plain", body, kind="client", user_agent=agent)
        await edge.edge.background.report()
    after = (await metrics(edge))[CHANGE + '{proof="unproven"}']
    edge.clock.seconds = 901.0
    given_up = (await metrics(edge))[CHANGE + '{proof="unproven"}']
    await edge.flush()
    names = [entry.name for entry in edge.entries if isinstance(entry, EvaluatorReport)]
    assert (before, after, given_up) == (0, 1, 0)
    assert names[-1].endswith("(openfeature-js/1.2, curl/8[31m)")
