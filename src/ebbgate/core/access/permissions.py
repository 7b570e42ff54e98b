"""What each kind of token may do. Two ladders: client below server (applications), operator below admin (people).

An operator cannot evaluate over OFREP: each such evaluation is recorded as somebody's exposure (RULES C2).
"""

from typing import Literal

from ebbgate.core.access.tokens import TokenKind

Permission = Literal[
    "evaluate", "send_events", "read_snapshot", "read_metrics", "opt_self", "report", "operate", "administer"
]
"""evaluate: OFREP. send_events: POST /v1/events. read_snapshot: whole snapshots and their stream, rules included.
read_metrics: /metrics. opt_self: a user's own opt-in (RULES B5). report: what users
say. operate: control API reads, rollout and flag actions.
administer: tokens and settings."""

_GRANTED: dict[TokenKind, frozenset[Permission]] = {
    "client": frozenset({"evaluate", "send_events", "opt_self"}),
    "server": frozenset({"evaluate", "send_events", "read_snapshot", "opt_self", "report"}),
    "operator": frozenset({"read_snapshot", "read_metrics", "report", "operate"}),
    "admin": frozenset(
        {"evaluate", "send_events", "read_snapshot", "read_metrics", "opt_self", "report", "operate", "administer"}
    ),
}


def may(kind: TokenKind, permission: Permission) -> bool:
    """Whether tokens of that kind may do that."""
    return permission in _GRANTED[kind]


def kinds_that_may(permission: Permission) -> tuple[TokenKind, ...]:
    """The kinds that may do that, weakest first."""
    return tuple(kind for kind, granted in _GRANTED.items() if permission in granted)
