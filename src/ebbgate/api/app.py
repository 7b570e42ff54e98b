"""`create_app`: the control API as an ASGI application."""

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException

from ebbgate.api.artifacts import put_artifact
from ebbgate.api.deployments import deployment_router
from ebbgate.api.drills import ask_preflight, drill_router
from ebbgate.api.environments import environment_router
from ebbgate.api.flags import flag_router
from ebbgate.api.flags_opt import OptLimits, opt_self
from ebbgate.api.guard import Guard
from ebbgate.api.health import healthz, readyz
from ebbgate.api.hooks import list_probes, take_alerts
from ebbgate.api.incidents import incident_router
from ebbgate.api.metrics import ControlMetrics, get_metrics
from ebbgate.api.notifications import notification_router
from ebbgate.api.observations import get_arrivals, get_clock, get_totals, list_evaluators, read_history
from ebbgate.api.postmortems import action_router, post_mortem_router
from ebbgate.api.problems import on_deep_body, on_http_error, on_known_error, on_unknown_error
from ebbgate.api.published import openapi_config
from ebbgate.api.records import list_audit, list_outbox
from ebbgate.api.releases import release_router
from ebbgate.api.reports import report_router
from ebbgate.api.rollouts import rollout_router
from ebbgate.api.services import ApiServices
from ebbgate.api.tokens import token_router
from ebbgate.core.errors import EbbgateError

PREFIX = "/api/v1"
BODY_MAX = 2_000_000
"""Bytes of a request's body: a plan or a flag of 2 MB is a mistake."""


def create_app(services: ApiServices) -> Litestar:
    """The API over the services. Handlers run in threads, as stores block; the event loop only carries bytes.

    Raises StoreUnavailableError when the control store does not answer.
    """
    return _app(services, ControlMetrics(services), guards=[Guard(services)])


def describable_app() -> Litestar:
    """The same routes with nothing behind them: good for `openapi_text` and nothing else."""
    return _app(None, None, guards=[])


def _app(services: ApiServices | None, metrics: ControlMetrics | None, *, guards: list[Guard]) -> Litestar:
    api = Router(
        path=PREFIX,
        route_handlers=[
            rollout_router,
            flag_router,
            opt_self,
            environment_router,
            token_router,
            release_router,
            deployment_router,
            put_artifact,
            notification_router,
            drill_router,
            ask_preflight,
            incident_router,
            report_router,
            post_mortem_router,
            action_router,
            take_alerts,
            list_probes,
            list_audit,
            list_outbox,
            list_evaluators,
            get_arrivals,
            get_totals,
            get_clock,
            read_history,
        ],
    )
    opt_limits = OptLimits(services)
    return Litestar(
        route_handlers=[api, healthz, readyz, get_metrics],
        guards=list(guards),
        dependencies={
            "services": Provide(lambda: services, sync_to_thread=False),
            "metrics": Provide(lambda: metrics, sync_to_thread=False),
            "opt_limits": Provide(lambda: opt_limits, sync_to_thread=False),
        },
        exception_handlers={
            EbbgateError: on_known_error,
            HTTPException: on_http_error,
            RecursionError: on_deep_body,
            Exception: on_unknown_error,
        },
        openapi_config=openapi_config(PREFIX),
        request_max_body_size=BODY_MAX,
        logging_config=None,
    )
