"""The `phases:` of a plan file."""

from collections import Counter
from datetime import timedelta
from typing import Any

import msgspec

from ebbgate.core.rollouts.plan import EVERYONE, RANDOM, Phase
from ebbgate.core.rollouts.plan_file_reader import (
    Fields,
    at_index,
    read_boolean,
    read_text,
    read_texts,
    refusal,
    shown,
    suggestion,
)
from ebbgate.core.rollouts.values import duration, exposure, percent_text, stay

PHASE_KEYS = ("name", "to", "who", "stay", "watch", "why", "early", "reversible")
_EXAMPLE = "{to: 20%, who: random, stay: 3d..5d}"


def read_phases(value: Any, path: str, *, audiences: tuple[str, ...]) -> tuple[tuple[Phase, ...], timedelta | None]:
    """The phases, and the last one's `watch` where it says one."""
    if not isinstance(value, list) or not value:
        raise refusal(f"phases are {shown(value)}, not a list", path=path, hint=f"write at least one: `- {_EXAMPLE}`")
    last = len(value) - 1
    read = [_phase(item, at_index(path, i), audiences=audiences, is_last=i == last) for i, item in enumerate(value)]
    _refuse_double_names([phase for phase, _, is_named in read if is_named], path)
    phases = _named([(phase, is_named) for phase, _, is_named in read])
    return phases, read[-1][1]


def _phase(value: Any, path: str, *, audiences: tuple[str, ...], is_last: bool) -> tuple[Phase, timedelta | None, bool]:
    fields = Fields(value, path, what="a phase", example=_EXAMPLE)
    for key in PHASE_KEYS:
        fields.has(key)
    fields.finish()
    to = fields.need("to", exposure)
    who = fields.take("who", lambda v, p: _who(v, p, to, audiences), (EVERYONE if to == 1 else RANDOM,))
    if fields.has("watch") and not is_last:
        hint = "watching begins with the last phase; here, write `stay`"
        raise refusal("only the last phase is watched", path=fields.at("watch"), hint=hint)
    if not is_last and not fields.has("stay"):
        hint = f"say how long at least and at most: `{_EXAMPLE}`"
        raise refusal("the phase does not say how long it stays", path=path, hint=hint)
    shortest, longest = fields.take("stay", stay, (timedelta(0), None))
    phase = Phase(
        name=fields.take("name", lambda v, p: read_text(v, p, example="early"), ""),
        exposure=to,
        who=who,
        stay_min=shortest,
        stay_max=longest,
        why=fields.take("why", read_text, ""),
        early=fields.take("early", read_boolean, False),
        reversible=fields.take("reversible", read_boolean, True),
    )
    return phase, fields.take("watch", duration, None), fields.has("name")


def _who(value: Any, path: str, to: float, audiences: tuple[str, ...]) -> tuple[str, ...]:
    names = read_texts(value, path, example="random")
    known = {*audiences, RANDOM, EVERYONE}
    for i, name in enumerate(names):
        place = at_index(path, i) if isinstance(value, list) else path
        if name not in known:
            raise refusal(f"there is no audience `{name}`", path=place, hint=suggestion(name, known))
        if name in names[:i]:
            raise refusal(f"`{name}` stands here twice", path=place, hint="name each audience once")
        if name == EVERYONE and to < 1:
            raise refusal(
                f"everyone is more than {percent_text(to)}", path=place, hint=f"write `{RANDOM}`, or `to: 100%`"
            )
    return names


def _refuse_double_names(phases: list[Phase], path: str) -> None:
    for name, count in Counter(phase.name for phase in phases).items():
        if count > 1:
            raise refusal(f"{count} phases are called `{name}`", path=path, hint="give each phase a name of its own")


def _named(phases: list[tuple[Phase, bool]]) -> tuple[Phase, ...]:
    """Names for phases that have none: the first audience, or the percentage; both where the name is taken."""
    taken = {phase.name for phase, is_named in phases if is_named}
    result: list[Phase] = []
    for phase, is_named in phases:
        name = phase.name
        if not is_named:
            share = percent_text(phase.exposure)
            audience = next((who for who in phase.who if who != RANDOM), share)
            name = next(
                n for n in (audience, f"{audience} {share}", *_numbered(f"{audience} {share}")) if n not in taken
            )
            taken.add(name)
        result.append(msgspec.structs.replace(phase, name=name))
    return tuple(result)


def _numbered(name: str) -> list[str]:
    return [f"{name} ({i})" for i in range(2, 1000)]
