"""The `sources:` of a plan file, and the keys of metrics that a source answers."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ebbgate.core.metrics.definition import MetricKind, NoData, Query
from ebbgate.core.rollouts.plan import Source, SourceKind
from ebbgate.core.rollouts.plan_file_reader import Fields, at_key, read_choice, read_name, read_text, refusal, shown
from ebbgate.core.rollouts.values import duration

QUERY_KEYS = ("of", "source", "arm", "arms", "interval", "timeout", "no_data")
ARMS_KEYS = ("treatment", "control")
SOURCE_EXAMPLE = '{prometheus: "http://127.0.0.1:9090"}'
_QUERY_EXAMPLE = "sum by (version) (increase(errors_total[$interval]))"


def read_sources(value: Any, path: str) -> tuple[Source, ...]:
    """`{mesh: {prometheus: url}, books: {sql: url}}`. An address `env:NAME` is read from the server's environment."""
    if not isinstance(value, Mapping):
        raise refusal(f"sources are {shown(value)}, not a mapping", path=path, hint=f"write `mesh: {SOURCE_EXAMPLE}`")
    return tuple(_source(name, item, at_key(path, name)) for name, item in value.items())


def _source(name: str, value: Any, path: str) -> Source:
    fields = Fields(value, path, what=f"source `{name}`", example=SOURCE_EXAMPLE)
    kinds = [kind.value for kind in SourceKind]
    key = fields.choose(kinds)
    if key is None:
        raise refusal(f"source `{name}` is of no kind", path=path, hint=f"write one of {', '.join(kinds)}")
    source = Source(name=read_name(name, path), kind=SourceKind(key), url=fields.need(key, _address))
    fields.finish()
    return source


def _address(value: Any, path: str) -> str:
    text = read_text(value, path, example="http://127.0.0.1:9090")
    if "://" not in text and not text.startswith("env:"):
        raise refusal(f"{shown(text)} is no address", path=path, hint="write it with its scheme, or `env:NAME`")
    return text


def read_query(fields: Fields) -> Query:
    """The query of a metric whose kind is `query`. Without an arm label nobody could tell the versions apart."""
    for key in ("source", "arm"):
        if not fields.has(key):
            meaning = {"source": "where it is asked", "arm": "which label tells the versions apart"}[key]
            hint = f"write `{key}: {'mesh' if key == 'source' else 'version'}`"
            raise refusal(f"{fields.what} does not say {meaning}", path=fields.path, hint=hint)
    treatment, control = fields.take("arms", _arms, ("", ""))
    return Query(
        source=fields.need("source", read_name),
        numerator=fields.need("query", lambda v, p: read_text(v, p, example=_QUERY_EXAMPLE)),
        denominator=fields.take("of", lambda v, p: read_text(v, p, example=_QUERY_EXAMPLE), None),
        arm=fields.need("arm", read_name),
        treatment=treatment,
        control=control,
        interval=fields.take("interval", duration, timedelta(minutes=1)),
        timeout=fields.take("timeout", duration, timedelta(seconds=2)),
        no_data=fields.take("no_data", lambda v, p: NoData(read_choice(v, p, [n.value for n in NoData])), NoData.HOLD),
    )


def query_kind(query: Query) -> MetricKind:
    """Counts of bad requests among all are rates; a number that is read is a gauge."""
    return MetricKind.RATE if query.denominator is not None else MetricKind.GAUGE


def _arms(value: Any, path: str) -> tuple[str, str]:
    fields = Fields(value, path, what="`arms`", example="{treatment: canary, control: stable}")
    treatment, control = (fields.need(key, lambda v, p: read_text(v, p, example="canary")) for key in ARMS_KEYS)
    fields.finish()
    if treatment == control:
        raise refusal(f"both arms are `{control}`", path=path, hint="write `{treatment: canary, control: stable}`")
    return treatment, control
