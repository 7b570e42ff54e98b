"""Proof that the arrays summarise as the product does: the same events, as records, through its own stores."""

import math
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from _analysis_run import START, Run
from _analysis_store import ArrayStore

from ebbgate.core.events import Exposure, Heartbeat, Record, TrackedEvent
from ebbgate.core.metrics.arrivals import ArrivalBlock
from ebbgate.core.metrics.blocks import AnyBlock
from ebbgate.ports.event_store import EventStore

TOLERANCE = 1e-9


class Disagreement(Exception):
    """The arrays and a store of the product gave different blocks."""


class CheckedStore:
    """Asks the arrays and a store of the product, and raises Disagreement unless they answer alike to 1e-9."""

    def __init__(self, arrays: ArrayStore, run: Run, product: EventStore) -> None:
        self._arrays, self._run, self._product = arrays, run, product
        self._offset, self._fed_to = 0, -1
        self._metrics = {guardrail.metric for guardrail in run.plan.guardrails}
        self.volume_block = arrays.volume_block
        self.compared = 0

    def block(self, *arguments: Any, **span: Any) -> AnyBlock | None:
        mine = self._arrays.block(*arguments, **span)
        if mine is None and arguments[1] not in self._metrics:
            return None
        return self._same(mine, self._product.block(*arguments, **span))

    def limit_blocks(self, *arguments: Any, **span: Any) -> list[AnyBlock]:
        mine, theirs = self._arrays.limit_blocks(*arguments, **span), self._product.limit_blocks(*arguments, **span)
        return self._same(mine, theirs)

    def late_block(self, *arguments: Any, **span: Any) -> AnyBlock | None:
        mine, theirs = self._arrays.late_block(*arguments, **span), self._product.late_block(*arguments, **span)
        return self._same(mine, theirs)

    def arrival_block(self, *arguments: Any, **span: Any) -> ArrivalBlock | None:
        return self._same(
            self._arrays.arrival_block(*arguments, **span), self._product.arrival_block(*arguments, **span)
        )

    def assignment(self, contrast: Any) -> Any:
        return self._same(self._arrays.assignment(contrast), self._product.assignment(contrast))

    def ingest_until(self, now: datetime) -> None:
        """Hand the product's store what reached the log since the last look, as the edge would have appended it."""
        end = self._arrays.microseconds(now)
        by_time: dict[int, list[Any]] = {}
        for version, stream, cut in self._run.streams:
            self._take_exposures(by_time, version, stream, min(cut, end), end)
            for name in stream.names:
                self._take_events(by_time, name, version, stream, min(cut, end), end)
        records: list[tuple[int, Record]] = []
        for known in sorted({*by_time, end}):
            entries = sorted(by_time.get(known, []), key=lambda entry: entry.occurred_at)
            received_at = moment(known)
            stamped = [msgspec.structs.replace(e, sent_at=received_at, received_at=received_at) for e in entries]
            self._offset += 1
            heartbeat = Heartbeat(source="bench", received_at=received_at)
            record = Record(received_at=received_at, machine_at=received_at, entries=[*stamped, heartbeat])
            records.append((self._offset, record))
        self._product.ingest(records)
        self._fed_to = end

    def _take_exposures(self, by_time: dict[int, list[Any]], version: int, stream: Any, cut: int, end: int) -> None:
        first, known = stream.first, stream.first_known
        fresh = (first >= 0) & (first < cut) & (known > self._fed_to) & (known <= end)
        for unit in np.flatnonzero(fresh):
            at = moment(int(stream.first[unit]))
            by_time.setdefault(int(known[unit]), []).append(
                Exposure(
                    id=f"x{version}-{unit}",
                    unit=self._run.keys[unit],
                    environment=self._run.plan.environment,
                    flag_set=self._run.plan.environment,
                    flag=self._run.plan.flag,
                    variant=self._variant(unit, is_treated=bool(stream.treated[unit])),
                    snapshot_version=version,
                    occurred_at=at,
                    sent_at=at,
                )
            )

    def _variant(self, unit: int, *, is_treated: bool) -> str:
        return "on" if is_treated else "off_holdout" if self._run.is_held[unit] else "off"

    def _take_events(
        self, by_time: dict[int, list[Any]], name: str, version: int, stream: Any, cut: int, end: int
    ) -> None:
        found, visits = stream.names[name], stream.visit_of[name]
        # What was carried over from the phase before has been handed over with that phase.
        fresh = (visits >= 0) & (visits < cut) & (found.known > self._fed_to) & (found.known <= end)
        for place in np.flatnonzero(fresh):
            value, of = float(found.value[place]), int(found.of[place])
            at = moment(int(found.at[place]))
            by_time.setdefault(int(found.known[place]), []).append(
                TrackedEvent(
                    id=f"e{found.id[place]}",
                    unit=self._run.keys[found.unit[place]],
                    name=name,
                    occurred_at=at,
                    sent_at=at,
                    value=None if math.isnan(value) else value,
                    of=f"e{of}" if of >= 0 else None,
                    snapshot_version=version,
                )
            )

    def _same(self, mine: Any, theirs: Any) -> Any:
        self.compared += 1
        if not alike(msgspec.to_builtins(mine), msgspec.to_builtins(theirs)):
            raise Disagreement(f"seed {self._run.seed}:\n{mine}\n{theirs}")
        return mine


def alike(mine: Any, theirs: Any) -> bool:
    """Equal, numbers to 1e-9 of their size."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return mine.keys() == theirs.keys() and all(alike(mine[key], theirs[key]) for key in mine)
    if isinstance(mine, list | tuple) and isinstance(theirs, list | tuple):
        return len(mine) == len(theirs) and all(alike(a, b) for a, b in zip(mine, theirs, strict=True))
    if isinstance(mine, float) or isinstance(theirs, float):
        return math.isclose(mine, theirs, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(mine == theirs)


def moment(microseconds: int) -> datetime:
    return START + timedelta(microseconds=microseconds)
