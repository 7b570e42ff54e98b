"""Two rollouts and a flag of no rollout, before the server goes away."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from ebbgate import Client
from ebbgate.client import ControlClient
from ebbgate.core.errors import ConflictError

KEYS = [f"user-{n}" for n in range(200)]
THEME = {"state": "ENABLED", "variants": {"dark": "dark", "light": "light"}, "defaultVariant": "dark"}
PLAN = """
app: dashboard
flag: {flag}
mode: act
commander: devops-lead
phases:
  - {{name: half, to: 50%, who: random, stay: 1d..9d}}
  - {{name: full, to: 100%, who: everyone, watch: 9d}}
guardrails:
  errors: {{rate: api_error / api_request, worse_by: 5pp}}
when: {{server_lost: off after {lease}}}
"""


@pytest.fixture
def roll_out() -> Callable[[ControlClient], int]:
    """Starts `newWidgets` with a lease of 15 minutes and `newSearch` with one of 3 s, and puts `theme`, which has none.

    Returns the snapshot version that has them all.
    """

    def start(control: ControlClient) -> int:
        for flag, lease in (("newWidgets", "15m"), ("newSearch", "3s")):
            with suppress(ConflictError):
                control.rollouts.start(PLAN.format(flag=flag, lease=lease), release="v2.0.0", reason="before an outage")
        return control.flags.put("theme", THEME, reason="no rollout").snapshot_version

    return start


@pytest.fixture
def served() -> Callable[..., dict[str, Any]]:
    """What a client gives each user; the code's own default is the new version."""

    def ask(client: Client, flag: str, default: bool = True) -> dict[str, Any]:
        return {key: client.boolean_value(flag, default, {"targetingKey": key}) for key in KEYS}

    return ask
