"""Overlays: named sets of changes to a plan, for a demo or a drill.

They may change only how fast things go and what is expected of the users.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import msgspec

from ebbgate.core.rollouts.plan import OverlayChange
from ebbgate.core.rollouts.plan_file_reader import at_key, refusal, shown, suggestion

PLAIN_KEYS = ("watch", "tick", "mode", "users", "stale_after")
"""Replaced whole."""

GUARDRAIL_KEYS = ("worse_by", "lateness")
GOAL_KEYS = ("lateness",)
VERIFY_KEYS = ("propagation", "recovery", "min_units")

OVERLAY_KEYS = (*PLAIN_KEYS, "verify", "guardrails", "goals")
"""Everything else is refused: exposure, audiences, limits, tolerances and the answers to harm are the plan's alone."""


class Overlaid(msgspec.Struct, frozen=True, kw_only=True):
    """data: the plan's data after the changes.

    origins: path in the data -> path in the file, to name mistakes where they were written.
    """

    data: dict[str, Any]
    changes: tuple[OverlayChange, ...]
    origins: dict[str, str]

    def origin_of(self, path: str) -> str:
        """Where in the file the thing at this path was written."""
        for place, origin in self.origins.items():
            if path == place or path.startswith((f"{place}.", f"{place}[")):
                return origin + path[len(place) :]
        return path


def overlay_names(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Raises PlanError where `overlays` is not a mapping."""
    overlays = data.get("overlays")
    if overlays is None:
        return ()
    if not isinstance(overlays, Mapping):
        hint = "write `demo: {watch: 1d, tick: 1h}`"
        raise refusal(f"overlays are {shown(overlays)}, not a mapping", path="$.overlays", hint=hint)
    return tuple(overlays)


def apply_overlay(data: Mapping[str, Any], name: str) -> Overlaid:
    """The plan's data with the named overlay on it.

    Raises PlanError for an unknown name or a key that no overlay may change.
    """
    names = overlay_names(data)
    if name not in names:
        raise refusal(f"there is no overlay `{name}`", path="$.overlays", hint=suggestion(name, names))
    return _Application(dict(data), name).run()


class _Application:
    """One overlay being applied: the copy grows, changes are noted."""

    def __init__(self, data: dict[str, Any], name: str) -> None:
        self._data = deepcopy({key: value for key, value in data.items() if key != "overlays"})
        self._overlay = data["overlays"][name]
        self._path = at_key("$.overlays", name)
        self._changes: list[OverlayChange] = []
        self._origins: dict[str, str] = {}

    def run(self) -> Overlaid:
        overlay = self._mapping(self._overlay, self._path)
        for key, value in overlay.items():
            path = at_key(self._path, key)
            if key not in OVERLAY_KEYS:
                raise refusal(f"an overlay cannot change `{key}`", path=path, hint=suggestion(key, OVERLAY_KEYS))
            if key == "watch":
                self._watch(value, path)
            elif key == "verify":
                self._inside(self._home("verify"), "$.verify", value, path, VERIFY_KEYS)
            elif key in ("guardrails", "goals"):
                self._metrics(key, value, path)
            else:
                self._set(self._data, key, value, at_key("$", key), path)
        return Overlaid(data=self._data, changes=tuple(self._changes), origins=self._origins)

    def _watch(self, value: Any, origin: str) -> None:
        """`watch` stands at the top or in the last phase; the overlay follows it."""
        phases = self._data.get("phases")
        last = phases[-1] if isinstance(phases, list) and phases else None
        if isinstance(last, dict) and "watch" in last:
            assert isinstance(phases, list)
            self._set(last, "watch", value, f"$.phases[{len(phases) - 1}].watch", origin)
        else:
            self._set(self._data, "watch", value, "$.watch", origin)

    def _metrics(self, key: str, value: Any, origin: str) -> None:
        allowed = GUARDRAIL_KEYS if key == "guardrails" else GOAL_KEYS
        home = self._home(key)
        for name, changes in self._mapping(value, origin).items():
            place = at_key(origin, name)
            metric = home.get(name)
            if not isinstance(metric, dict):
                raise refusal(f"the plan has no `{name}` in `{key}`", path=place, hint=suggestion(name, home))
            self._inside(metric, at_key(f"$.{key}", name), changes, place, allowed)

    def _inside(self, home: dict[str, Any], path: str, value: Any, origin: str, allowed: tuple[str, ...]) -> None:
        for key, item in self._mapping(value, origin).items():
            place = at_key(origin, key)
            if key not in allowed:
                raise refusal(f"an overlay cannot change `{key}` here", path=place, hint=suggestion(key, allowed))
            self._set(home, key, item, at_key(path, key), place)

    def _home(self, key: str) -> dict[str, Any]:
        """The plan's own mapping of this name, made where there is none. A wrong shape is left for the reader."""
        home = self._data.setdefault(key, {})
        return home if isinstance(home, dict) else {}

    def _set(self, home: dict[str, Any], key: str, value: Any, path: str, origin: str) -> None:
        before = home.get(key)
        home[key] = value
        self._origins[path] = origin
        if before != value:
            told = None if before is None else _text(before)
            self._changes.append(OverlayChange(path=path, before=told, after=_text(value)))

    def _mapping(self, value: Any, path: str) -> dict[str, Any]:
        if isinstance(value, dict) and value:
            return value
        raise refusal(
            f"the overlay is {shown(value)} here", path=path, hint="write the keys it changes: `{watch: 1d, tick: 1h}`"
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
