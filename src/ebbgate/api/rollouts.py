"""/rollouts: read, start, and everything that people do with one. `ref` is a rollout's id, or the name of its flag."""

import re
from collections.abc import Callable
from typing import cast

import msgspec
from litestar import Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from ebbgate.api.actors import ApiRequest, actor_of
from ebbgate.api.dependencies import ENVIRONMENT, After, Limit, Ref, Sequence, Services
from ebbgate.control.decisions import inputs_of
from ebbgate.control.replay import ReplayService
from ebbgate.control.rollouts import RolloutService, find_rollout
from ebbgate.core.access import TokenKind, may
from ebbgate.core.errors import NotFoundError, PermissionDeniedError, PlanError
from ebbgate.core.rollouts.explain import DecidedLook, DecisionView, Explanation, explain
from ebbgate.core.rollouts.look import LookInputs
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.replay import ReplayView
from ebbgate.core.rollouts.requests import ActOnRollout, RollBackRollout, StartRollout
from ebbgate.core.rollouts.state import RolloutState
from ebbgate.core.rollouts.view import RolloutLine, RolloutView
from ebbgate.ports.control_store import ControlTransaction, DecisionRow

PAUSE = "Pause; exposure stays where it is, and the gates go on looking."
ABORT = "End it without a verdict; everybody gets the flag's own default."


@get("/", sync_to_thread=True, operation_id="listRollouts")
def list_rollouts(services: Services) -> list[RolloutLine]:
    """All rollouts, newest first."""
    return services.views.list()


@post("/", sync_to_thread=True, operation_id="startRollout")
def start_rollout(services: Services, request: ApiRequest, data: JSONBody[StartRollout]) -> RolloutView:
    """Start a rollout of the plan's flag."""
    plan = services.read_plan(data.plan, data.overlay)
    if not re.search(ENVIRONMENT, plan.environment):
        raise PlanError(
            f"{plan.environment!r} cannot be the name of an environment",
            hint="use letters, digits, dots, dashes and underlines",
            path="$.environment",
        )
    _refuse_new_commands(services, request, plan)
    if data.mode is not None:
        plan = msgspec.structs.replace(plan, mode=data.mode)
    state = services.rollouts.start(
        plan, release=data.release.strip(), actor=actor_of(request, data.reason), override=data.override
    )
    return _changed(services, state)


def _refuse_new_commands(services: Services, request: ApiRequest, plan: Plan) -> None:
    """Probes that are commands run where control runs: ones that the app has not had before need an admin.

    Raises PermissionDeniedError.
    """
    commands = {probe.run for probe in plan.probes if probe.run}
    if not commands or may(cast(TokenKind, request.user.kind), "administer"):
        return
    before = (state.plan for state in services.rollouts.list() if state.plan.app == plan.app)
    known = {probe.run for one in before for probe in one.probes}
    if new := sorted(commands - known):
        raise PermissionDeniedError(
            f"the probe `{' && '.join(new[0])}` would run where control runs, and {plan.app} has not had it before",
            hint="let an admin's token start this rollout; later ones with the same command need none",
        )


@get("/{ref:str}", sync_to_thread=True, operation_id="getRollout")
def get_rollout(services: Services, ref: Ref) -> RolloutView:
    """Everything shown of a rollout."""
    return services.views.get(ref)


@get("/{ref:str}/plan", sync_to_thread=True, operation_id="getPlan")
def get_plan(services: Services, ref: Ref) -> Plan:
    """The plan that a rollout carries out, its overlay applied."""
    return services.rollouts.get(ref).plan


@get("/{ref:str}/decisions", sync_to_thread=True, operation_id="listDecisions")
def list_decisions(services: Services, ref: Ref, after: After = 0, limit: Limit = 100) -> list[DecisionView]:
    """The decisions with a sequence after `after`, oldest first."""
    with services.store.transaction() as tx:
        rows = tx.decisions(find_rollout(tx, ref).id, after=after, limit=limit)
    return [decision_view(row) for row in rows]


