"""Finding releases: by id, by version, by what a rollout calls them; and whether one may start."""

from ebbgate.control.apps import nearest
from ebbgate.core.errors import ConflictError, NotFoundError, QuarantineError, TransitionError
from ebbgate.core.releases import Release, last_stable, release_id
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.state import RolloutState
from ebbgate.ports.control_store import ControlTransaction


def find_release(tx: ControlTransaction, reference: str) -> Release:
    """A release by its id (`app@v1.4.0`), or by a version that one app alone has.

    Raises NotFoundError, ConflictError.
    """
    if (found := tx.release(reference)) is not None:
        return found
    known = tx.releases()
    same = [one for one in known if one.version in (reference, f"v{reference}")]
    if len(same) > 1:
        ids = ", ".join(one.id for one in same)
        raise ConflictError(f"several apps have a release {reference}: {ids}", hint="name one of them by its id")
    if not same:
        newest = ", ".join(one.id for one in known[:5]) or "none yet"
        raise NotFoundError(f"no release {reference!r}", hint=f"newest releases: {newest}")
    return same[0]


def release_of_rollout(tx: ControlTransaction, app: str, name: str) -> Release | None:
    """The release that a rollout of that app means; None for a name that was never built or adopted here."""
    for reference in (name, release_id(app, name), release_id(app, f"v{name}")):
        found = tx.release(reference)
        if found is not None and found.app == app:
            return found
    return None


def rollouts_of(tx: ControlTransaction, release: Release) -> list[RolloutState]:
    """The rollouts that mean it, oldest first, however they name it."""
    names = (release.id, release.version, release.version.removeprefix("v"))
    found = [tx.rollout(mark.id) for mark in tx.rollout_marks() if mark.release in names]
    return [state for state in found if state is not None and state.plan.app == release.app]


def has_target(tx: ControlTransaction, app: str) -> bool:
    """Whether any release of the app says where it is deployed. Without one a rollback has no second stage."""
    return any(release.deploy is not None for release in tx.releases(app=app))


def admit_rollout(tx: ControlTransaction, plan: Plan, name: str, *, override: bool) -> None:
    """Refuse to start what must not start: a quarantined release, one with no stable release to go back to (RULES H4),
    or a name that nobody registered.

    Raises QuarantineError, TransitionError, NotFoundError.
    """
    release = require_registered(tx, plan, name)
    if release is None:
        return
    refuse_quarantined(release, override=override)
    if last_stable(tx.releases(app=plan.app), but=release.id) is None:
        raise TransitionError(
            f"{plan.app} has no stable release to go back to",
            hint='record the version that runs now: ebbgate release adopt FOLDER --version v1.3.2 --reason "..."',
        )


def require_registered(tx: ControlTransaction, plan: Plan, name: str) -> Release | None:
    """The release that a rollout of the plan is about; None where the app's releases are made and deployed elsewhere,
    or none is named. Raises NotFoundError: a misspelt one would walk round the quarantine and the second stage.
    """
    found = release_of_rollout(tx, plan.app, name)
    if found is not None or not name:
        return found
    versions = [release.version for release in tx.releases(app=plan.app)]
    if not versions and plan.build is None and plan.deploy is None:
        return None
    known = nearest(name, versions) if versions else "none yet"
    raise NotFoundError(
        f"{plan.app} has no release {name!r}",
        hint=f"releases: {known}; all: ebbgate release list; of one made elsewhere: "
        'ebbgate release adopt FOLDER --version v1.3.2 --reason "..."',
    )


def refuse_quarantined(release: Release, *, override: bool) -> None:
    """Raises QuarantineError for a bad release, unless somebody overrides it."""
    if release.is_bad and not override:
        why = f": {release.bad.reason}" if release.bad is not None else ""
        raise QuarantineError(
            f"release {release.id} is quarantined{why}",
            hint="build a mended one; or insist, with --override and a --reason that the audit keeps",
        )
