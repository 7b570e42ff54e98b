"""What people do while a rollout runs: visits with requests, values, clicks, tasks, tickets and answers, as arrays.

One seed is one history. Units are indices in order of (bucket, key); times are microseconds of plan time since the
rollout's beginning. Nothing here knows a statistic.
"""

from collections.abc import Callable

import msgspec
import numpy as np

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BATCH = 5 * MINUTE  # what happened reaches the log in batches of this length

LONGEST = 2**41  # microseconds; 25 days, longer than any rollout here

Array = np.ndarray


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What the new version does; all neutral in most nulls. errors: added to the rate. latency, dwell: factors.
    clicks, completion: factors on probabilities. activity: factor on visits after the first one.
    """

    errors: float = 0.0
    latency: float = 1.0
    dwell: float = 1.0
    clicks: float = 1.0
    completion: float = 1.0
    activity: float = 1.0


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """How outcomes come. outcome: mean time until a task is done or a ticket is written, at most `outcome_most`.
    late: share of outcomes that are delivered late, by `late_mean` on average, at most `late_most` (times in hours).
    slow: share of people whose events, all of them, are sent once every `slow_every` hours; that they were exposed is
    known at once, as the server that evaluates the flag records it.
    """

    outcome: float = 0.02
    outcome_most: float = 0.5
    late: float = 0.0
    late_mean: float = 0.5
    late_most: float = 0.9
    slow: float = 0.0
    slow_every: float = 6.0


class World(msgspec.Struct, frozen=True, kw_only=True):
    """The people and their baseline. visits: a day and person, on average. *_habit: log standard deviation of what
    lasts with a person. errors: rate. requests: per visit. dwell_sigma: log standard deviation of one visit's value.
    drift: log size of a daily wave and of a slow rise over `DRIFT_OVER`. night: share of the daytime's traffic that is
    left at night. shape: dwell of the treated has this log standard deviation at the same mean; None: as the control.
    """

    units: int = 4000
    visits: float = 2.0
    visit_habit: float = 0.5
    error_habit: float = 0.3
    speed_habit: float = 0.2
    dwell_habit: float = 0.2
    errors: float = 0.03
    requests: int = 1
    dwell_sigma: float = 0.8
    drift: float = 0.1
    night: float = 1.0
    shape: float | None = None
    two_points: bool = False
    effect: Effect = Effect()
    treatment_delay: Delay = Delay()
    control_delay: Delay = Delay()
    families: frozenset[str] = frozenset({"request", "dwell"})

    @property
    def is_slow(self) -> bool:
        """Whether events come so late that the rollout may be held for it (RULES D4)."""
        return max(self.treatment_delay.slow, self.control_delay.slow) > 0


DRIFT_OVER = 5 * DAY
BASE_MS, BASE_DWELL, BASE_CLICKS, BASE_DONE = 300.0, 120.0, 0.2, 0.5


class Happened(msgspec.Struct, kw_only=True):
    """Events of one name, sorted by (unit, at). known: when they were in the log. id, of: numbers, -1 for none."""

    unit: Array
    at: Array
    known: Array
    value: Array
    id: Array
    of: Array

    def where(self, chosen: Array) -> "Happened":
        return Happened(**{name: getattr(self, name)[chosen] for name in self.__struct_fields__})


class Habits(msgspec.Struct, kw_only=True):
    """What lasts with each person, over all phases."""

    visits: Array
    errors: Array
    speed: Array
    dwell: Array
    slow: Array  # evenly in [0, 1): the lowest have the slow senders


def habits(rng: np.random.Generator, world: World) -> Habits:
    def lasting(sigma: float) -> Array:
        return np.exp(rng.normal(-sigma * sigma / 2, sigma, world.units)) if sigma else np.ones(world.units)

    return Habits(
        visits=world.visits * lasting(world.visit_habit),
        errors=lasting(world.error_habit),
        speed=lasting(world.speed_habit),
        dwell=lasting(world.dwell_habit),
        slow=rng.random(world.units) if world.is_slow else np.ones(world.units),
    )


class PhaseStream:
    """Everything of one phase, from its beginning to at most `until`. treated: who sees the new version."""

    def __init__(
        self,
        rng: np.random.Generator,
        world: World,
        habits: Habits,
        *,
        begin: int,
        until: int,
        treated: Array,
        next_id: int,
        carried: dict[str, Happened],
    ) -> None:
        self._rng, self._world, self.treated, self.next_id = rng, world, treated, next_id
        self._slow = habits.slow
        unit, at = self._visits(habits, begin, until)
        self.first = np.full(world.units, -1, dtype=np.int64)
        starts = np.flatnonzero(np.diff(unit, prepend=-1))
        self.first[unit[starts]] = at[starts]
        self.first_known = np.where(self.first >= 0, batch(self.first), -1)
        self.visit_of: dict[str, Array] = {}
        self.names: dict[str, Happened] = {}
        level = np.exp(world.drift * (np.sin(2 * np.pi * at / DAY) + at / DRIFT_OVER))
        for family, make in self._families().items():
            if family in world.families:
                make(habits, unit, at, level)
        self._carry(carried)

    def before(self, cut: int) -> dict[str, Happened]:
        """What visits before `cut` still lead to at or after it: tickets, tasks that are done later."""
        return {
            name: found.where((self.visit_of[name] < cut) & (found.at >= cut)) for name, found in self.names.items()
        }

    def _visits(self, habits: Habits, begin: int, until: int) -> tuple[Array, Array]:
        rng, world = self._rng, self._world
        edges = np.linspace(begin, until, 97)
        middle = (edges[:-1] + edges[1:]) / 2
        wave = world.night + (1 - world.night) * np.sin(np.pi * middle / DAY) ** 4
        mass = np.concatenate([[0.0], np.cumsum(wave * np.diff(edges))]) / DAY
        unit = np.repeat(np.arange(world.units), rng.poisson(habits.visits * mass[-1]))
        at = np.interp(rng.random(len(unit)) * mass[-1], mass, edges)
        if world.effect.activity > 1:
            # More visits after the first: who comes at all, and when, is not the new version's doing.
            first = np.full(world.units, float(until))
            np.minimum.at(first, unit, at)
            more = rng.poisson((world.effect.activity - 1) * habits.visits * mass[-1] * self.treated)
            extra = np.repeat(np.arange(world.units), more)
            extra_at = np.interp(rng.random(len(extra)) * mass[-1], mass, edges)
            kept = extra_at > first[extra]
            unit, at = np.concatenate([unit, extra[kept]]), np.concatenate([at, extra_at[kept]])
        at = at.astype(np.int64)
        order = np.lexsort((at, unit))
        return unit[order], at[order]

    def _families(self) -> dict[str, Callable[[Habits, Array, Array, Array], None]]:
        return {
            "request": self._requests,
            "dwell": self._dwell,
            "view": self._views,
            "task": self._tasks,
            "ticket": self._tickets,
            "survey": self._surveys,
        }

    def _requests(self, habits: Habits, unit: Array, at: Array, level: Array) -> None:
        rng, world = self._rng, self._world
        visit = np.repeat(np.arange(len(unit)), world.requests)
        who, step = unit[visit], np.tile(np.arange(1, world.requests + 1), len(unit)) * SECOND
        treated = self.treated[who]
        moment = at[visit] + step
        request = self._add("api_request", who, moment, visit_at=at[visit])
        speed = BASE_MS * habits.speed[who] * np.where(treated, world.effect.latency, 1.0) * level[visit]
        self._add("api_ms", who, moment, value=speed * rng.lognormal(0, 0.5, len(who)), visit_at=at[visit])
        rate = world.errors * habits.errors[who] * level[visit] + np.where(treated, world.effect.errors, 0.0)
        bad = np.flatnonzero(rng.random(len(who)) < rate)
        self._add("api_error", who[bad], moment[bad] + SECOND // 2, of=request[bad], visit_at=at[visit][bad], late=True)

    def _dwell(self, habits: Habits, unit: Array, at: Array, level: Array) -> None:
        rng, world = self._rng, self._world
        treated = self.treated[unit]
        if world.two_points:  # the same mean, all or nothing against always the same
            sure = np.full(len(unit), 0.5)
            value = 2 * BASE_DWELL * np.where(treated, rng.random(len(unit)) < 0.5, sure)
        else:
            sigma = np.where(treated, world.dwell_sigma if world.shape is None else world.shape, world.dwell_sigma)
            value = BASE_DWELL * np.exp(rng.normal(0, 1, len(unit)) * sigma - sigma * sigma / 2)
        value = value * habits.dwell[unit] * level * np.where(treated, world.effect.dwell, 1.0)
        self._add("dashboard_s", unit, at + 2 * SECOND, value=value, visit_at=at)

    def _views(self, habits: Habits, unit: Array, at: Array, level: Array) -> None:
        rng, world = self._rng, self._world
        visit = np.repeat(np.arange(len(unit)), 1 + rng.poisson(1.0, len(unit)))
        who = unit[visit]
        moment = at[visit] + 3 * SECOND + rng.integers(0, SECOND, len(who))
        view = self._add("widget_view", who, moment, visit_at=at[visit])
        chance = BASE_CLICKS * habits.errors[who] * np.where(self.treated[who], world.effect.clicks, 1.0)
        hit = np.flatnonzero(rng.random(len(who)) < chance / np.sqrt(level[visit]))
        self._add("widget_click", who[hit], moment[hit] + SECOND, of=view[hit], visit_at=at[visit][hit])

    def _tasks(self, habits: Habits, unit: Array, at: Array, level: Array) -> None:
        rng, world = self._rng, self._world
        begun = np.flatnonzero(rng.random(len(unit)) < 0.7)
        who, moment = unit[begun], at[begun] + 5 * SECOND
        task = self._add("task_started", who, moment, visit_at=at[begun])
        chance = BASE_DONE / level[begun] * np.where(self.treated[who], world.effect.completion, 1.0)
        done = np.flatnonzero(rng.random(len(who)) < chance)
        taken = self._outcome_after(who[done])
        self._add("task_done", who[done], moment[done] + taken, of=task[done], visit_at=at[begun][done], late=True)

    def _tickets(self, habits: Habits, unit: Array, at: Array, level: Array) -> None:
        written = np.flatnonzero(self._rng.random(len(unit)) < 0.05 * level * habits.errors[unit])
        who = unit[written]
        self._add("ticket", who, at[written] + self._outcome_after(who), visit_at=at[written], late=True)

    def _surveys(self, habits: Habits, unit: Array, at: Array, level: Array) -> None:
        answered = np.flatnonzero(self._rng.random(len(unit)) < 0.3)
        value = np.clip(np.round(self._rng.normal(3.6, 1.0, len(answered))), 1, 5)
        self._add("satisfaction", unit[answered], at[answered] + 9 * SECOND, value=value, visit_at=at[answered])

    def _outcome_after(self, who: Array) -> Array:
        """Time until the outcome, by arm."""
        terms = self._world.treatment_delay, self._world.control_delay
        drawn = self._rng.exponential(1.0, len(who))
        hours = np.where(
            self.treated[who],
            np.minimum(drawn * terms[0].outcome, terms[0].outcome_most),
            np.minimum(drawn * terms[1].outcome, terms[1].outcome_most),
        )
        return (hours * HOUR).astype(np.int64)

    def _add(
        self,
        name: str,
        unit: Array,
        at: Array,
        *,
        visit_at: Array,
        value: Array | None = None,
        of: Array | None = None,
        late: bool = False,
    ) -> Array:
        """Keep events, and give their ids."""
        at = at.astype(np.int64)
        sent = self._sent(unit, at + self._lateness(unit) if late else at)
        ids = self.next_id + np.arange(len(unit))
        self.next_id += len(unit)
        order = in_order(unit, at)
        none = np.full(len(unit), -1, dtype=np.int64)
        everything = Happened(
            unit=unit,
            at=at,
            known=batch(sent),
            value=np.full(len(unit), np.nan) if value is None else value,
            id=ids,
            of=none if of is None else of,
        )
        self.names[name] = everything if order is None else everything.where(order)
        self.visit_of[name] = visit_at if order is None else visit_at[order]
        return ids

    def _lateness(self, unit: Array) -> Array:
        rng, out = self._rng, np.zeros(len(unit))
        treated = self.treated[unit]
        for terms, arm in ((self._world.treatment_delay, treated), (self._world.control_delay, ~treated)):
            if terms.late:
                is_late = arm & (rng.random(len(unit)) < terms.late)
                hours = np.minimum(rng.exponential(terms.late_mean, len(unit)), terms.late_most)
                out = np.where(is_late, hours * HOUR, out)
        return out.astype(np.int64)

    def _sent(self, unit: Array, at: Array) -> Array:
        """When it leaves the client: at once, or with the client's next batch, whose time lies anywhere."""
        if not self._world.is_slow:
            return at
        sent, treated = at, self.treated[unit]
        for terms, arm in ((self._world.treatment_delay, treated), (self._world.control_delay, ~treated)):
            if terms.slow:
                every = int(terms.slow_every * HOUR)
                begun = unit * (every // len(self.treated))  # people's batches, spread evenly
                end = at + (begun - at) % every
                sent = np.where(arm & (self._slow[unit] < terms.slow), end, sent)
        return sent

    def _carry(self, carried: dict[str, Happened]) -> None:
        """What visits of the phase before lead to now."""
        for name, found in carried.items():
            if not len(found.unit):
                continue
            mine = self.names[name]
            joined = {f: np.concatenate([getattr(mine, f), getattr(found, f)]) for f in mine.__struct_fields__}
            order = in_order(joined["unit"], joined["at"])
            # They belong to visits before this phase, so no cut takes them away.
            visits = np.concatenate([self.visit_of[name], np.full(len(found.unit), -1)])
            everything = Happened(**joined)
            self.names[name] = everything if order is None else everything.where(order)
            self.visit_of[name] = visits if order is None else visits[order]


def in_order(unit: Array, at: Array) -> Array | None:
    """Places in order of (unit, at); None if they are in order already."""
    key = unit.astype(np.int64) * LONGEST + at
    return None if (key[1:] >= key[:-1]).all() else np.argsort(key, kind="stable")


def batch(at: Array) -> Array:
    """When the log has it: at the end of its batch, never at the very moment it happened."""
    return (at // BATCH + 1) * BATCH
