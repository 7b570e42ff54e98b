"""`python -m ebbgate.doors.detector`: the analysis of one metric, one JSON line at a time.

`{"op": "start", "spec": {"kind": "proportion|mean|quantile|ratio", "bad": "increase|decrease", "harm":
"mean|distribution", "tolerate": 0.0, "alpha": 0.05, "quantile": 0.95, "phases": [...]}}` begins a rollout whose whole
relative alpha belongs to this metric; a start always begins anew. `tolerate` is relative: 0.1 tolerates ten percent
worse. `harm` is by default `mean`, for quantiles `distribution`; it matters for means only.

`{"op": "look", "minute": 0, "phase": 0, "allocation": 0.05, "treatment": [...], "control": [...]}` gives the new units
of this minute, one observation each: 0 or 1, a number, or `[numerator, denominator]`. The answer is
`{"decision": "continue|rollback", "log_e": ..., "interval": [lo, hi]}`: log_e is the natural log of the evidence
carried over all phases, and `rollback`, once said, stays. interval: of treatment - control in this phase, in the
metric's own unit, holding at all times at once with chance 1 - alpha; null while there is nothing to say.

A look is a block (RULES D4): summarised by the store's SQL, in DuckDB in memory, and folded into the evidence as in a
rollout. A missing value, one that no metric can use, or a pair without a positive denominator, is no observation (RULES
D5); `NaN` and `Infinity`, as Python's json writes them, are missing values. Allocation is not needed: blocks are
compared inside themselves. A line that cannot be used, whatever is wrong with it, is answered with `{"error": ...}`,
and the rollout stays as it was.
"""

import re
import sys
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Annotated, Any, BinaryIO, Literal

import msgspec

from ebbgate.bootstrap.summaries import block_summariser
from ebbgate.core.metrics import Direction, Guardrail, HarmBy, Margin, Metric, MetricKind, fold, measure, start
from ebbgate.core.metrics.definition import Quantile
from ebbgate.core.metrics.values import is_usable

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)  # minute 0; only differences of times matter
_MINUTE = timedelta(minutes=1)
Pair = tuple[float, float | None]
Given = float | tuple[float | None, float | None] | None

_TEXT_OR_NUMBER = re.compile(rb'"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)|-?[0-9][0-9.eE+-]*')


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """The one metric of a rollout, and what may be spent on it."""

    kind: Literal["proportion", "mean", "quantile", "ratio"]
    bad: Direction = Direction.INCREASE
    harm: HarmBy | None = None
    tolerate: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    alpha: Annotated[float, msgspec.Meta(gt=0, lt=0.5)] = 0.05
    quantile: Quantile | None = None
    phases: list[Any] = []


class Start(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="start"):
    """Begin anew."""

    spec: Spec


