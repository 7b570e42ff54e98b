"""The numpy summaries of `benchmarks/analysis.py` are the product's own, to 1e-9: otherwise its figures would say
nothing about ebbgate. `--verify` does the same with DuckDB, and for every null."""

import importlib
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from ebbgate.testing.memory_events import MemoryEventStore

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark_modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    monkeypatch.syspath_prepend(BENCHMARKS)
    names = ("_analysis_nulls", "_analysis_run", "_analysis_verify")
    return {name: importlib.import_module(name) for name in names}


def test_the_arrays_and_the_memory_store_give_the_same_blocks_and_the_same_end(
    benchmark_modules: dict[str, ModuleType],
) -> None:
    nulls, run, verify = benchmark_modules.values()
    null = next(null for null in nulls.NULLS if null.name == "ten_metrics")
    world = msgspec.structs.replace(null.world, units=120)
    checked = []

    def follow(arrays: object, played: object) -> object:
        checked.append(verify.CheckedStore(arrays, played, MemoryEventStore()))
        return checked[-1]

    plan = nulls.a_plan(null, tick=null.guardrails[0].metric.window * 6)
    outcome = run.Run(plan, world, 3, follow=follow, judges_always=True).play()
    assert outcome == run.Run(plan, world, 3).play()
    assert checked[0].compared > 100
