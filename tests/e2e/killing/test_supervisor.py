"""The supervisor of `ebbgate serve` (RULES I3)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ebbgate.bootstrap.settings import Role


@pytest.mark.parametrize("role", [Role.EDGE, Role.CONTROL])
def test_a_process_that_is_started_again_listens_where_it_did(
    role: Role, serve: Any, eventually: Callable[..., None]
) -> None:
    """A free port is chosen once: clients know no other."""
    server = serve()
    url = {Role.EDGE: server.edge_url, Role.CONTROL: server.control_url}[role]
    server.wait_restarted(role, server.kill(role))

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    eventually(answers, f"{role.value} to answer at {url}")