class Look(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag="look"):
    """The new units of a minute."""

    minute: Annotated[float, msgspec.Meta(ge=0, le=10_000_000)] = 0.0
    phase: Annotated[int, msgspec.Meta(ge=0)] = 0
    allocation: float | None = None
    treatment: list[Given] = []
    control: list[Given] = []


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a start. threshold: the log_e at which harm is shown."""

    started: bool = True
    threshold: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a look."""

    decision: Literal["continue", "rollback"]
    log_e: float
    interval: tuple[float, float] | None


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a line that cannot be used; the rollout stays as it was."""

    error: str


class UnusableLineError(Exception):
    """What is wrong with a line that is JSON."""


class Detector:
    """One rollout with one metric."""

    def __init__(self, spec: Spec) -> None:
        self._guardrail = guardrail_of(spec)
        self._evidence = start(self._guardrail, alpha=spec.alpha)
        self._alpha = spec.alpha
        self._closed = _EPOCH
        self._summariser = block_summariser()

    @property
    def threshold(self) -> float:
        return self._evidence.threshold or 0.0

    def look(self, look: Look) -> Answer:
        """One more block. Raises UnusableLineError, and whatever the numbers make fail; all is then as it was."""
        arms = [_observations(self._guardrail.metric, values) for values in (look.treatment, look.control)]
        # Time never goes back: what is learned from the control must come from before the block.
        opened = max(_EPOCH + look.minute * _MINUTE, self._closed)
        closed = max(_EPOCH + (look.minute + 1) * _MINUTE, self._closed)
        known = self._summariser.reference
        try:
            return self._looked(look, arms, opened=opened, closed=closed)
        except Exception:
            self._summariser.reference = known
            raise

    def _looked(self, look: Look, arms: list[list[Pair]], *, opened: datetime, closed: datetime) -> Answer:
        block = self._summariser.block(
            self._guardrail.metric,
            phase=look.phase,
            opened_at=opened,
            closed_at=closed,
            treatment=arms[0],
            control=arms[1],
        )
        evidence = fold(self._guardrail, self._evidence, block)
        change = measure(self._guardrail, evidence, phase=look.phase, alpha=self._alpha)
        if change.interval is not None and not all(map(isfinite, change.interval)):
            raise UnusableLineError("the interval would not be finite")
        self._closed, self._evidence = closed, evidence
        return Answer(
            decision="continue" if self._evidence.harm_shown_at is None else "rollback",
            log_e=self._evidence.log_e,
            interval=change.interval,
        )

    def close(self) -> None:
        self._summariser.close()


def guardrail_of(spec: Spec) -> Guardrail:
    """The guardrail that a plan would have. A proportion is a rate; what is tolerated is a share of the control's
    value."""
    kind = MetricKind.RATE if spec.kind == "proportion" else MetricKind(spec.kind)
    is_latency = kind is MetricKind.QUANTILE
    metric = Metric(
        name="metric",
        kind=kind,
        event="event",
        trial="trial" if kind in (MetricKind.RATE, MetricKind.RATIO) else None,
        quantile=(spec.quantile or 0.95) if is_latency else None,
        bad=spec.bad,
        harm=spec.harm or (HarmBy.DISTRIBUTION if is_latency else HarmBy.MEAN),
        window=_MINUTE,
        lateness=timedelta(0),
    )
    return Guardrail(metric=metric, tolerate=Margin(relative=spec.tolerate))


def _observations(metric: Metric, values: list[Given]) -> list[Pair]:
    found: list[Pair] = []
    for value in values:
        if value is None:
            continue
        is_pair = isinstance(value, tuple)
        if is_pair != (metric.kind is MetricKind.RATIO):
            raise UnusableLineError("a ratio's observations are [numerator, denominator], all others are numbers")
        x, y = value if isinstance(value, tuple) else (value, 1.0)
        if x is None or y is None or not is_usable(x) or not is_usable(y) or y <= 0:
            continue
        if metric.kind is MetricKind.RATE and x not in (0, 1):
            raise UnusableLineError(f"a proportion's observations are 0 or 1, not {x}")
        found.append((x, y if is_pair else None))
    return found


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer line by line until the end of input. Empty lines are passed over."""
    encoder = msgspec.json.Encoder()
    detector: Detector | None = None
    for line in source:
        if not line.strip():
            continue
        answer: Started | Answer | Refused
        try:
            asked = _asked(line)
            if isinstance(asked, Start):
                before, detector = detector, Detector(asked.spec)
                if before is not None:
                    before.close()
                answer = Started(threshold=detector.threshold)
            elif detector is None:
                answer = Refused(error="no rollout was started")
            else:
                answer = detector.look(asked)
        except Exception as error:  # no line may end the process: the lines after it are other people's looks
            answer = Refused(error=str(error) or type(error).__name__)
        sink.write(encoder.encode(answer) + b"\n")
        sink.flush()
    if detector is not None:
        detector.close()


_DECODER: msgspec.json.Decoder[Start | Look] = msgspec.json.Decoder(Start | Look)


def _asked(line: bytes) -> Start | Look:
    """What a line asks. Numbers that JSON does not know, or that no float can hold, stand for missing values."""
    try:
        return _DECODER.decode(line)
    except msgspec.DecodeError:
        mended = _TEXT_OR_NUMBER.sub(_known, line)
        if mended == line:
            raise
        return _DECODER.decode(mended)


def _known(found: re.Match[bytes]) -> bytes:
    """A text, or a number that is finite, as it is; null for any other number."""
    token = found[0]
    if token.startswith(b'"'):
        return token
    try:
        return token if isfinite(float(token)) else b"null"
    except ValueError:
        return token


def main() -> int:
    """Serve standard input."""
    serve(sys.stdin.buffer, sys.stdout.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
