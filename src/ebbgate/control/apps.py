"""Applications are known by what is done with them: a misspelt one would be answered as if all were well."""

from collections.abc import Iterable
from difflib import get_close_matches

from ebbgate.core.errors import NotFoundError
from ebbgate.ports.control_store import ControlTransaction

SHOWN = 10
"""Names in a hint at most, nearest first."""


def known_apps(tx: ControlTransaction) -> set[str]:
    """Those with a rollout or a release, whatever became of it."""
    return {state.plan.app for state in tx.rollouts()} | {release.app for release in tx.releases()}


def require_app(app: str, known: Iterable[str], *, otherwise: str) -> None:
    """Raises NotFoundError for an app that is none of the known ones, with those. Where none is known yet, there is
    nothing that it could be mistaken for. otherwise: what to do if the name is right.
    """
    if (names := sorted(known)) and app not in names:
        raise NotFoundError(
            f"nothing is known of an app {app!r}", hint=f"apps: {nearest(app, names)}; if it is right, {otherwise}"
        )


def nearest(wanted: str, names: Iterable[str]) -> str:
    """Names for a hint: those like the one that was meant come first."""
    names = list(names)
    alike = get_close_matches(wanted, names, n=3)
    shown = [*alike, *(name for name in names if name not in alike)]
    return ", ".join(shown[:SHOWN]) + (f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else "")
