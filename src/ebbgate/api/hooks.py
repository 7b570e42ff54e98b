"""/hooks and /probes: what others see of an application, and what our own probes do."""

from litestar import get, post
from litestar.params import JSONBody

from ebbgate.api.actors import ApiRequest
from ebbgate.api.dependencies import Services
from ebbgate.core.incidents.alertmanager import AlertmanagerMessage, AlertTaken
from ebbgate.core.rollbacks.probing import ProbeState


@post("/hooks/alertmanager", sync_to_thread=True, status_code=200, operation_id="takeAlerts", tags=["incidents"])
def take_alerts(services: Services, request: ApiRequest, data: JSONBody[AlertmanagerMessage]) -> list[AlertTaken]:
    """A webhook of Prometheus Alertmanager (version 4). Each alert is taken once; the labels `flag`, `app` and
    `environment` say which rollouts it is about.
    """
    taken = services.alert_hooks.receive(data, sender=request.user.name)
    services.loop.wake()
    return taken


@get("/probes", sync_to_thread=True, operation_id="listProbes", tags=["observations"])
def list_probes(services: Services) -> list[ProbeState]:
    """The probes of rollouts that are under way, or whose incident is not over, and how they stand."""
    return services.probes.list()
