"""Who may be exposed: targeting rules and bucketing."""

from ebbgate.core.audiences.bucketing import TOTAL, bucket, unit_bucket

__all__ = ["TOTAL", "bucket", "unit_bucket"]
