"""The OpenFeature provider, over a `Client`. Needs the extra `openfeature`."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from ebbgate.core.errors import MissingExtraError
from ebbgate.core.flags.details import EvaluationDetails
from ebbgate.sdk.client import Client
from ebbgate.sdk.notices import Notice

try:
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.event import ProviderEventDetails
    from openfeature.exception import ErrorCode, ProviderNotReadyError
    from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
    from openfeature.hook import Hook
    from openfeature.provider import AbstractProvider, Metadata
    from openfeature.track import TrackingEventDetails
except ImportError as error:
    raise MissingExtraError(
        "ebbgate.sdk.openfeature needs the OpenFeature SDK", hint='Install it with: pip install "ebbgate[openfeature]"'
    ) from error

_ERROR_CODES = {code.value: code for code in ErrorCode}
_METADATA = Metadata(name="ebbgate")
_STALE_TOLD_AFTER_S = 0.1  # machine time; OpenFeature takes READY from the return of `initialize`, within microseconds


class EbbgateProvider(AbstractProvider):
    """Answers OpenFeature's clients from a `Client`, which it closes at shutdown.

    hooks: run for every evaluation by this provider. ready_timeout_s: how long `initialize` waits for a snapshot, in
    machine seconds. With neither server nor disk copy by then it raises ProviderNotReadyError, as OpenFeature wants:
    `set_provider_and_wait` passes that on, `set_provider` does not; either way the provider becomes ready later.
    """

    def __init__(self, client: Client, *, hooks: Sequence[Hook] = (), ready_timeout_s: float = 5.0) -> None:
        super().__init__()
        self._client = client
        self._hooks = list(hooks)
        self._ready_timeout_s = ready_timeout_s
        self._lock = threading.Lock()
        self._is_starting = True  # until `initialize` returns, the registry tells what it came to
        self._is_ready = False  # whether OpenFeature has been told so
        client.on("ready", self._on_ready)
        client.on("stale", self._on_stale)
        client.on("changed", self._on_changed)

    def get_metadata(self) -> Metadata:
        return _METADATA

    def get_provider_hooks(self) -> list[Hook]:
        return self._hooks

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        self._client.wait_ready(self._ready_timeout_s)
        with self._lock:
            self._is_starting = False
            self._is_ready = self._client.snapshot_version is not None
        if not self._is_ready:
            raise ProviderNotReadyError(self._why_not())
        if not self._client.status.is_live:  # ready over the copy on disk: the notice of it may have come before
            timer = threading.Timer(_STALE_TOLD_AFTER_S, self._tell_stale)
            timer.daemon = True
            timer.start()

    def _why_not(self) -> str:
        why = self._client.status.last_error
        text = f"no snapshot within {self._ready_timeout_s:g} s, and none on disk"
        return f"{text}: {why}" if why else text

    def shutdown(self) -> None:
        self._client.close()

    # The asynchronous methods of AbstractProvider call these: evaluation is in memory and never waits.

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        return self._resolution(self._client.boolean_details(flag_key, default_value, _context(evaluation_context)))

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return self._resolution(self._client.string_details(flag_key, default_value, _context(evaluation_context)))

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        return self._resolution(self._client.integer_details(flag_key, default_value, _context(evaluation_context)))

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        return self._resolution(self._client.float_details(flag_key, default_value, _context(evaluation_context)))

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        return self._resolution(self._client.object_details(flag_key, default_value, _context(evaluation_context)))

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        details = tracking_event_details or TrackingEventDetails()
        self._client.track(
            tracking_event_name, _context(evaluation_context) or {}, details.value, attributes=details.attributes
        )

    def _resolution(self, details: EvaluationDetails) -> FlagResolutionDetails[Any]:
        error_code = None
        if details.error_code is not None:
            is_served = self._client.snapshot_version is not None
            error_code = _ERROR_CODES[details.error_code] if is_served else ErrorCode.PROVIDER_NOT_READY
        return FlagResolutionDetails(
            details.value, error_code, details.error_message, details.reason, details.variant, details.metadata
        )

    def _on_ready(self, notice: Notice) -> None:
        with self._lock:
            if self._is_starting or self._is_ready:
                return
            self._is_ready = True
        self.emit_provider_ready(_event(notice))  # after an outage, or after an initialization that failed

    def _on_stale(self, notice: Notice) -> None:
        with self._lock:
            if not self._is_ready:
                return
            self._is_ready = False
        self.emit_provider_stale(_event(notice))

    def _tell_stale(self) -> None:
        version, is_live = self._client.snapshot_version, self._client.status.is_live
        if not is_live:
            self._on_stale(Notice(kind="stale", message="the server is not heard", snapshot_version=version))

    def _on_changed(self, notice: Notice) -> None:
        self.emit_provider_configuration_changed(_event(notice))


def _context(context: EvaluationContext | None) -> Mapping[str, Any] | None:
    """OpenFeature's context as flagd sees it: the key is one of the attributes."""
    if context is None:
        return None
    if context.targeting_key is None:
        return context.attributes
    return {**context.attributes, "targetingKey": context.targeting_key}


def _event(notice: Notice) -> ProviderEventDetails:
    metadata: dict[str, bool | str | int | float] = {}
    if notice.snapshot_version is not None:
        metadata["snapshotVersion"] = notice.snapshot_version
    return ProviderEventDetails(
        flags_changed=list(notice.flags_changed) or None, message=notice.message, metadata=metadata
    )
