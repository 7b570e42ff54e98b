"""`client.rollouts`. `ref` is a rollout's id, or the name of its flag."""

from urllib.parse import quote

from ebbgate.client.connection import Connection
from ebbgate.core.rollouts.explain import DecisionView, Explanation
from ebbgate.core.rollouts.plan import Mode, Plan
from ebbgate.core.rollouts.replay import ReplayView
from ebbgate.core.rollouts.requests import ActOnRollout, RollBackRollout, StartRollout
from ebbgate.core.rollouts.view import RolloutLine, RolloutView

_PATH = "/api/v1/rollouts"


class Rollouts:
    """Reads rollouts and acts on them. Every action has a reason, which goes into the audit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, ref: str) -> RolloutView:
        """Raises NotFoundError."""
        return self._connection.get(_one(ref), RolloutView)

    def plan(self, ref: str) -> Plan:
        """The plan that it carries out, its overlay applied. Raises NotFoundError."""
        return self._connection.get(f"{_one(ref)}/plan", Plan)

    def start(
        self,
        plan: str,
        *,
        release: str,
        reason: str,
        overlay: str | None = None,
        mode: Mode | None = None,
        override: bool = False,
    ) -> RolloutView:
        """Start a rollout. plan: the plan file's text. override: even if the release is quarantined.

        Raises PlanError, ConflictError, QuarantineError.
        """
        body = StartRollout(plan=plan, release=release, reason=reason, overlay=overlay, mode=mode, override=override)
        return self._connection.post(_PATH, body, RolloutView)

    def decisions(self, ref: str, *, after: int = 0, limit: int = 100) -> list[DecisionView]:
        """Those with a sequence > `after`, oldest first. limit: at most 1000."""
        return self._connection.get(f"{_one(ref)}/decisions", list[DecisionView], {"after": after, "limit": limit})

    def explain(self, ref: str, *, sequence: int | None = None) -> Explanation:
        """Why a decision was made: the newest, or that of a sequence. Raises NotFoundError."""
        return self._connection.get(f"{_one(ref)}/explain", Explanation, {"sequence": sequence})

    def replay(self, ref: str) -> ReplayView:
        """Every past decision recomputed from what was stored. Raises NotFoundError."""
        return self._connection.get(f"{_one(ref)}/replay", ReplayView)

    def list(self) -> list[RolloutLine]:  # after all that name the builtin in their signature
        """Newest first."""
        return self._connection.get(_PATH, list[RolloutLine])

    def pause(self, ref: str, *, reason: str) -> RolloutView:
        return self._act(ref, "pause", reason)

    def resume(self, ref: str, *, reason: str) -> RolloutView:
        return self._act(ref, "resume", reason)

    def promote(self, ref: str, *, reason: str) -> RolloutView:
        return self._act(ref, "promote", reason)

    def abort(self, ref: str, *, reason: str) -> RolloutView:
        return self._act(ref, "abort", reason)

    def retry(self, ref: str, *, reason: str) -> RolloutView:
        """A new try of an ended rollout: the answer has another id."""
        return self._act(ref, "retry", reason)

    def roll_back(self, ref: str, *, reason: str, redeploy: bool = False) -> RolloutView:
        """The flag is off when this returns; proof and recovery follow. redeploy: the last stable release goes back at
        once; raises TransitionError where there is none, and the flag is off all the same.
        """
        body = RollBackRollout(reason=reason, redeploy=redeploy)
        return self._connection.post(f"{_one(ref)}/rollback", body, RolloutView)

    def settle(self, ref: str, *, reason: str) -> RolloutView:
        """End a rollback whose recovery cannot be proven, as unverified, before its deadline."""
        return self._act(ref, "settle", reason)

    def _act(self, ref: str, action: str, reason: str) -> RolloutView:
        """Raises NotFoundError, TransitionError, ConflictError."""
        return self._connection.post(f"{_one(ref)}/{action}", ActOnRollout(reason=reason), RolloutView)


def _one(ref: str) -> str:
    return f"{_PATH}/{quote(ref, safe='')}"
