"""Anytime-valid statistics: moments and counts in, log e-values and bounds out. Standard library only (DESIGN section
7)."""

from ebbgate.core.stats.bernoulli import LIMIT_RATIOS, above_log_e, below_log_e, restarting, start_weight
from ebbgate.core.stats.betting import betting_log_e, shifted_wealth
from ebbgate.core.stats.confidence import TUNED_UNITS, one_sided_multiplier, ratio_interval, two_sided_multiplier
from ebbgate.core.stats.cuped import Covaried, adjusted, theta_of
from ebbgate.core.stats.exceedance import (
    EXCEEDANCE_ODDS,
    EXCEEDANCE_WEIGHTS,
    RANK_WEIGHT,
    THRESHOLD_QUANTILES,
    count_above,
    exceedance_log_e,
)
from ebbgate.core.stats.hypergeometric import ODDS_RATIOS, ODDS_WEIGHTS, block_log_e, log_normaliser, odds_ratio
from ebbgate.core.stats.logs import log_average, log_normal_cdf, log_sum
from ebbgate.core.stats.mixture import grid_log_e, one_sided_log_e, tuned_r, two_sided_log_e
from ebbgate.core.stats.poisson import count_log_e
from ebbgate.core.stats.proportion import lower_share, upper_share
from ebbgate.core.stats.quantile import (
    QuantileRange,
    logged,
    lower_difference,
    quantile_range,
    sketch_quantile,
    upper_difference,
)
from ebbgate.core.stats.rank import LATENCY_SHIFTS, MEAN_SHIFTS, Shifts, rank_block, rank_log_e, untied_variance
from ebbgate.core.stats.rate_margin import margin_log_e
from ebbgate.core.stats.sample_ratio import CONCENTRATION, sample_ratio_log_e
from ebbgate.core.stats.strata import (
    ArmBlock,
    ArmSums,
    Estimate,
    Imaginary,
    Strata,
    add_block,
    arm_estimate,
    difference,
    effective_n,
    unit_variance,
)

__all__ = [
    "CONCENTRATION",
    "EXCEEDANCE_ODDS",
    "EXCEEDANCE_WEIGHTS",
    "LATENCY_SHIFTS",
    "LIMIT_RATIOS",
    "MEAN_SHIFTS",
    "ODDS_RATIOS",
    "ODDS_WEIGHTS",
    "RANK_WEIGHT",
    "THRESHOLD_QUANTILES",
    "TUNED_UNITS",
    "ArmBlock",
    "ArmSums",
    "Covaried",
    "Estimate",
    "Imaginary",
    "QuantileRange",
    "Shifts",
    "Strata",
    "above_log_e",
    "add_block",
    "adjusted",
    "arm_estimate",
    "below_log_e",
    "betting_log_e",
    "block_log_e",
    "count_above",
    "count_log_e",
    "difference",
    "effective_n",
    "exceedance_log_e",
    "grid_log_e",
    "log_average",
    "log_normal_cdf",
    "log_normaliser",
    "log_sum",
    "logged",
    "lower_difference",
    "lower_share",
    "margin_log_e",
    "odds_ratio",
    "one_sided_log_e",
    "one_sided_multiplier",
    "quantile_range",
    "rank_block",
    "rank_log_e",
    "ratio_interval",
    "restarting",
    "sample_ratio_log_e",
    "shifted_wealth",
    "sketch_quantile",
    "start_weight",
    "theta_of",
    "tuned_r",
    "two_sided_log_e",
    "two_sided_multiplier",
    "unit_variance",
    "untied_variance",
    "upper_difference",
    "upper_share",
]
