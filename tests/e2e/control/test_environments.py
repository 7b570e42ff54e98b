"""An environment that is created while everything runs: edge, SDK and OFREP serve it at once, by its own bucketing."""

from collections.abc import Callable
from typing import Any

import httpx

from ebbgate.client import ControlClient

FLAG: dict[str, Any] = {
    "state": "ENABLED",
    "variants": {"heads": "heads", "tails": "tails"},
    "defaultVariant": "heads",
    "targeting": {"fractional": [["heads", 1], ["tails", 1]]},
    "metadata": {"optIn": True},
}
PERSON = {"context": {"targetingKey": "jon@company.com"}}
COIN = "fractional-flag-shorthand"  # flagd's own example: heads by v2, tails by v3


def test_a_new_environment_is_served_at_once_and_draws_people_by_its_own_bucketing(
    serve: Any, administer: Callable[[Any], ControlClient], eventually: Callable[..., None]
) -> None:
    server = serve()
    admin = administer(server)
    for name, generation in (("staging", "v2"), ("next", "v3")):
        admin.environments.create(name, reason="test", bucketing=generation)  # type: ignore[arg-type]
        admin.flags.put(COIN, FLAG, reason="test", environment=name)
    for name, variant in (("staging", "heads"), ("next", "tails")):
        secret = admin.tokens.create("client", name, reason="test", environment=name).secret
        headers = {"authorization": f"Bearer {secret}"}
        edge = httpx.Client(base_url=server.edge_url, headers=headers)

        def answer(edge: httpx.Client = edge) -> Any:
            return edge.post(f"/ofrep/v1/evaluate/flags/{COIN}", json=PERSON)

        eventually(lambda: answer().status_code == 200, f"{name} is served")
        assert answer().json()["variant"] == variant
        control = ControlClient(server.control_url, secret)
        assert control.flags.opt_self(COIN, "ada", is_in=True, environment=name).is_in
        control.close()
        edge.close()
    assert admin.flags.get(COIN, environment="staging").opt_in == ("ada",)
    changed = admin.environments.set_bucketing("staging", "v3", reason="newest providers")
    assert changed.environment.bucketing == "v3"
    secret = admin.tokens.create("client", "again", reason="test", environment="staging").secret
    with httpx.Client(base_url=server.edge_url, headers={"authorization": f"Bearer {secret}"}) as edge:

        def is_tails() -> bool:
            found = edge.post(f"/ofrep/v1/evaluate/flags/{COIN}", json=PERSON)
            return found.status_code == 200 and found.json()["variant"] == "tails"

        eventually(is_tails, "everybody is drawn anew")
