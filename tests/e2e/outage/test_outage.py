"""SDKs without their server (RULES B7, C4; issue 2: 7)."""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb

from ebbgate import Client
from ebbgate.bootstrap.clocks import SystemClock

CLOCK = SystemClock()
LEASE_S = 3.0
OTHER = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}

PROGRAM = """
import sys
import ebbgate

with ebbgate.Client(sys.argv[1], sys.argv[2], cache_dir=sys.argv[3]) as client:
    client.wait_ready(5)
    for key in sys.argv[4:]:
        print(client.boolean_value("newWidgets", True, {"targetingKey": key}))
"""


def a_token(control: Any) -> str:
    return str(control.tokens.create("server", "application", reason="to evaluate").secret)


def test_a_lost_server_means_last_good_values_until_the_lease_ends_and_no_event_is_lost_or_doubled(
    serve: Any, administer: Any, connect: Any, eventually: Any, roll_out: Any, served: Any
) -> None:
    server = serve()
    control = administer(server)
    token = a_token(control)
    roll_out(control)
    clients = [connect(server.edge_url, token, name=f"app-{n}") for n in range(3)]
    version = control.flags.get("theme").snapshot_version
    eventually(lambda: all(client.snapshot_version == version for client in clients), "the flags to arrive")
    before = [(served(client, "newWidgets"), served(client, "newSearch")) for client in clients]
    assert before[0] == before[1] == before[2]
    ids = [client.track("click", "user-1") for client in clients for _ in range(50)]
    eventually(lambda: all(client.flush(5) for client in clients))
    version = control.flags.put("other", OTHER, reason="so that they hear of the server").snapshot_version
    eventually(lambda: all(client.snapshot_version == version for client in clients), "the push")
    exposures = 2 * 2 * 3 * 200  # each of two flags, under each of two versions, in each SDK
    [served(client, flag) for client in clients for flag in ("newWidgets", "newSearch")]

    stopping = threading.Thread(target=server.stop)
    stopping.start()
    for client in clients:
        eventually(lambda client=client: not client.status.is_live, "the loss to be noticed")
    looks = 0
    for client in clients:
        while (client.status.contact_age_s or 0.0) < LEASE_S - 0.8:
            assert (served(client, "newWidgets"), served(client, "newSearch")) == before[0]
            looks += 1
            ids.append(client.track("click", "user-2"))
            CLOCK.sleep(timedelta(milliseconds=20))
    assert looks, "the loss was noticed too late to look at anything"
    for client in clients:
        eventually(lambda client=client: client.status.contact_age_s > LEASE_S, "the lease to end")
        assert set(served(client, "newSearch").values()) == {False}  # the old version, whatever the code's default is
        assert served(client, "newWidgets") == before[0][0]  # on a longer lease
        assert client.string_value("theme", "light") == "dark"  # in no rollout: without limit
        ids += [client.track("click", f"user-{n}") for n in range(200)]
    stopping.join()

    server.start()
    for client in clients:
        eventually(lambda client=client: client.status.is_live, "the SDK to come back")
        assert (served(client, "newWidgets"), served(client, "newSearch")) == before[0]
        assert client.flush(30.0)
        assert (client.status.dropped_events, client.status.dropped_exposures, client.status.rejected) == (0, 0, {})
    observations = administer(server).observations
    eventually(lambda: observations.totals().events >= len(ids), "the events to be read")
    server.stop()
    with closing(duckdb.connect(str(server.data_dir / "analysis.duckdb"), read_only=True)) as store:
        events = Counter(id_ for (id_,) in store.execute("SELECT id FROM events").fetchall())
        units = store.execute("SELECT count(*), count(DISTINCT id) FROM exposures").fetchone()
    assert events == Counter(ids)
    assert set(events.values()) == {1}
    assert units == (exposures, exposures)


def test_started_without_a_server_the_copy_on_disk_serves_within_its_lease_else_the_code_default(
    serve: Any, administer: Any, connect: Any, eventually: Any, roll_out: Any, served: Any, tmp_path: Path
) -> None:
    server = serve()
    control = administer(server)
    token = a_token(control)
    version = roll_out(control)
    first = connect(server.edge_url, token, cache_dir=tmp_path / "cache")
    eventually(lambda: first.snapshot_version == version)
    before = served(first, "newWidgets"), served(first, "newSearch")
    first.close()
    eventually(lambda: [one.is_closed for one in control.observations.evaluators()] == [True], "the goodbye")
    found = control.rollouts.get("newWidgets").evaluators  # RULES H2: not one that lost its server
    assert (found.confirmed, found.expected, found.unproven, found.unheard) == (0, 0, 0, ())
    server.stop()
    CLOCK.sleep(timedelta(seconds=LEASE_S))

    with_copy = connect(server.edge_url, token, cache_dir=tmp_path / "cache")
    without = connect(server.edge_url, token)
    assert with_copy.wait_ready(5)
    assert not without.wait_ready(0.5)
    assert served(with_copy, "newWidgets") == before[0]
    assert set(served(with_copy, "newSearch").values()) == {False}
    assert with_copy.string_value("theme", "light") == "dark"
    for default in (True, False):
        assert set(served(without, "newWidgets", default).values()) == {default}
    assert without.boolean_details("newWidgets", True).reason == "ERROR"
    queued = [client.track("click", "user-1") for client in (with_copy, without)]
    assert None not in queued

    server.start()
    for client in (with_copy, without):
        eventually(lambda client=client: client.status.is_live, "the SDK to find the server")
        assert (served(client, "newWidgets"), served(client, "newSearch")) == before
        assert client.flush(30.0)
    observations = administer(server).observations
    eventually(lambda: observations.totals().events == 2, "what was queued")


def test_a_local_kill_list_works_with_no_server(
    serve: Any,
    administer: Any,
    connect: Callable[..., Client],
    eventually: Any,
    roll_out: Any,
    served: Any,
    tmp_path: Path,
) -> None:
    server = serve()
    control = administer(server)
    token = a_token(control)
    version = roll_out(control)
    first = connect(server.edge_url, token, cache_dir=tmp_path / "cache")
    eventually(lambda: first.snapshot_version == version)
    exposed = [key for key, is_new in served(first, "newWidgets").items() if is_new][:5]
    first.close()
    server.stop()
    command = [sys.executable, "-c", PROGRAM, server.edge_url, token, str(tmp_path / "cache"), *exposed]

    def run(**variables: str) -> set[str]:
        done = subprocess.run(
            command, env=os.environ | variables, capture_output=True, text=True, check=True, timeout=30
        )
        return set(done.stdout.split())

    assert run() == {"True"}
    assert run(EBBGATE_KILL="newWidgets") == {"False"}
    assert run(EBBGATE_KILL="newWidgets=on,newSearch") == {"True"}

    file = tmp_path / "kill"
    running = connect(server.edge_url, token, cache_dir=tmp_path / "cache", kill_file=str(file))
    assert running.wait_ready(5)
    file.write_text("newWidgets  # 3 a.m.\n")
    eventually(lambda: not any(served(running, "newWidgets").values()), "the kill file to be read")
    file.unlink()
    eventually(lambda: any(served(running, "newWidgets").values()), "the kill to be lifted")
