"""One process of benchmarks/flags.py: one peer, CPU time, every answer checked. Its name is the first argument."""

import importlib
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from _flags_cases import CASES, MIXED, contexts, expected, shares
from _flags_subject import Subject

ROUNDS = 9
ROUNDS_MIN = 2
CASE_S = 1.0  # CPU time after which a slow peer's rounds end, but not before ROUNDS_MIN
ALL_CONTEXTS = 100
SHARE_TOLERANCE = 3.0  # percentage points; 8,000 units of 20 %: seven standard errors


def no_network(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: whoever looks a host up, or connects to any, fails the run."""
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect"):
        raise RuntimeError(f"a peer reaches for the network: {event} {arguments[1:]}")


def name_of(answer: Any) -> str:
    """The variant of a value or of details."""
    value = getattr(answer, "value", answer)
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def check(subject: Subject, case: str, names: list[str], wanted: list[str | None]) -> None:
    """Raises AssertionError for a wrong answer, or a split that is not the one asked for."""
    split: Counter[str] = Counter()
    for name, want in zip(names, wanted, strict=True):
        if want is None:
            split[name] += 1
        else:
            assert name == want, f"{subject.name}, {case}: {name} instead of {want}"
    total = split.total()
    for name, share in shares(case).items() if total else ():
        found = 100 * split[name] / total
        assert abs(found - share) < SHARE_TOLERANCE, f"{subject.name}, {case}: {found:.1f} % {name}, not {share} %"
    assert set(split) <= set(shares(case)), f"{subject.name}, {case}: {split}"


def cpu_ns(call: Callable[[Any], Any], items: list[Any]) -> float:
    """CPU nanoseconds of all threads for one call, the least of the rounds, without the loop's own."""
    best = bare = 10**18
    began = time.process_time()
    for done in range(ROUNDS):
        start = time.process_time_ns()
        for item in items:
            call(item)
        best = min(best, time.process_time_ns() - start)
        start = time.process_time_ns()
        for item in items:  # noqa: B007
            pass
        bare = min(bare, time.process_time_ns() - start)
        if done + 1 >= ROUNDS_MIN and time.process_time() - began > CASE_S:
            break
    return (best - bare) / len(items)


def measure(subject: Subject, people: list[dict[str, Any]]) -> dict[str, float]:
    """CPU time by case, after every answer was checked, and that the same unit gets the same answer again."""
    items = [subject.prepare(context) for context in people]
    found = {}
    for case, call in subject.one.items():
        names = [name_of(call(item)) for item in items]
        check(subject, case, names, [expected(case, context) for context in people])
        again = random.Random(2).sample(range(len(items)), 1000)
        fresh = [subject.prepare(people[index]) for index in again]
        assert [name_of(call(item)) for item in fresh] == [names[index] for index in again], f"{subject.name} wavers"
        found[case] = cpu_ns(call, items)
    if subject.every:
        some = random.Random(1).sample(range(len(items)), ALL_CONTEXTS)
        chosen = [items[index] for index in some]
        for every in subject.every:
            check_all(subject, [every(item) for item in chosen], [people[index] for index in some])
        found["all"] = min(cpu_ns(every, chosen) for every in subject.every)
    return found


def check_all(subject: Subject, answers: list[dict[str, Any]], people: list[dict[str, Any]]) -> None:
    """As `check`, over the mixed flags; shares are over all flags of a case."""
    for case in CASES:
        keys = [key for key, of in MIXED if of == case]
        names = [name_of(answer[key]) for answer in answers for key in keys]
        wanted = [expected(case, person) for person in people for _ in keys]
        check(subject, case, names, wanted)


def main() -> None:
    """One JSON object: by row, nanoseconds by case, or why there are none."""
    module, _, build = sys.argv[1].partition(":")
    sys.addaudithook(no_network)
    if build == "bare":
        people = contexts()
        print(json.dumps({"a bare call": {case: cpu_ns(lambda item: None, people) for case in CASES}}))
        return
    subjects: list[Subject] = getattr(importlib.import_module(module), build)()
    people = contexts()
    print(json.dumps({subject.name: {**subject.lacks, **measure(subject, people)} for subject in subjects}))
    sys.stdout.flush()
    os._exit(0)  # some peers have threads that never end


if __name__ == "__main__":
    main()
