"""flagd's document, the snapshot, the evaluator, and what a rollout makes of a flag."""

from ebbgate.core.audiences import Bucketing
from ebbgate.core.flags.details import ErrorCode, EvaluationDetails, Reason, ValueType
from ebbgate.core.flags.document import Flag, FlagDocument, parse_document
from ebbgate.core.flags.evaluate import Evaluator, Timestamp
from ebbgate.core.flags.explain import Explanation, Step
from ebbgate.core.flags.rollout_rule import (
    TOTAL_PPM,
    Assignment,
    AudienceRule,
    RolloutRule,
    assignment_of,
    excluded_variants,
    render_kill,
    render_rollout,
)
from ebbgate.core.flags.snapshot import (
    LeaseTerms,
    Snapshot,
    decode_snapshot,
    encode_snapshot,
    raw_document,
)

__all__ = [
    "Assignment",
    "AudienceRule",
    "Bucketing",
    "ErrorCode",
    "EvaluationDetails",
    "Evaluator",
    "Explanation",
    "Flag",
    "FlagDocument",
    "LeaseTerms",
    "Reason",
    "RolloutRule",
    "Snapshot",
    "Step",
    "TOTAL_PPM",
    "Timestamp",
    "ValueType",
    "assignment_of",
    "decode_snapshot",
    "encode_snapshot",
    "excluded_variants",
    "parse_document",
    "raw_document",
    "render_kill",
    "render_rollout",
]
