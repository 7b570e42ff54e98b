"""Metrics, the evidence on them, and what it says: block summaries in, verdicts out (DESIGN section 7)."""

from ebbgate.core.metrics.analysis import (
    Analysis,
    GoalAnalysis,
    GoalStanding,
    LimitAnalysis,
    LimitStanding,
    SampleRatio,
    Verdict,
)
from ebbgate.core.metrics.blocks import (
    BET_SIZES,
    RECOVERY,
    SKETCH_BASE,
    SKETCH_ZERO,
    AnyBlock,
    Assignment,
    Block,
    LimitBlock,
    MeanBlock,
    Moments,
    PairMoments,
    ProportionBlock,
    QuantileBlock,
    RatioBlock,
)
from ebbgate.core.metrics.contrast import TOTAL_PPM, Contrast, Interval, LimitQuery
from ebbgate.core.metrics.definition import (
    CriticalLimit,
    Direction,
    Goal,
    Guardrail,
    HarmBy,
    Margin,
    Metric,
    MetricKind,
    Quantile,
)
from ebbgate.core.metrics.display import format_change, format_value, format_worse
from ebbgate.core.metrics.evidence import fold, goal_guardrail, start
from ebbgate.core.metrics.evidence_change import Change, measure
from ebbgate.core.metrics.evidence_types import MetricEvidence, PhaseEvidence
from ebbgate.core.metrics.goals import judge_goal
from ebbgate.core.metrics.judge import MIN_UNITS, SAFE_ALPHA, judge, units_wanted
from ebbgate.core.metrics.ledger import Ledger, late_alphas, ledger_of, limit_alphas, limit_keys, relative_alphas
from ebbgate.core.metrics.limits import judge_limit
from ebbgate.core.metrics.limits_evidence import LimitEvidence, fold_limit, start_limit
from ebbgate.core.metrics.power import UnitsNeeded, margin_reachable, units_needed
from ebbgate.core.metrics.sample_ratio import (
    SAMPLE_RATIO_ALPHA,
    SampleRatioEvidence,
    fold_assignment,
    judge_sample_ratio,
)

__all__ = [
    "BET_SIZES",
    "MIN_UNITS",
    "RECOVERY",
    "SAFE_ALPHA",
    "SAMPLE_RATIO_ALPHA",
    "SKETCH_BASE",
    "SKETCH_ZERO",
    "TOTAL_PPM",
    "Analysis",
    "AnyBlock",
    "Assignment",
    "Block",
    "Change",
    "Contrast",
    "CriticalLimit",
    "Direction",
    "Goal",
    "GoalAnalysis",
    "GoalStanding",
    "Guardrail",
    "HarmBy",
    "Interval",
    "Ledger",
    "LimitAnalysis",
    "LimitBlock",
    "LimitEvidence",
    "LimitQuery",
    "LimitStanding",
    "Margin",
    "MeanBlock",
    "Metric",
    "MetricEvidence",
    "MetricKind",
    "Moments",
    "PairMoments",
    "PhaseEvidence",
    "ProportionBlock",
    "Quantile",
    "QuantileBlock",
    "RatioBlock",
    "SampleRatio",
    "SampleRatioEvidence",
    "UnitsNeeded",
    "Verdict",
    "fold",
    "fold_assignment",
    "fold_limit",
    "format_change",
    "format_value",
    "format_worse",
    "goal_guardrail",
    "judge",
    "judge_goal",
    "judge_limit",
    "judge_sample_ratio",
    "late_alphas",
    "ledger_of",
    "limit_alphas",
    "limit_keys",
    "margin_reachable",
    "measure",
    "relative_alphas",
    "start",
    "start_limit",
    "units_needed",
    "units_wanted",
]
