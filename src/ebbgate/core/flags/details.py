"""What an evaluation answers."""

from typing import Any, Literal

import msgspec

ValueType = Literal["boolean", "string", "integer", "float", "object"]
"""The type that the caller asks for; None means whatever the flag has (OFREP single and bulk do not know it)."""

Reason = Literal["STATIC", "DEFAULT", "TARGETING_MATCH", "DISABLED", "STALE", "ERROR"]
ErrorCode = Literal["FLAG_NOT_FOUND", "PARSE_ERROR", "TYPE_MISMATCH", "GENERAL"]


class EvaluationDetails(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """The answer to one evaluation. An evaluator makes it once per outcome and shares it: who hands it to others gives
    them `own` copies, so that a hook that writes into `metadata` changes no later answer.

    value: the variant's value, or the caller's default when there is no variant. reason: STATIC, DEFAULT,
    TARGETING_MATCH, DISABLED, ERROR as flagd says them; STATIC also for a killed flag, STALE for a lapsed lease (B7) or
    a source that is not heard.
    """

    value: Any
    variant: str | None = None
    reason: Reason
    error_code: ErrorCode | None = None
    error_message: str | None = None
    metadata: dict[str, str | int | float | bool] = {}


def own(details: EvaluationDetails) -> EvaluationDetails:
    """The same answer, of which nothing is shared with later ones: about 0.2 us, which a call for the value saves."""
    return msgspec.structs.replace(details, metadata=details.metadata.copy())


def stale(details: EvaluationDetails) -> EvaluationDetails:
    """The same answer with OpenFeature's reason STALE: it may be out of date. What the flag gave as its reason moves to
    `staleReason` in the metadata; an error stays one.
    """
    if details.reason in ("ERROR", "STALE"):
        return details
    metadata = {**details.metadata, "staleReason": details.reason}
    return msgspec.structs.replace(details, reason="STALE", metadata=metadata)
