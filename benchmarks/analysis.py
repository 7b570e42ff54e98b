"""False rollbacks while nothing is wrong: whole rollouts at event level, through the product's own way to a decision.

Each run is a ramp (5, 20, 50 %) and a watch, looked at all the time. Events become observations by rules D1 to D5,
blocks, evidence, judgement and `decide()`; every automatic rollback counts, whatever its code. A null holds if the 95 %
interval of its rate reaches down to 5 %. Exit status 1 if one does not, or if `--verify` finds a difference.

    python benchmarks/analysis.py                 100 runs a null: a look, nothing is kept
    python benchmarks/analysis.py --full          1,500 runs a null, kept in results/nulls.json; goes on if stopped
    python benchmarks/analysis.py --verify 2      the arrays against the product's two stores, on 2 runs a null
    python benchmarks/analysis.py --docs          the table of docs/benchmarks.md, from the result file
"""

import argparse
import sys
from collections import Counter
from time import process_time

import msgspec
from _analysis_nulls import NULLS, UNTOLD, Null, a_plan
from _analysis_result import ALPHA, RUNS, Result, commit, digest, joined, keep, line, read, wilson, write_docs
from _analysis_run import Outcome, Run
from _analysis_verify import CheckedStore, Disagreement

from ebbgate.adapters.events.duckdb_store import DuckDbEventStore
from ebbgate.testing.memory_events import MemoryEventStore

LOOK, PART = 100, 100  # runs of a look, and between two notes in the result file
SEED = 1_000_000
VERIFY_UNITS = 400


def main() -> int:
    arguments = parsed()
    chosen = [null for null in (*NULLS, *UNTOLD) if null.name in arguments.null] if arguments.null else list(NULLS)
    if arguments.docs:
        write_docs()
        return 0
    if arguments.verify:
        return verified(chosen, arguments.verify, arguments.seed)
    runs = arguments.runs or (RUNS if arguments.full else LOOK)
    bench = Bench(arguments)
    # All nulls a part at a time, so that what is there says something of each whenever it is stopped.
    for until in range(PART, runs, PART):
        for null in chosen:
            bench.measured(null, until)
    results = [bench.measured(null, runs) for null in chosen]
    for result in results:
        print(line(result), flush=True)
    failed = [result.null for result in results if not result.holds]
    print(f"{len(results) - len(failed)} of {len(results)} hold" + (f"; not: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--full", action="store_true", help="1,500 runs a null, kept")
    parser.add_argument("--runs", type=int, help="runs a null")
    parser.add_argument("--seed", type=int, default=SEED, help="of the first run; each run takes the next one")
    parser.add_argument(
        "--null", action="append", choices=[null.name for null in (*NULLS, *UNTOLD)], help="only this one"
    )
    parser.add_argument("--again", action="store_true", help="measure what the result file has already")
    parser.add_argument("--verify", type=int, metavar="RUNS", help="compare with the product's stores")
    parser.add_argument("--docs", action="store_true", help="write the table of the docs")
    return parser.parse_args()


class Bench:
    """What is measured, and what is known already of the same code and seed: that stands, and is gone on from."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._keeps, self._seed = arguments.full, arguments.seed
        self._code, self._commit = digest(), commit()  # of what was loaded, whatever changes on disk meanwhile
        found = read() if arguments.full and not arguments.again else {}
        self._known = {name: r for name, r in found.items() if (r.code, r.seed) == (self._code, self._seed)}

    def measured(self, null: Null, runs: int) -> Result:
        """A null with at least so many runs."""
        known = self._known.get(null.name)
        if known is None or known.runs < runs:
            first = known.runs if known is not None else 0
            more = null_result(null, runs - first, self._seed, first, self._code, self._commit)
            known = self._known[null.name] = joined(known, more)
            if self._keeps:
                keep(known)
        return known


def null_result(null: Null, runs: int, seed: int, first: int, code: str, made: str) -> Result:
    """Some runs of a null, from the seed's place `first` on."""
    started, plan = process_time(), a_plan(null)
    outcomes = [played(plan, null, seed + first + place, first + place) for place in range(runs)]
    fired = [(place, outcome) for place, outcome in enumerate(outcomes, start=first) if outcome.rollback is not None]
    interval = wilson(len(fired), runs)
    return Result(
        null=null.name,
        says=null.says,
        seed=seed,
        commit=made,
        code=code,
        runs=runs,
        seconds=round(process_time() - started, 1),
        fired=len(fired),
        rate=len(fired) / runs,
        interval=interval,
        holds=interval[0] <= ALPHA,
        looks=sum(outcome.looks for outcome in outcomes) / runs,
        by_code=dict(Counter(str(outcome.rollback) for _, outcome in fired)),
        by_metric=dict(Counter(name for _, outcome in fired for name in outcome.metrics)),
        asked=dict(Counter(code for outcome in outcomes for code in outcome.others)),
        examples=tuple(f"seed {seed + place}, phase {o.phase + 1}: {o.reason}" for place, o in fired[:3]),
    )


def played(plan, null: Null, seed: int, place: int) -> Outcome:
    if sys.stderr.isatty() and place % 20 == 0:
        print(f"\r{null.name:14} {place}", end="\r", file=sys.stderr, flush=True)
    return Run(plan, null.world, seed).play()


def verified(chosen: list[Null], runs: int, seed: int) -> int:
    """The same decisions from the same blocks, to 1e-9, whoever summarises."""
    stores = {"memory": MemoryEventStore, "duckdb": lambda: DuckDbEventStore(":memory:")}
    failed = 0
    for null in chosen:
        world = msgspec.structs.replace(null.world, units=VERIFY_UNITS)
        for name, make in stores.items():
            checked: list[CheckedStore] = []

            def follow(arrays, run, make=make, checked=checked):
                checked.append(CheckedStore(arrays, run, make()))
                return checked[-1]

            try:
                for place in range(runs):
                    outcome = Run(a_plan(null), world, seed + place, follow=follow, judges_always=True).play()
                    if outcome != Run(a_plan(null), world, seed + place).play():
                        raise Disagreement(f"seed {seed + place}: judging at every look ends otherwise: {outcome}")
            except Disagreement as found:
                failed += 1
                print(f"{null.name:14} {name:7} DIFFERS, {found}", flush=True)
            else:
                answers = sum(store.compared for store in checked)
                print(f"{null.name:14} {name:7} {answers:,} answers alike in {runs} runs", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
