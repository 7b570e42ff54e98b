"""How many units until harm is found: ebbgate, the SPRT that knows the effect, and how others decide, on one stream.

Every rule looks at the same minutes of the same rollouts: 400 units a minute, 5 -> 20 -> 50 % of them treated, two
hours each. The figure is the median number of treated units until a rule takes the version back, in multiples of the
SPRT's; on nulls, the share of rollouts that a rule takes back. Exit status 1 if a harm needs more than its *must*, or a
null takes more than 5 %, as far as so many rollouts can tell (95 %).

    python benchmarks/detection.py                60 rollouts a harm, 40 a null: a look, nothing is kept
    python benchmarks/detection.py --full         1,500 and 1,000; kept in results/detection.json and the docs
    python benchmarks/detection.py --docs         the table and the chart, from the result file
"""

import argparse
from time import process_time

import numpy as np
from _detection_cases import HARMS, NULLS
from _detection_result import Result, keep, line, read, result_of, write_docs
from _detection_rules import RULES, Ebbgate, Sprt
from _detection_streams import Case, minutes

SEED = 20_260_105
FULL, LOOK = (1500, 1000), (60, 40)


def main() -> int:
    arguments = parsed()
    if arguments.docs:
        write_docs(read())
        return 0
    runs, failed = FULL if arguments.full else LOOK, list[str]()
    for case in (*HARMS, *NULLS):
        if arguments.case and not any(case.name.startswith(name) for name in arguments.case):
            continue
        n = arguments.runs or runs[case.is_null]
        found = measured(case, n, arguments.seed, own=arguments.own)
        print(line(found), flush=True)
        failed += [found.case] if found.fails else []
        if arguments.full:
            keep(found)
    if arguments.full:
        write_docs(read())
    print(f"not as they must be: {', '.join(failed)}" if failed else "all as they must be")
    return 1 if failed else 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--full", action="store_true", help="as many rollouts as the result file has; keep them")
    parser.add_argument("--runs", type=int, help="rollouts a case")
    parser.add_argument("--seed", type=int, default=SEED, help="of the first rollout; each takes the next one")
    parser.add_argument("--case", action="append", help="only cases whose names begin so")
    parser.add_argument("--own", action="store_true", help="only ebbgate and the SPRT")
    parser.add_argument("--docs", action="store_true", help="write the table and the chart of the docs")
    return parser.parse_args()


def measured(case: Case, runs: int, seed: int, *, own: bool) -> Result:
    """One case: every rule on the same rollouts."""
    names = [name for name, rule in RULES.items() if not (case.is_null and rule is Sprt)]
    if own:
        names = [name for name in names if RULES[name] in (Ebbgate, Sprt)]
    units = {name: np.full(runs, np.inf) for name in names}
    began = process_time()
    for run in range(runs):
        looking = {name: RULES[name](case) for name in names}
        for minute in minutes(case, seed + run):
            for name in [name for name, rule in looking.items() if rule.look(minute)]:
                units[name][run] = minute.treated
                del looking[name]
            if not looking:
                break
    return result_of(case, units, seed=seed, seconds=process_time() - began)


if __name__ == "__main__":
    raise SystemExit(main())
