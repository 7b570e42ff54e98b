"""One process of benchmarks/flags.py: every evaluator that can be imported, CPU time, every answer checked."""

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from _flags_cases import contexts, eppo_flag, expected, flagd_flag, growthbook_feature, mixed, shares

ROUNDS = 9
ALL_ROUNDS = 3
ALL_CONTEXTS = 300
CASES = ["boolean", "sticky", "five"]
KEYS = [(case, case) for case in CASES] + mixed()
KIND = {"boolean": "boolean", "sticky": "boolean", "five": "string"}
DEFAULT: dict[str, Any] = {"boolean": True, "sticky": True, "five": "none"}

One = Callable[[dict[str, Any]], Any]
Prepare = Callable[[dict[str, Any]], Any]


class Subject:
    """An evaluator. prepare: from a context to what it takes, outside the timing. one: by case, to a value. all: every
    mixed flag for one context, to values by key.
    """

    def __init__(self, name: str, prepare: Prepare, one: dict[str, One], every: Callable[[Any], Any]) -> None:
        self.name, self.prepare, self.one, self.every = name, prepare, one, every


def document() -> dict[str, Any]:
    """The flagd document: the three cases, and the 200 under keys of their own."""
    return {"flags": {key: flagd_flag(case, key) for key, case in KEYS}}


def ebbgate() -> list[Subject]:
    """The typed call, and the call with details."""
    from ebbgate.core.flags import Evaluator

    evaluator = Evaluator(document())
    every = Evaluator({"flags": {key: flagd_flag(case, key) for key, case in mixed()}})
    evaluate = evaluator.evaluate

    def details(case: str) -> One:
        kind, default = KIND[case], DEFAULT[case]
        return lambda context: evaluate(case, default, context, kind)  # type: ignore[arg-type]

    def typed(case: str) -> One:
        value, default, kind = evaluator.value, DEFAULT[case], KIND[case]
        return lambda context: value(case, default, context, kind)  # type: ignore[arg-type]

    return [
        Subject("ebbgate, value", dict, {case: typed(case) for case in CASES}, every.evaluate_all),
        Subject("ebbgate, details", dict, {case: details(case) for case in CASES}, every.evaluate_all),
    ]


def eppo() -> list[Subject]:
    """Rust. Its own configuration format; exposures are not logged."""
    import eppo_client
    from eppo_client import AssignmentLogger, ClientConfig, Configuration

    flags = {key: eppo_flag(key, case) for key, case in KEYS}
    frame = {"createdAt": "2026-01-01T00:00:00.000Z", "format": "SERVER", "environment": {"name": "bench"}}
    data = json.dumps({**frame, "flags": flags}).encode()
    client = eppo_client.init(
        ClientConfig(
            api_key="none",
            base_url="http://127.0.0.1:9",
            assignment_logger=AssignmentLogger(),
            poll_interval_seconds=None,
            initial_configuration=Configuration(flags_configuration=data),
        )
    )
    boolean, text = client.get_boolean_assignment, client.get_string_assignment

    def one(case: str) -> One:
        call, default = (text if case == "five" else boolean), DEFAULT[case]
        return lambda pair: call(case, pair[0], pair[1], default)

    def every(pair: Any) -> dict[str, Any]:
        unit, attributes = pair
        return {
            key: text(key, unit, attributes, "none") if case == "five" else boolean(key, unit, attributes, True)
            for key, case in MIXED
        }

    def prepare(context: dict[str, Any]) -> Any:
        return context["targetingKey"], {key: value for key, value in context.items() if key != "targetingKey"}

    return [Subject("eppo-server-sdk 4.4.1", prepare, {case: one(case) for case in CASES}, every)]


