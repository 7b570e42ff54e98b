"""The edge: OFREP calls beside a bare ASGI echo of JSON, and a flag off to ten thousand event streams.

    .venv/bin/python benchmarks/edge.py [--write] [--seconds 2] [--rounds 5] [--streams 10000] [--pushes 5]

Server and load generator are pinned to one core each. `--write` records the table in docs/benchmarks.md.
"""

import argparse
import os
import sys
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))  # the other parts of the benchmark

from benchmarks._edge_calls import Ratios, compare
from benchmarks._edge_servers import FLAGS, pin
from benchmarks._edge_streams import Push, push_to

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- edge: begin -->\n", "<!-- edge: end -->\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--pushes", type=int, default=5)
    options = parser.parse_args()
    server_core = pin()
    load = os.getloadavg()[0]  # before this adds its own
    single = compare(server_core, "single", seconds=options.seconds, rounds=options.rounds)
    bulk = compare(server_core, "bulk", seconds=options.seconds, rounds=options.rounds)
    pushes = push_to(server_core, options.streams, options.pushes) if options.streams else {}
    text = _calls(single, bulk) + (_streams(pushes, options.streams) if pushes else "")
    text += f"\nThe machine's load before: {load:.1f}, on {os.cpu_count()} cores.\n"
    print(text)
    if options.write:
        page = PAGE.read_text()
        before, rest = page.split(BEGIN)
        PAGE.write_text(before + BEGIN + text + END + rest.split(END)[1])


def _calls(single: Ratios, bulk: Ratios) -> str:
    lines = ["| | bare echo | OFREP | ratio | of processor time |", "|---|---:|---:|---:|---:|"]
    for name, found in (("one flag", single), (f"all {FLAGS} flags", bulk)):
        lines.append(f"| {name} | {found.echo:,.0f}/s | {found.ofrep:,.0f}/s | {found.wall:.2f} | {found.cpu:.2f} |")
    return "\n".join(lines) + "\n"


def _streams(found: dict[str, list[Push]], streams: int) -> str:
    lines = [
        "",
        f"| flag off, {streams:,} streams | last write: median | worst | received: median | 99 % | last "
        "| the server's processor |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, pushes in found.items():
        received = sorted(at for push in pushes for at in push.received)
        figures = (
            median(push.last_write for push in pushes), max(push.last_write for push in pushes),
            median(received), received[int(len(received) * 0.99)], received[-1],
            median(push.cpu for push in pushes),
        )  # fmt: skip
        lines.append(f"| {name} | " + " | ".join(f"{figure:.0f} ms" for figure in figures) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
