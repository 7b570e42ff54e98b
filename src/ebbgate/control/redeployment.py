"""The second stage's view of releases and deployments: whether there is one, and how it stands (RULES H4)."""

from ebbgate.control.audit import Actor
from ebbgate.control.deployments import DeploymentService
from ebbgate.control.releases_current import current_of
from ebbgate.control.releases_find import release_of_rollout
from ebbgate.core.errors import EbbgateError, StoreUnavailableError
from ebbgate.core.releases import Release, last_stable
from ebbgate.core.rollouts.look import DeploymentSeen, StageTwo
from ebbgate.core.rollouts.plan import Phase
from ebbgate.core.rollouts.state import RolloutState
from ebbgate.ports.control_store import ControlStore, ControlTransaction

REDEPLOY = "redeploy"
"""The plan's `flag_fails` that allows it."""


def stage_two(tx: ControlTransaction, state: RolloutState, *, is_asked: bool = False) -> StageTwo:
    """The release that would go back, or why none would. is_asked: a person asks for it, who may do what nothing
    does by itself (RULES F7).
    """
    if state.plan.when.flag_fails != REDEPLOY and not is_asked:
        return StageTwo(why=f"the plan says flag_fails: {state.plan.when.flag_fails}")
    taken = release_of_rollout(tx, state.plan.app, state.release)
    if taken is None:
        return StageTwo(why=f"release {state.release or '(none)'} was not built or adopted here")
    if not taken.reversible and not is_asked:
        return StageTwo(why=f"release {taken.id} is not reversible")
    if not is_asked and (fixed := [p.name for p in begun_phases(state) if not p.reversible]):
        return StageTwo(why=f"phase {fixed[0]} is not reversible")
    stable = last_stable(tx.releases(app=state.plan.app), but=taken.id)
    if stable is None:
        return StageTwo(why=f"{state.plan.app} has no stable release to go back to")
    if stable.deploy is None:
        return StageTwo(why=f"release {stable.id} names no target")
    current = current_of(tx, state.plan.app)
    if current.is_of(stable) and current.is_answering and not _is_redeploying(tx, state, stable):
        return StageTwo(why=f"{stable.id} is what runs")
    return StageTwo(release=stable.id)


def redeploy(deployments: DeploymentService, store: ControlStore, state: RolloutState) -> DeploymentSeen:
    """Ask for the redeployment, once however often it is called, and say how it stands. Raises StoreUnavailableError,
    which is tried again.
    """
    assert state.rollback is not None
    with store.transaction() as tx:
        taken = release_of_rollout(tx, state.plan.app, state.release)
    try:
        deployment = deployments.redeploy_last_stable(
            state.plan.app,
            key=key_of(state),
            actor=Actor(name="ebbgate", reason=f"rollout {state.id}: {state.rollback.redeploy_why}"),
            but=taken.id if taken is not None else None,
        )
    except StoreUnavailableError:
        raise
    except EbbgateError as error:
        return DeploymentSeen(release=state.rollback.redeploy_to, status=None, error=error.message)
    return DeploymentSeen(
        release=deployment.release, status=deployment.status, proof=deployment.proof, error=deployment.error
    )


def begun_phases(state: RolloutState) -> list[Phase]:
    """The phases that people have seen."""
    return [state.plan.phases[record.index] for record in state.phases]


def key_of(state: RolloutState) -> str:
    """One redeployment for one rollback, whatever is killed in between."""
    return f"rollback:{state.id}"


def _is_redeploying(tx: ControlTransaction, state: RolloutState, stable: Release) -> bool:
    asked = tx.deployment_by_key(key_of(state))
    return asked is not None and asked.release == stable.id
