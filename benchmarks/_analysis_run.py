"""One rollout over a stream, by the product's own way: store, blocks, evidence, judgement, decision, next phase."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast

import msgspec
import numpy as np
from _analysis_store import ArrayStore
from _analysis_stream import BATCH, PhaseStream, World, habits

from ebbgate.control.evidence import Summary, fold_all, look_analyses
from ebbgate.control.evidence_health import health_of
from ebbgate.control.evidence_read import read_look
from ebbgate.core.audiences import unit_bucket
from ebbgate.core.metrics.blocks import Assignment
from ebbgate.core.metrics.contrast import TOTAL_PPM
from ebbgate.core.rollouts.decide import decide, in_mode
from ebbgate.core.rollouts.decision import Advance, Decision, Pause, Review, Rollback
from ebbgate.core.rollouts.look import LookData
from ebbgate.core.rollouts.plan import Mode, Plan
from ebbgate.core.rollouts.state import RolloutState, Status, contrast_of
from ebbgate.core.rollouts.steps import advance, begin, open_review, pause, resume
from ebbgate.ports.control_store import Evidence
from ebbgate.ports.event_store import EventStore

START = datetime(2026, 3, 2, tzinfo=UTC)

SALTS = 64  # hashing everybody anew for every run would cost more than the run; who they are is drawn anew

Follow = Callable[[ArrayStore, "Run"], Any]
"""Makes the store that is asked, from the arrays: verification puts the product's stores beside them."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended. rollback: reason code of the automatic rollback, None if there was none. units: newly exposed
    when it ended. others: reviews, pauses and so on, by code."""

    rollback: str | None
    metrics: tuple[str, ...]
    reason: str
    status: str
    looks: int
    phase: int
    others: dict[str, int]


class Run:
    """One seed is one history. plan: its guardrails, phases and tick. follow: makes the store that is asked in place
    of the arrays. judges_always: at every look, even where nothing but holding can come of it."""

    def __init__(
        self, plan: Plan, world: World, seed: int, *, follow: Follow | None = None, judges_always: bool = False
    ) -> None:
        self.judges_always = judges_always
        self.plan, self.world, self.seed = plan, world, seed
        self.rng = np.random.default_rng([seed, 20260302])
        self.salt = f"lineage-{seed % SALTS}"
        self.keys, self.buckets = drawn(self.salt, world.units)
        self.is_held = held_out(self.salt, world.units, plan.holdout)
        self._habits = habits(self.rng, world)
        self.streams: list[tuple[int, PhaseStream, int]] = []  # snapshot version, stream, where it was cut off
        self.arrays = ArrayStore(
            START, self.buckets, self.is_held, frozenset(guardrail.metric for guardrail in plan.guardrails)
        )
        self.store = cast(EventStore, follow(self.arrays, self) if follow else self.arrays)

    def play(self) -> Outcome:
        """Look every tick until the rollout is over or taken back. A person who is asked always goes on."""
        state = begin(a_draft(self.plan, self.salt), snapshot_version=1, now=START)
        self._enter(state)
        evidence, now, others, looks = Evidence(), START, dict[str, int](), 0
        while not state.is_over and not self._has_stayed_on(state, now):
            now, looks = now + self.plan.tick, looks + 1
            self.arrays.watermark = self.arrays.microseconds(now)
            self._ingest(now)
            contrast = contrast_of(state)
            data = read_look(state, contrast, self.store, until=now)
            assignment = self.store.assignment(contrast)
            evidence = fold_all(state, evidence, data, assignment)
            assert not evidence.broken, evidence.broken  # a rollout goes on without the metric; a measurement does not
            decision = self._decided(state, evidence, data, assignment, now)
            state = msgspec.structs.replace(state, summarised_to=now)
            if isinstance(decision, Rollback):
                return self._ended(state, decision, looks, others)
            if isinstance(decision, Review | Pause):
                others[decision.code.value] = others.get(decision.code.value, 0) + 1
            state = self._after(state, decision, now)
        return self._ended(state, None, looks, others)

    def _decided(
        self, state: RolloutState, evidence: Evidence, data: LookData, assignment: Assignment, now: datetime
    ) -> Decision | None:
        """What control would decide. Harm and breaches are latched in the evidence: where there are none and the phase
        is too young, nothing but holding can come of judging, and that is not done."""
        found = [*evidence.metrics.values(), *evidence.late.values()]
        is_shown = any(one.harm_shown_at is not None for one in found)
        is_shown |= any(limit.breached_at is not None for limit in evidence.limits.values())
        least = self.plan.watch if state.is_last_phase else state.phase.stay_min
        if not is_shown and now - state.record.entered_at < least and not self.judges_always:
            return None
        analyses = look_analyses(state, evidence)
        summary = Summary(
            evidence=evidence,
            analyses=analyses,
            goals={},
            assignment=assignment,
            data=data,
            summarised_to=now,
            has_moved=True,
        )
        health = health_of(state, summary, stale_for=timedelta(0))
        return in_mode(decide(state, analyses, health, now=now), state, now=now)

    def _has_stayed_on(self, state: RolloutState, now: datetime) -> bool:
        """Doubts about the data hold a watch for ever; nobody comes by any more, so that nothing can follow."""
        return state.is_last_phase and now > state.record.entered_at + self.plan.watch + 2 * self.plan.tick

    def _after(self, state: RolloutState, decision: Decision | None, now: datetime) -> RolloutState:
        match decision:
            case Advance():
                return self._advance(state, decision.reason, now)
            case Review(code="too_long"):
                return self._advance(state, "a person promoted it", now)
            case Review():
                return resume(open_review(state, decision, now=now), reason="a person saw it")
            case Pause():
                return resume(pause(state, reason=decision.reason), reason="a person saw it")
        return state

    def _advance(self, state: RolloutState, reason: str, now: datetime) -> RolloutState:
        version = state.record.snapshot_version + 1
        state = advance(state, snapshot_version=version, measured_attribute_share=0.0, now=now, reason=reason)
        if state.status is not Status.SUCCEEDED:
            self._enter(state)
        return state

    def _enter(self, state: RolloutState) -> None:
        """The phase begins: who is treated follows from the buckets, as the flag's rule would tell."""
        record, plan = state.record, self.plan
        begin_at = self.arrays.microseconds(record.entered_at)
        is_gated = any(guardrail.worse_by is not None for guardrail in plan.guardrails)
        may_stay = is_gated or self.world.is_slow  # till somebody promotes it
        stay = (state.phase.stay_max if may_stay else None) or state.phase.stay_min
        longest = plan.watch if state.is_last_phase else stay
        carried: dict[str, Any] = {}
        next_id = 0
        if self.streams:
            version, before, _ = self.streams[-1]
            self.streams[-1] = (version, before, begin_at)
            carried, next_id = before.before(begin_at), before.next_id
        until = begin_at + (longest + 2 * plan.tick) // timedelta(microseconds=1)
        stream = PhaseStream(
            self.rng,
            self.world,
            self._habits,
            begin=begin_at,
            until=until,
            treated=(self.buckets < record.hash_to) & ~self.is_held,
            next_id=next_id,
            carried=carried,
        )
        self.streams.append((record.snapshot_version, stream, until + BATCH))
        self.arrays.enter(record.index, stream)

    def _ingest(self, now: datetime) -> None:
        if (ingest := getattr(self.store, "ingest_until", None)) is not None:
            ingest(now)

    def _ended(self, state: RolloutState, decision: Rollback | None, looks: int, others: dict[str, int]) -> Outcome:
        return Outcome(
            rollback=decision.code.value if decision else None,
            metrics=decision.metrics if decision else (),
            reason=decision.reason if decision else "",
            status=state.status.value,
            looks=looks,
            phase=state.phase_index,
            others=others,
        )


@lru_cache(maxsize=SALTS)
def drawn(salt: str, units: int) -> tuple[list[str], np.ndarray]:
    """Keys and buckets of the units, in order of (bucket, key)."""
    pairs = sorted((unit_bucket(salt, key), key) for key in (f"u{n}" for n in range(units)))
    return [key for _, key in pairs], np.array([bucket for bucket, _ in pairs])


@lru_cache(maxsize=SALTS)
def held_out(salt: str, units: int, share: float) -> np.ndarray:
    """Who is kept from everything, by a hash of its own (RULES B4), in the order of `drawn`."""
    keys, _ = drawn(salt, units)
    ppm = round(share * TOTAL_PPM)
    return np.array([unit_bucket(f"{salt}:holdout", key) < ppm for key in keys]) if ppm else np.zeros(units, dtype=bool)


def a_draft(plan: Plan, salt: str) -> RolloutState:
    return RolloutState(
        id=salt,
        lineage=salt,
        attempt=1,
        release="v2.0.0",
        plan=plan,
        mode=plan.mode or Mode.ACT,
        status=Status.DRAFT,
        created_at=START,
    )