@get("/{ref:str}/explain", sync_to_thread=True, operation_id="explainDecision")
def explain_decision(services: Services, ref: Ref, sequence: Sequence = None) -> Explanation:
    """Why a decision was made, in words and in numbers; the newest one, unless a sequence is given."""
    with services.store.transaction() as tx:
        rollout_id = find_rollout(tx, ref).id
        row = tx.last_decision(rollout_id)
        if row is not None and sequence is not None and sequence != row.sequence:
            found = tx.decisions(rollout_id, after=sequence - 1, limit=1)
            last, row = row.sequence, next((r for r in found if r.sequence == sequence), None)
            if row is None:
                raise NotFoundError(f"no decision {sequence} of rollout {rollout_id}", hint=f"there are {last} so far")
        if row is None:
            raise NotFoundError(f"nothing was decided about rollout {rollout_id} yet", hint="wait for the first look")
        inputs = inputs_of(tx, row)
        before = _before_rollback(tx, row, inputs)
    return explain(decision_view(row), inputs, before=before)


def _before_rollback(tx: ControlTransaction, row: DecisionRow, inputs: LookInputs) -> DecidedLook | None:
    """Of a step of a rollback, the last look before it."""
    look = inputs.rollback.look if inputs.rollback is not None else 0
    found = next(iter(tx.decisions(row.rollout_id, after=look - 1, limit=1)), None) if look else None
    return DecidedLook(decision=decision_view(found), inputs=inputs_of(tx, found)) if found is not None else None


@get("/{ref:str}/replay", sync_to_thread=True, operation_id="replayRollout")
def replay_rollout(services: Services, ref: Ref) -> ReplayView:
    """Every past decision again, from the stored blocks: evidence, verdicts and what was decided."""
    return ReplayService(services.store).replay(ref)


@post("/{ref:str}/retry", sync_to_thread=True, operation_id="retryRollout")
def retry_rollout(services: Services, request: ApiRequest, ref: Ref, data: JSONBody[ActOnRollout]) -> RolloutView:
    """Start an ended rollout again, as a new try."""
    return _changed(services, services.rollouts.retry(ref, actor=actor_of(request, data.reason)))


@post("/{ref:str}/rollback", sync_to_thread=True, status_code=200, operation_id="rollBackRollout")
def roll_back_rollout(
    services: Services, request: ApiRequest, ref: Ref, data: JSONBody[RollBackRollout]
) -> RolloutView:
    """Take the version back now: the flag is off when this answers; proof and recovery follow. With `redeploy` the last
    stable release goes back at once; where there is none, that is refused, and the flag is off all the same.
    """
    actor = actor_of(request, data.reason)
    state = services.rollouts.roll_back(ref, actor=actor)
    if data.redeploy:
        state = services.rollbacks.redeploy(state.id, actor=actor)
    return _changed(services, state)


@post("/{ref:str}/settle", sync_to_thread=True, status_code=200, operation_id="settleRollout")
def settle_rollout(services: Services, request: ApiRequest, ref: Ref, data: JSONBody[ActOnRollout]) -> RolloutView:
    """End a rollback whose recovery cannot be proven, as unverified, before its deadline."""
    return _changed(services, services.rollbacks.settle(ref, actor=actor_of(request, data.reason)))


def decision_view(row: DecisionRow) -> DecisionView:
    """A stored decision without its inputs."""
    return msgspec.convert(row, DecisionView, from_attributes=True)


def _changed(services: Services, state: RolloutState) -> RolloutView:
    services.loop.wake()
    return services.views.get(state.id)


def _act(name: str, path: str, act: Callable[..., RolloutState], words: str) -> HTTPRouteHandler:
    """What a person does with a rollout, with a reason and nothing else. name: of the operation. act: the service's."""

    def handler(services: Services, request: ApiRequest, ref: Ref, data: JSONBody[ActOnRollout]) -> RolloutView:
        return _changed(services, act(services.rollouts, ref, actor=actor_of(request, data.reason)))

    handler.__doc__ = words
    return post(f"/{{ref:str}}/{path}", sync_to_thread=True, status_code=200, operation_id=name)(handler)


rollout_router = Router(
    path="/rollouts",
    tags=["rollouts"],
    route_handlers=[
        list_rollouts,
        start_rollout,
        get_rollout,
        get_plan,
        list_decisions,
        explain_decision,
        replay_rollout,
        _act("pauseRollout", "pause", RolloutService.pause, PAUSE),
        _act("resumeRollout", "resume", RolloutService.resume, "Go on from a pause or a review."),
        _act("promoteRollout", "promote", RolloutService.promote, "Go to the next phase now."),
        _act("abortRollout", "abort", RolloutService.abort, ABORT),
        retry_rollout,
        roll_back_rollout,
        settle_rollout,
    ],
)
