"""/deployments: what went where, step by step."""

from typing import Annotated

from litestar import Router, get
from litestar.params import PathParameter, QueryParameter

from ebbgate.api.dependencies import Limit, Services
from ebbgate.core.releases import Deployment

DeploymentId = Annotated[str, PathParameter(description="The deployment's id.")]
OfApp = Annotated[str | None, QueryParameter(description="Of this application only.")]


@get("/", sync_to_thread=True, operation_id="listDeployments")
def list_deployments(services: Services, app: OfApp = None, limit: Limit = 50) -> list[Deployment]:
    """Newest first."""
    return services.deployments.list(app=app, limit=limit)


@get("/{deployment_id:str}", sync_to_thread=True, operation_id="getDeployment")
def get_deployment(services: Services, deployment_id: DeploymentId) -> Deployment:
    """One deployment: where it stands, and what happened so far."""
    return services.deployments.get(deployment_id)


deployment_router = Router(path="/deployments", tags=["releases"], route_handlers=[list_deployments, get_deployment])
