"""What has arrived, who evaluates and what time it is, as the control API shows it."""

from datetime import datetime

import msgspec

from ebbgate.core.clock import ClockMapping


class EvaluatorView(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluator (RULES H2). kind: `sdk` and `stream` confirm what they serve; the others cannot. Machine times.
    environment: None where it does not say. is_closed: it ended cleanly, so that nothing is to be proven of it.
    """

    evaluator: str
    name: str
    kind: str
    is_connected: bool
    snapshot_version: int | None
    confirmed_at: datetime | None
    last_seen_at: datetime
    environment: str | None = None
    is_closed: bool = False


class ArrivedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A name of tracked events: how many came, and when the newest did (plan time)."""

    name: str
    count: int
    newest_at: datetime


class FlagEvaluations(msgspec.Struct, frozen=True, kw_only=True):
    """What evaluators counted for one flag. missing_attributes: by attribute, evaluations whose context lacked it."""

    flag: str
    evaluations: int
    keyless: int
    code_defaults: int
    missing_attributes: dict[str, int]


class RolloutSilence(msgspec.Struct, frozen=True, kw_only=True):
    """What one running rollout waits for in vain, in sentences."""

    rollout_id: str
    sentences: tuple[str, ...]


class ArrivalsView(msgspec.Struct, frozen=True, kw_only=True):
    """What arrives, and what does not. watermark: plan time up to which the log was read; None before the first
    record.
    """

    watermark: datetime | None
    names: tuple[ArrivedEvent, ...] = ()
    evaluations: tuple[FlagEvaluations, ...] = ()
    silence: tuple[RolloutSilence, ...] = ()


class TotalsView(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over everything ingested. units: distinct. duplicates: refused by their ids (RULES C4). offset: of the
    log.
    """

    units: int
    events: int
    exposures: int
    duplicates: int
    offset: int
    watermark: datetime | None = None


class ClockView(msgspec.Struct, frozen=True, kw_only=True):
    """Both clocks (RULES A1, A2)."""

    machine_at: datetime
    plan_at: datetime
    mapping: ClockMapping
