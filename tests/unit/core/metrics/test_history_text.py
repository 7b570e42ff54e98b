"""Past days from a client's own file."""

from datetime import timedelta

import msgspec
import pytest

from ebbgate.core.errors import BadRequestError
from ebbgate.core.metrics.definition import Direction, HarmBy, Metric, MetricKind
from ebbgate.core.metrics.history import History, HistoryRow
from ebbgate.core.metrics.history_text import read_history

METRICS = tuple(
    Metric(
        name=name,
        kind=kind,
        event="e",
        trial="t",
        bad=Direction.INCREASE,
        harm=HarmBy.MEAN,
        window=timedelta(hours=1),
        lateness=timedelta(0),
    )
    for name, kind in (("errors", MetricKind.RATE), ("clicks", MetricKind.RATIO), ("dwell", MetricKind.MEAN))
)
WANTED = (
    HistoryRow(0, 0.0, (0.0, (1.0, 4.0), 12.5)),
    HistoryRow(1, 60.0, (1.0, None, None)),
    HistoryRow(0, 86_400.0, (0.0, None, 3.0)),
)


def test_json_lines_and_csv_say_the_same() -> None:
    lines = [
        '{"unit": "a", "at": "2026-03-02T09:00:00Z", "errors": 0, "clicks": [1, 4], "dwell": 12.5, "other": "x"}',
        '{"unit": "b", "at": "2026-03-02T09:01:00Z", "errors": 1, "clicks": [0, 0]}',
        "",
        '{"unit": "a", "at": "2026-03-03T09:00:00+00:00", "errors": 0, "dwell": 3}',
    ]
    table = "unit,at,errors,clicks,dwell\na,0,0,1/4,12.5\nb,60,1,,\na,86400,0,,3\n"
    for text in ("\n".join(lines), table):
        found = read_history(text, METRICS)
        assert (found.days, found.units, found.rows) == (2, 2, WANTED)


def test_what_was_saved_is_read_as_it_was() -> None:
    saved = History(metrics=("errors", "clicks", "dwell"), days=2, sampled=0.5, rows=WANTED)
    assert read_history(msgspec.json.encode(saved).decode(), METRICS) == saved


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"at": 1, "errors": 0}', "line 1 names no `unit`"),
        ('{"unit": "a", "at": "noon", "errors": 0}', "line 1: `at` is 'noon'"),
        ('{"unit": "a", "at": 1, "errors": 0.5}', "one unit's rate is 0 or 1"),
        ('{"unit": "a", "at": 1, "clicks": 3}', "`clicks` is a ratio"),
        ('{"unit": "a", "at": 1, "dwell": "long"}', "which is no number"),
        ('{"unit": "a", "at": 1, "dwell": NaN}', "which is no number"),
        ('{"unit": "a", "at": 1, "else": 3}', "no line has an observation"),
        ('{"unit": "a"', "line 1 is no JSON object"),
        ("", "no line has an observation"),
        ('{"unit": "a", "at": 0, "dwell": 1}\n{"unit": "a", "at": 99999999, "dwell": 1}', "span 1158 days"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused_by_its_number(text: str, message: str) -> None:
    with pytest.raises(BadRequestError, match=message.replace("(", r"\(")):
        read_history(text, METRICS)
