"""What `doctor` asks the server: is it ready, what may the token do, do the clocks agree, what is silent."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.cli.connection import TOKEN_VARIABLE, target
from ebbgate.cli.doctor_checks import DEFAULT_PORTS, Check, Finding, told_port
from ebbgate.core.access import TokenKind, kind_of, may
from ebbgate.core.errors import AuthenticationError, EbbgateError, PermissionDeniedError, StoreUnavailableError
from ebbgate.core.events.view import ArrivalsView, ClockView, EvaluatorView
from ebbgate.core.rollouts.state import LOOKED_AT
from ebbgate.core.rollouts.view import RolloutLine
from ebbgate.terminal.words import first_of

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

SKEW_MAX = timedelta(seconds=5)
"""Difference of the machines' clocks that goes unnoticed: more than any round trip on a sound network."""

SKEW_REFUSED = timedelta(minutes=5)
"""From here on events of this machine would be refused (RULES C3)."""


def check_server(url: str | None, token: str | None, *, data_dir: Path, edge_url: str | None) -> list[Check]:
    """All that can be asked. Where control is not ready, nothing more is asked of it."""
    try:
        found = target(url, token)
    except EbbgateError as error:
        return [Check(name="login", finding=Finding.FAILED, detail=error.message, hint=error.hint)]
    port = told_port(data_dir, "control")
    if found.url_from == "default" and port is not None:
        found = target(f"http://127.0.0.1:{port}", token)
    edge_url = edge_url or os.environ.get("EBBGATE_URL") or _edge_url(data_dir)
    checks = [_ready("edge", edge_url), _ready("control", found.url)]
    if checks[1].finding is not Finding.OK:
        return checks
    checks.append(_token(found.url, found.token, found.token_from))
    if checks[2].finding is Finding.OK:
        from ebbgate.client import ControlClient

        with ControlClient(found.url, found.token) as control:
            checks += _asked(control)
    return checks


def _edge_url(data_dir: Path) -> str:
    return f"http://127.0.0.1:{told_port(data_dir, 'edge') or DEFAULT_PORTS['edge']}"


def _ready(name: str, url: str) -> Check:
    from ebbgate.client import ControlClient

    try:
        with ControlClient(url, "", timeout=3.0) as server:  # both processes have the same two pages
            server.server.readyz()
    except StoreUnavailableError as error:
        return Check(name=name, finding=Finding.FAILED, detail=error.message, hint=error.hint)
    except EbbgateError as error:
        hint = "check the URL: something else answers there"
        return Check(name=name, finding=Finding.FAILED, detail=f"{url}: {error.message}", hint=hint)
    return Check(name=name, finding=Finding.OK, detail=f"{url} is ready")


def _token(url: str, token: str, source: str) -> Check:
    from ebbgate.client import ControlClient

    if not token:
        hint = f"run `ebbgate login`, or set {TOKEN_VARIABLE}; the server's first start prints an admin token"
        return Check(name="token", finding=Finding.FAILED, detail=f"there is none for {url}", hint=hint)
    kind = kind_of(token)
    if kind is None:
        hint = "it should look like ebb_operator_...; copy it again"
        return Check(name="token", finding=Finding.FAILED, detail=f"what {source} gives is no token", hint=hint)
    try:
        with ControlClient(url, token) as control:
            control.server.clock()
    except (AuthenticationError, PermissionDeniedError) as error:
        return Check(name="token", finding=Finding.FAILED, detail=f"{kind} ({source}): {error}", hint=error.hint)
    except EbbgateError as error:
        return Check(name="token", finding=Finding.FAILED, detail=error.message, hint=error.hint)
    return Check(name="token", finding=Finding.OK, detail=f"{_words(kind)} ({source})")


def _words(kind: TokenKind) -> str:
    return f"{kind}: everything" if may(kind, "administer") else f"{kind}: rollouts and flags, no tokens"


def _asked(control: "ControlClient") -> Iterator[Check]:
    clock = SystemClock()
    before = clock.machine_now()
    answer = control.server.clock()
    yield check_clock(answer, before=before, after=clock.machine_now())
    yield check_evaluators(control.observations.evaluators())
    yield from check_silence(control.observations.arrivals())
    yield from check_rollouts(control.rollouts.list())


def check_clock(answer: ClockView, *, before: datetime, after: datetime) -> Check:
    """Whether this machine's clock and the server's agree. before, after: machine time here around the question."""
    skew = max(timedelta(0), before - answer.machine_at, answer.machine_at - after)
    scale = answer.mapping.scale
    told = f"plan time {answer.plan_at:%Y-%m-%d %H:%M}Z" + (f", {scale:g} times as fast" if scale != 1 else "")
    if skew <= SKEW_MAX:
        return Check(name="clock", finding=Finding.OK, detail=f"agrees with the server's; {told}")
    detail = f"{skew.total_seconds():,.0f} s apart from the server's; {told}"
    finding = Finding.FAILED if skew >= SKEW_REFUSED else Finding.WARNING
    return Check(name="clock", finding=finding, detail=detail, hint="set both machines' clocks by NTP")


def check_evaluators(found: list[EvaluatorView]) -> Check:
    """Whether anything evaluates flags."""
    connected = [one for one in found if one.is_connected]
    if not connected:
        detail = f"none connected, {len(found)} seen before" if found else "none yet"
        hint = "connect an SDK with a server token; `ebbgate init` writes snippets"
        return Check(name="evaluators", finding=Finding.NOTE, detail=detail, hint=hint)
    return Check(name="evaluators", finding=Finding.OK, detail=f"{len(connected)} connected")


def check_silence(view: ArrivalsView) -> Iterator[Check]:
    """What running rollouts wait for in vain."""
    for silence in view.silence:
        for sentence in first_of(silence.sentences):
            hint = "see `ebbgate arrivals`; compare the names in the plan with those that your application sends"
            yield Check(name="silence", finding=Finding.WARNING, detail=f"{silence.rollout_id}: {sentence}", hint=hint)
    if not view.silence:
        count = sum(name.count for name in view.names)
        yield Check(name="silence", finding=Finding.OK, detail=f"nothing is missed; {count:,} events have arrived")


def check_rollouts(lines: list[RolloutLine]) -> Iterator[Check]:
    """Whether every rollout under way is looked at, and every metric of it computed."""
    for line in lines:
        for sentence in line.trouble:
            hint = f"see `ebbgate rollout explain {line.id}` and the server's log; exposure stays as it is"
            yield Check(name="rollouts", finding=Finding.FAILED, detail=f"{line.id}: {sentence}", hint=hint)
    if not any(line.trouble for line in lines):
        live = sum(line.status in LOOKED_AT for line in lines)
        yield Check(name="rollouts", finding=Finding.OK, detail=f"{live} under way, each looked at")
