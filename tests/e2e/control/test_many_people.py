"""The control API over real HTTP and real stores, with several people at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from ebbgate.client import ControlClient
from ebbgate.core.flags import decode_snapshot
from ebbgate.demo.server import LocalServer

FLAG = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
PEOPLE, CHANGES = 4, 15


def test_changes_at_the_same_time_are_all_stored_audited_once_and_published(
    serve: Callable[..., LocalServer], administer: Callable[[LocalServer], ControlClient]
) -> None:
    server = serve()
    admin = administer(server)
    admin.flags.put("50% off", FLAG, reason="first")

    def work(person: int) -> None:
        with ControlClient(server.control_url, server.admin_token, timeout=30.0) as client:
            for n in range(CHANGES):
                client.flags.opt_in("50% off", f"unit-{person}-{n}", reason=f"person {person}")
                client.server.metrics()
                client.observations.totals()

    with ThreadPoolExecutor(PEOPLE) as pool:
        for done in [pool.submit(work, person) for person in range(PEOPLE)]:
            done.result()

    flag = admin.flags.get("50% off")
    assert len(flag.opt_in) == PEOPLE * CHANGES
    entries = admin.records.audit(subject="flag:production/50% off", limit=1_000)
    assert [entry.action for entry in entries] == ["flag.put", *["flag.opt_in"] * (PEOPLE * CHANGES)]
    published = decode_snapshot((server.data_dir / "snapshots" / "production.json").read_bytes())
    assert published.version == flag.snapshot_version, "the newest snapshot is the one that the edge reads"
    assert "50% off" in msgspec.json.decode(published.document)["flags"]
