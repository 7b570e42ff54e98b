"""Prometheus' HTTP API: one range query for all intervals that are due, an instant query for a single one.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from datetime import UTC, datetime
from math import isnan
from typing import Any

import httpx
import msgspec

from ebbgate.core.errors import SourceUnavailableError
from ebbgate.core.rollouts.plan import Source
from ebbgate.ports.metric_source import Answer, Question

_LARGEST = 8_000_000  # bytes of an answer: two arms need a few hundred, and a query without `by` could bring everything


class _Series(msgspec.Struct):
    metric: dict[str, str] = {}
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = []


class _Data(msgspec.Struct, rename="camel"):
    result_type: str
    result: list[_Series] = []


class _Reply(msgspec.Struct, rename="camel"):
    status: str
    data: _Data | None = None
    error: str = ""


class PrometheusSource:
    """A MetricSource. Redirects are not followed: a source is where the plan says."""

    def ask(self, source: Source, question: Question) -> Answer:
        if not question.closes:
            return {}
        step = question.interval.total_seconds()
        expression = question.expression.replace("$interval", f"{step:g}s")
        first, last = question.closes[0].timestamp(), question.closes[-1].timestamp()
        form: dict[str, Any] = {"query": expression, "timeout": f"{question.timeout.total_seconds():g}s"}
        if first == last:
            reply = self._post(source, question, "query", {**form, "time": first})
        else:
            reply = self._post(source, question, "query_range", {**form, "start": first, "end": last, "step": step})
        return _answer(source, question, reply)

    def _post(self, source: Source, question: Question, path: str, form: dict[str, Any]) -> _Reply:
        url = f"{source.url.rstrip('/')}/api/v1/{path}"
        try:
            with (
                httpx.Client(timeout=question.timeout.total_seconds(), trust_env=False) as client,
                client.stream("POST", url, data=form) as response,
            ):
                body = b""
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > _LARGEST:
                        raise _unavailable(source, f"answers with more than {_LARGEST:,} bytes")
            reply = msgspec.json.decode(body, type=_Reply)
        except httpx.HTTPError as error:
            raise _unavailable(source, f"does not answer: {type(error).__name__} {error}".rstrip()) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _unavailable(source, f"does not answer as Prometheus does: {error}") from error
        if reply.status != "success" or reply.data is None:
            raise _unavailable(source, f"refuses the query: {reply.error or response.status_code}")
        return reply


def _answer(source: Source, question: Question, reply: _Reply) -> Answer:
    assert reply.data is not None
    if reply.data.result_type not in ("vector", "matrix"):
        raise _unavailable(source, f"answers with a {reply.data.result_type}: the query must keep the arm's label")
    closes = {round(close.timestamp() * 1000): close for close in question.closes}
    found: dict[datetime, dict[str, float]] = {}
    for series in reply.data.result:
        arm = series.metric.get(question.arm)
        if arm is None:
            raise _unavailable(source, f"answers without the label `{question.arm}`: write `by ({question.arm})`")
        for at, text in [*([series.value] if series.value else []), *series.values]:
            close, value = closes.get(round(at * 1000)), _number(source, text)
            if close is None or isnan(value):
                continue  # 0 / 0 is NaN: there is nothing to say
            if arm in found.setdefault(close.astimezone(UTC), {}):
                raise _unavailable(source, f"answers twice for `{arm}`: sum the other labels away")
            found[close.astimezone(UTC)][arm] = value
    return found


def _number(source: Source, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise _unavailable(source, f"answers with {text[:40]!r}, which is no number") from error


def _unavailable(source: Source, what: str) -> SourceUnavailableError:
    hint = "try the query in Prometheus; its result has one series for each version"
    return SourceUnavailableError(f"source `{source.name}` {what}", hint=hint)
