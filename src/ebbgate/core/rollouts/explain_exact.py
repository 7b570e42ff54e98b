"""The statistics behind an explanation, for those who know them: every number with all its digits."""

from collections.abc import Iterator, Mapping

from ebbgate.core.metrics.analysis import Analysis, ClusteredRate, LateAnalysis, LimitAnalysis
from ebbgate.core.rollouts.health import Health
from ebbgate.core.rollouts.look import LookInputs

_NOT_SAID = ("words", "limits", "late", "clustered", "metric", "verdict", "why")


def exact_lines(inputs: LookInputs) -> tuple[str, ...]:
    """One line for each test that the decision rested on."""
    return (*exact_of(inputs.analyses), *_health(inputs.health))


def exact_of(analyses: Mapping[str, Analysis]) -> tuple[str, ...]:
    """The same of some metrics alone."""
    return tuple(line for analysis in analyses.values() for line in _analysis(analysis))


def _analysis(analysis: Analysis) -> Iterator[str]:
    parts = (_tested(analysis), _fields(analysis, "log_e", "threshold"))
    yield f"{analysis.metric}: {analysis.verdict.value} ({analysis.why}); {'; '.join(filter(None, parts))}"
    if (clustered := analysis.clustered) is not None:
        yield f"{analysis.metric}, all requests clustered by unit (decides nothing): {_fields(clustered)}"
    if (late := analysis.late) is not None:
        yield f"{analysis.metric}, late harm ({late.standing.value}): {_fields(late, 'standing')}"
    for limit in analysis.limits:
        yield (
            f"{analysis.metric} {limit.function or 'all'} against {limit.limit!r}: {limit.standing.value}; "
            f"{_limit_tested(limit)}; attributable: {limit.attributable}"
        )


def _tested(analysis: Analysis) -> str:
    """The test for harm; nothing of what is only read or shown."""
    if analysis.threshold <= 0:
        return "not tested for harm"
    is_latched = analysis.harm_shown_at is not None and analysis.why != "late"
    shown = f"harm is shown at {analysis.threshold:.10g}" + (" and latched" if is_latched else "")
    return f"log E = {analysis.log_e:.10g}, {shown}"


def _limit_tested(limit: LimitAnalysis) -> str:
    if limit.threshold <= 0:
        return f"not tested, read {limit.treatment_n} times, value {limit.value!r}"
    return (
        f"log E = {limit.log_e:.10g}, shown at {limit.threshold:.10g}; n = {limit.treatment_n}, shares "
        f"{limit.treatment_share!r} and {limit.control_share!r}"
    )


def _fields(found: Analysis | ClusteredRate | LateAnalysis, *without: str) -> str:
    """Name and value of each field that has one."""
    names = [name for name in found.__struct_fields__ if name not in (*_NOT_SAID, *without)]
    return ", ".join(f"{name} = {getattr(found, name)!s}" for name in names if getattr(found, name) is not None)


def _health(health: Health) -> Iterator[str]:
    if (ratio := health.sample_ratio) is not None:
        yield (
            f"sample ratio: log E = {ratio.log_e:.10g}, shown at alpha 0.001; {ratio.treatment} and {ratio.control}, "
            f"expected share {ratio.expected_share!r}"
        )
    for found in health.arrivals:
        yield (
            f"{found.metric} arrivals: late {found.treatment_late!r} and {found.control_late!r}, log E = "
            f"{found.late_log_e:.10g}; dropped {found.treatment_dropped!r} and {found.control_dropped!r}, log E = "
            f"{found.dropped_log_e:.10g}; shown at {found.threshold:.10g}; n = {found.treatment_n} and "
            f"{found.control_n}"
        )
    if (volume := health.volume) is not None:
        yield (
            f"volume: {volume.treatment_n} and {volume.control_n} visits, {volume.expected:.10g} expected, Poisson "
            f"tail {volume.tail!r}"
        )
