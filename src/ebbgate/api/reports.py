"""/reports: what users say, from a support system or by hand."""

from typing import Annotated, cast

from litestar import Router, get, post
from litestar.params import JSONBody, QueryParameter

from ebbgate.api.actors import ApiRequest
from ebbgate.api.dependencies import Limit, Services
from ebbgate.api.guard import REPORT
from ebbgate.core.access import TokenKind, may
from ebbgate.core.errors import PermissionDeniedError
from ebbgate.core.rollbacks.reports import AddReport, Report, ReportStanding, ReportTaken

OfRollout = Annotated[str | None, QueryParameter(description="Of this rollout only, by its id.")]


@post("/", sync_to_thread=True, opt=REPORT, operation_id="addReport")
def add_report(services: Services, request: ApiRequest, data: JSONBody[AddReport]) -> list[ReportTaken]:
    """Report something; the version that whoever reports had is looked up. A server token may do this as well. A flag
    or an environment that is not known is refused.
    """
    own = request.user.environment
    if own not in (None, data.environment):
        raise PermissionDeniedError(f"the token is for environment {own!r} alone", hint="send that environment")
    may_read = may(cast(TokenKind, request.user.kind), "read_snapshot")
    taken = services.reports.add(data, reporter=request.user.name, may_read=may_read)
    services.loop.wake()
    return taken


@get("/", sync_to_thread=True, operation_id="listReports")
def list_reports(services: Services, rollout: OfRollout = None, limit: Limit = 200) -> list[Report]:
    """Newest first."""
    return services.reports.list(rollout=rollout, limit=limit)


@get("/standings", sync_to_thread=True, operation_id="listReportStandings")
def list_standings(services: Services) -> list[ReportStanding]:
    """How many from which version, for every rollout under way."""
    return services.reports.standings()


report_router = Router(path="/reports", tags=["incidents"], route_handlers=[add_report, list_reports, list_standings])
"""Mounted below /api/v1."""
