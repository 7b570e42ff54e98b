"""Who may be exposed: targeting rules and bucketing."""

from ebbgate.core.audiences.bucketing import TOTAL, Bucketing, bucket, bucket_v3, unit_bucket
from ebbgate.core.audiences.fractional import targeting_key
from ebbgate.core.audiences.targeting import CompiledRule, RuleError, compile_rule

__all__ = [
    "Bucketing",
    "CompiledRule",
    "RuleError",
    "TOTAL",
    "bucket",
    "bucket_v3",
    "compile_rule",
    "targeting_key",
    "unit_bucket",
]
