"""What would stop a shipment, looked at before anything is built."""

from typing import TYPE_CHECKING

import msgspec

from ebbgate.core.errors import (
    BadRequestError,
    ConflictError,
    NotFoundError,
    PlanError,
    QuarantineError,
    TransitionError,
)
from ebbgate.core.releases import Release
from ebbgate.core.releases.requests import ReleaseLine
from ebbgate.core.rollouts import lint_plan
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.state import FINAL, Status
from ebbgate.core.rollouts.view import RolloutLine

if TYPE_CHECKING:
    from ebbgate.client import ControlClient


_OVER = (FINAL - {Status.SUCCEEDED}) | {Status.ROLLING_BACK}
"""A rollout that is one of these does not bring its release to anybody any more."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand. release: what is to be shipped, if it is built already. last_stable: id, of another release
    than that one. others: rollouts of the flag that are open, and one that takes this release back. rollout: of this
    very release, on its way or succeeded.
    killed_by: who switched the flag off, and why.
    """

    plan: Plan
    release: Release | None
    last_stable: str | None
    rollout: str | None
    others: tuple[str, ...]
    killed_by: str | None

    def refuse(self, *, is_first: bool) -> None:
        """Raises PlanError, QuarantineError, TransitionError, ConflictError."""
        _refuse_plan(self.plan, must_build=self.release is None)
        if self.release is not None and self.release.is_bad:
            why = f": {self.release.bad.reason}" if self.release.bad is not None else ""
            hint = f"mend it, commit, and ship that; or: ebbgate release clear {self.release.id} --reason ..."
            raise QuarantineError(f"release {self.release.id} is quarantined{why}", hint=hint)
        if is_first:
            self._refuse_second()
        elif self.rollout is None:
            self._refuse_start()

    def _refuse_second(self) -> None:
        if self.last_stable is not None:
            raise BadRequestError(f"{self.last_stable} is stable already", hint="leave out --first")

    def _refuse_start(self) -> None:
        if self.last_stable is None:
            raise TransitionError(
                f"{self.plan.app} has no stable release to go back to",
                hint='record what runs: ebbgate release adopt FOLDER --version v1.3.2 --reason "..."; '
                "if nothing runs, add --first",
            )
        if self.others:
            raise ConflictError(
                f"rollout {self.others[0]} of flag {self.plan.flag!r} is open",
                hint=f"wait: ebbgate rollout status {self.others[0]} --timeout 2h; "
                f'or end it: ebbgate rollout abort {self.others[0]} --reason "..."',
            )
        if self.killed_by is not None:
            raise ConflictError(
                f"flag {self.plan.flag!r} is switched off by {self.killed_by}",
                hint=f"lift it first: ebbgate flag restore {self.plan.flag} --reason ...",
            )


def look_before(
    control: "ControlClient", plan: Plan, *, release: str | None, version: str | None, commit: str | None
) -> Standing:
    """release: named by who ships it. version: that it is to have. commit: that is to be built.

    Raises NotFoundError for a named release that there is none of, ConflictError for a version of another commit.
    """
    known = control.releases.list(app=plan.app)
    found = _found(control, known, plan, release=release, version=version, commit=commit)
    own = found.id if found is not None else None
    mine = [line for line in control.rollouts.list() if line.flag == plan.flag and line.environment == plan.environment]
    open_ones = [line for line in mine if line.status not in FINAL]
    this = [line for line in mine if found is not None and _is_of(line, found)]
    going = next((line.id for line in this if line.status not in _OVER), None)
    return Standing(
        plan=plan,
        release=found,
        last_stable=next((line.id for line in known if line.is_last_stable and line.id != own), None),
        rollout=going,
        others=tuple(line.id for line in open_ones if line.id != going),
        killed_by=_killed_by(control, plan),
    )


def _found(
    control: "ControlClient",
    known: list[ReleaseLine],
    plan: Plan,
    *,
    release: str | None,
    version: str | None,
    commit: str | None,
) -> Release | None:
    """What is built already: as it is named, or of this version, or of this commit."""
    if release is not None:
        named = next((line for line in known if release in (line.id, line.version, line.version[1:])), None)
        if named is None:
            raise NotFoundError(f"{plan.app} has no release {release!r}", hint="see `ebbgate release list`")
        return control.releases.get(named.id).release
    if version is not None:
        same = next((line for line in known if line.version == version), None)
        if same is not None and same.commit != commit:
            what = f"commit {same.commit[:10]}" if same.commit else "a version that was adopted"
            raise ConflictError(f"release {same.id} is there already, of {what}", hint="give another --version")
        return control.releases.get(same.id).release if same is not None else None
    of_commit = next((line for line in known if line.commit == commit), None)
    return control.releases.get(of_commit.id).release if of_commit is not None else None


def _is_of(line: RolloutLine, release: Release) -> bool:
    return line.app == release.app and line.release in (release.id, release.version, release.version.removeprefix("v"))


def _killed_by(control: "ControlClient", plan: Plan) -> str | None:
    try:
        kill = control.flags.get(plan.flag, environment=plan.environment).kill
    except NotFoundError:  # the rollout makes it
        return None
    return f"{kill.actor}: {kill.reason}" if kill is not None else None


def _refuse_plan(plan: Plan, *, must_build: bool) -> None:
    """Raises PlanError: what is missing to ship, and the first thing that cannot work."""
    if plan.build is None and must_build:
        raise PlanError("the plan has no `build`", hint="add `build: {run: [npm ci, npm run build], keep: dist}`")
    if plan.deploy is None:
        raise PlanError(
            "the plan has no `deploy`", hint="add `deploy: {to: {directory: ./deployed}, restart: [npm restart]}`"
        )
    for finding in lint_plan(plan):
        if finding.level == "error":
            raise PlanError(finding.message, hint=finding.hint, path=finding.path)
