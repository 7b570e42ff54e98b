"""Sources of `query` metrics, asked for real: a server that speaks Prometheus' HTTP API, and SQLite (RULES C2, F1)."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from ebbgate.adapters.sources import Sources
from ebbgate.core.errors import SourceUnavailableError
from ebbgate.core.rollouts.plan import Source, SourceKind
from ebbgate.ports.metric_source import Question

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Reply = Callable[[str, dict[str, str]], Any]


class Prometheus:
    """Answers as `reply` says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.reply: Reply = lambda _, __: series()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = {
                    k: v[0] for k, v in parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()).items()
                }
                outer.asked.append((self.path, form))
                answer = outer.reply(self.path, form)
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Not among the tests' output."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.source = Source(
            name="mesh", kind=SourceKind.PROMETHEUS, url=f"http://127.0.0.1:{self.server.server_address[1]}"
        )


def series(**values: list[tuple[datetime, float]]) -> dict[str, Any]:
    result = [
        {"metric": {"version": arm, "job": "shop"}, "values": [[at.timestamp(), str(value)] for at, value in found]}
        for arm, found in values.items()
    ]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    found = Prometheus()
    thread = threading.Thread(target=found.server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


def a_question(expression: str, *, closes: int = 2, timeout: float = 5.0) -> Question:
    return Question(
        expression=expression,
        arm="version",
        closes=[NOON + MINUTE * place for place in range(closes)],
        interval=MINUTE,
        timeout=timedelta(seconds=timeout),
    )


def test_prometheus_is_asked_once_for_all_intervals_that_are_due(prometheus: Prometheus) -> None:
    later = NOON + MINUTE
    prometheus.reply = lambda _, __: series(on=[(NOON, 3.0), (later, 4.5)], off=[(NOON, 30.0), (later, float("nan"))])
    found = Sources().ask(prometheus.source, a_question("sum by (version) (increase(errors[$interval]))"))
    assert found == {NOON: {"on": 3.0, "off": 30.0}, later: {"on": 4.5}}
    [(path, form)] = prometheus.asked
    assert path == "/api/v1/query_range"
    assert form["query"] == "sum by (version) (increase(errors[60s]))"
    assert (float(form["start"]), float(form["end"]), float(form["step"])) == (NOON.timestamp(), later.timestamp(), 60)


def test_prometheus_answers_an_instant_query_for_one_interval(prometheus: Prometheus) -> None:
    vector = {"resultType": "vector", "result": [{"metric": {"version": "on"}, "value": [NOON.timestamp(), "7"]}]}
    prometheus.reply = lambda _, __: {"status": "success", "data": vector}
    assert Sources().ask(prometheus.source, a_question("x", closes=1)) == {NOON: {"on": 7.0}}
    assert prometheus.asked[0][0] == "/api/v1/query"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ({"status": "error", "error": "parse error"}, "parse error"),
        ({"status": "success", "data": {"resultType": "scalar", "result": []}}, "scalar"),
        ({"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}}]}}, "label `version`"),
        (b"<html>", "does not answer as Prometheus does"),
        (series(on=[(NOON, "many")]), "no number"),  # type: ignore[list-item]
    ],
)
def test_an_answer_that_cannot_be_understood_is_none(prometheus: Prometheus, reply: Any, said: str) -> None:
    prometheus.reply = lambda _, __: reply
    with pytest.raises(SourceUnavailableError, match=said):
        Sources().ask(prometheus.source, a_question("x"))


def test_two_series_of_one_version_are_refused_rather_than_one_of_them_taken(prometheus: Prometheus) -> None:
    double = series(on=[(NOON, 1.0)])
    double["data"]["result"] *= 2
    prometheus.reply = lambda _, __: double
    with pytest.raises(SourceUnavailableError, match="twice for `on`"):
        Sources().ask(prometheus.source, a_question("x"))


def test_a_source_that_is_slow_or_not_there_gives_no_answer(prometheus: Prometheus) -> None:
    hang = threading.Event()
    prometheus.reply = lambda _, __: hang.wait(5) and series()
    with pytest.raises(SourceUnavailableError, match="Timeout"):
        Sources().ask(prometheus.source, a_question("x", timeout=0.05))
    hang.set()
    nobody = Source(name="mesh", kind=SourceKind.PROMETHEUS, url="http://127.0.0.1:1")
    with pytest.raises(SourceUnavailableError, match="does not answer"):
        Sources().ask(nobody, a_question("x"))


@pytest.fixture
def books(tmp_path: Path) -> Source:
    """Orders of two versions in two minutes."""
    path = tmp_path / "books.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE orders (version TEXT, at TEXT, failed INTEGER)")
    for second in range(0, 120, 2):
        at = (NOON - MINUTE + timedelta(seconds=second)).strftime("%Y-%m-%d %H:%M:%S.%f")
        connection.execute("INSERT INTO orders VALUES (?, ?, ?)", ("on" if second % 3 else "off", at, second % 4 == 0))
    connection.commit()
    connection.close()
    return Source(name="books", kind=SourceKind.SQL, url=f"sqlite:///{path}")


COUNT = "SELECT version, count(*) AS value FROM orders WHERE at >= :opened_at AND at < :closed_at GROUP BY version"


def test_sql_is_asked_interval_by_interval_with_bound_times(books: Source) -> None:
    assert Sources().ask(books, a_question(COUNT)) == {
        NOON: {"off": 10.0, "on": 20.0},
        NOON + MINUTE: {"off": 10.0, "on": 20.0},
    }


def test_sql_changes_nothing_in_its_source(books: Source) -> None:
    Sources().ask(books, a_question("INSERT INTO orders VALUES ('on', '', 0) RETURNING version, 1 AS value", closes=1))
    assert Sources().ask(books, a_question("SELECT 'on' AS version, count(*) AS value FROM orders", closes=1)) == {
        NOON: {"on": 60.0}
    }


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT 1 AS value", "not with `version` and `value`"),
        ("SELECT version, 1 AS value FROM orders", "twice for"),
        ("SELECT nothing", "does not answer"),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000)"
            " SELECT 'on' AS version, count(*) AS value FROM n",
            "has not answered within",
        ),
    ],
)
def test_a_select_that_gives_no_answer_says_why(books: Source, statement: str, said: str) -> None:
    with pytest.raises(SourceUnavailableError, match=said):
        Sources().ask(books, a_question(statement, closes=1, timeout=0.05 if "RECURSIVE" in statement else 5.0))


def test_an_address_may_stand_in_the_servers_environment(books: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    named = Source(name="books", kind=SourceKind.SQL, url="env:BOOKS_URL")
    with pytest.raises(SourceUnavailableError, match="BOOKS_URL, which is not set"):
        Sources().ask(named, a_question(COUNT))
    monkeypatch.setenv("BOOKS_URL", books.url)
    assert len(Sources().ask(named, a_question(COUNT))) == 2
