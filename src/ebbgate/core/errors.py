"""Every error raised on purpose. A `code` never changes its meaning: programs match on it, doors show it in their own
way.
"""

from typing import ClassVar


class EbbgateError(Exception):
    """Base of every error raised on purpose.

    hint: what the reader can do about it, one sentence. path: the place in a document (`$.phases[1].to`), if there is
    one.
    """

    code: ClassVar[str] = "ebbgate_error"
    status: ClassVar[int] = 400  # the HTTP status that the API answers with

    def __init__(self, message: str, *, hint: str, path: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path = path


class PlanError(EbbgateError):
    """A plan file cannot be read, or cannot work."""

    code = "plan_invalid"
    status = 422


class FlagDocumentError(EbbgateError):
    """A flag document is refused whole; the last good one goes on serving."""

    code = "flag_document_invalid"
    status = 422


class NotFoundError(EbbgateError):
    """The thing named does not exist."""

    code = "not_found"
    status = 404


class ConflictError(EbbgateError):
    """The thing changed meanwhile, or exists already."""

    code = "conflict"
    status = 409


class TransitionError(EbbgateError):
    """The rollout's state does not allow this step."""

    code = "transition_refused"
    status = 409


class AuthenticationError(EbbgateError):
    """No token, or one that is not known."""

    code = "unauthenticated"
    status = 401


class PermissionDeniedError(EbbgateError):
    """The token's kind may not do this."""

    code = "forbidden"
    status = 403


class BadRequestError(EbbgateError):
    """A request cannot be read."""

    code = "bad_request"
    status = 400


class LimitError(EbbgateError):
    """A stated limit on size, rate or cardinality is exceeded."""

    code = "limit_exceeded"
    status = 429


class RateLimitedError(LimitError):
    """A token sends more than it may. retry_after_s: machine seconds until the next request would be answered."""

    code = "rate_limited"

    def __init__(self, message: str, *, hint: str, path: str | None = None, retry_after_s: int = 1) -> None:
        super().__init__(message, hint=hint, path=path)
        self.retry_after_s = retry_after_s


class LogCorruptedError(EbbgateError):
    """A record inside the event log fails its checksum: not a torn tail, but damage."""

    code = "log_corrupted"
    status = 500


class StoreUnavailableError(EbbgateError):
    """A store cannot be reached. The only kind that a caller may retry."""

    code = "store_unavailable"
    status = 503


class SourceUnavailableError(EbbgateError):
    """A source of `query` metrics gave no answer, or one that cannot be understood. It is asked again."""

    code = "source_unavailable"
    status = 502


class BuildError(EbbgateError):
    """A release could not be built; there is none."""

    code = "build_failed"
    status = 422


class RepositoryError(EbbgateError):
    """Git refused, or its tree is not fit for what was asked."""

    code = "repository_refused"
    status = 409


class QuarantineError(EbbgateError):
    """A bad release is not deployed or started again without an override."""

    code = "release_quarantined"
    status = 409


class ArtifactMissingError(EbbgateError):
    """The bytes of a release are gone."""

    code = "artifact_missing"
    status = 409


class ArtifactDamagedError(EbbgateError):
    """Bytes are not what their digest says."""

    code = "artifact_damaged"
    status = 409


class DeployError(EbbgateError):
    """A target refused a release, or it does not answer there."""

    code = "deploy_failed"
    status = 502


class MissingExtraError(EbbgateError):
    """A part of the package needs an extra that is not installed."""

    code = "missing_extra"
    status = 500