def flagd() -> list[Subject]:
    """flagd's own Python core."""
    from openfeature.contrib.tools.flagd.core.flagd_core import FlagdCore
    from openfeature.evaluation_context import EvaluationContext

    core = FlagdCore()
    core.set_flags(document())
    boolean, text = core.resolve_boolean_value, core.resolve_string_value

    def one(case: str) -> One:
        call, default = (text if case == "five" else boolean), DEFAULT[case]
        return lambda context: call(case, default, context).value

    def every(context: Any) -> dict[str, Any]:
        return {
            key: (text(key, "none", context) if case == "five" else boolean(key, True, context)).value
            for key, case in MIXED
        }

    def prepare(context: dict[str, Any]) -> Any:
        return EvaluationContext(
            context["targetingKey"], {key: value for key, value in context.items() if key != "targetingKey"}
        )

    return [Subject("openfeature-flagd-core 2.0.0", prepare, {case: one(case) for case in CASES}, every)]


def growthbook() -> list[Subject]:
    """Attributes are set on the instance for every user, as its guide says."""
    from growthbook import GrowthBook

    client = GrowthBook(features={key: growthbook_feature(key, case) for key, case in KEYS})

    def one(case: str) -> One:
        default = DEFAULT[case]

        def call(context: dict[str, Any]) -> Any:
            client.set_attributes(context)
            return client.get_feature_value(case, default)

        return call

    def every(context: Any) -> dict[str, Any]:
        client.set_attributes(context)
        return {key: client.get_feature_value(key, "none" if case == "five" else True) for key, case in MIXED}

    return [Subject("growthbook 4.0.0", dict, {case: one(case) for case in CASES}, every)]


MIXED = mixed()
SUBJECTS = [ebbgate, eppo, flagd, growthbook]


def name_of(answer: Any) -> str:
    """The variant of a value or of details."""
    value = getattr(answer, "value", answer)
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else str(value)


def check(subject: Subject, case: str, answers: list[Any], wanted: list[str | None]) -> None:
    """Raises AssertionError for a wrong answer, or a split that is not the one asked for."""
    split: Counter[str] = Counter()
    for answer, want in zip(answers, wanted, strict=True):
        name = name_of(answer)
        if want is None:
            split[name] += 1
        else:
            assert name == want, f"{subject.name}, {case}: {name} instead of {want}"
    total = split.total()
    for name, share in shares(case).items() if total else ():
        found = 100 * split[name] / total
        assert abs(found - share) < 3, f"{subject.name}, {case}: {found:.1f} % {name} instead of {share} %"


def cpu_ns(call: Callable[[Any], Any], items: list[Any], rounds: int) -> float:
    """CPU nanoseconds for one call, the least of the rounds, without the loop's own."""
    best = bare = 10**18
    for _ in range(rounds):
        start = time.process_time_ns()
        for item in items:
            call(item)
        best = min(best, time.process_time_ns() - start)
        start = time.process_time_ns()
        for item in items:  # noqa: B007
            pass
        bare = min(bare, time.process_time_ns() - start)
    return (best - bare) / len(items)


def measure(subject: Subject, people: list[dict[str, Any]]) -> dict[str, float]:
    """CPU time by case, after every answer was checked."""
    items = [subject.prepare(context) for context in people]
    found = {}
    for case in CASES:
        call = subject.one[case]
        check(subject, case, [call(item) for item in items], [expected(case, context) for context in people])
        found[case] = cpu_ns(call, items, ROUNDS)
    some = random.Random(1).sample(range(len(items)), ALL_CONTEXTS)
    answers = [subject.every(items[index]) for index in some]
    for key, case in MIXED:
        wanted = [expected(case, people[index]) for index in some]
        for answer, want in zip(answers, wanted, strict=True):
            assert want is None or name_of(answer[key]) == want, f"{subject.name}: {key}"
    found["all"] = cpu_ns(subject.every, [items[index] for index in some], ALL_ROUNDS)
    return found


def main() -> None:
    """One JSON line: CPU nanoseconds by evaluator and case, and what could not be imported."""
    people = contexts()
    found: dict[str, Any] = {"a bare call": {case: cpu_ns(lambda item: None, people, ROUNDS) for case in CASES}}
    for build in SUBJECTS:
        try:
            subjects = build()
        except ImportError as error:
            sys.stderr.write(f"{build.__name__}: {error}\n")
            continue
        for subject in subjects:
            found[subject.name] = measure(subject, people)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
