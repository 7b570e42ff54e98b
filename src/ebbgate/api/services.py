"""What the control API calls."""

from collections.abc import Callable
from dataclasses import dataclass

from ebbgate.control.access import AccessService
from ebbgate.control.alert_hooks import AlertHookService
from ebbgate.control.deployments import DeploymentService
from ebbgate.control.deployments_worker import DeploymentWorker
from ebbgate.control.drills import DrillService
from ebbgate.control.environments import EnvironmentService
from ebbgate.control.flags import FlagService
from ebbgate.control.flags_exchange import FlagExchangeService
from ebbgate.control.flags_history import FlagHistoryService
from ebbgate.control.incidents import IncidentService
from ebbgate.control.loop import ReconcileLoop
from ebbgate.control.notifications import NotificationService
from ebbgate.control.postmortems import PostMortemService
from ebbgate.control.preflight import PreflightService
from ebbgate.control.probes import ProbeService
from ebbgate.control.releases import ReleaseService
from ebbgate.control.releases_prune import PruneService
from ebbgate.control.reports import ReportService
from ebbgate.control.rollbacks import RollbackService
from ebbgate.control.rollouts import RolloutService
from ebbgate.control.triggers import TriggerService
from ebbgate.control.views import ViewService
from ebbgate.core.rollouts.plan import Plan
from ebbgate.ports.artifacts import ArtifactStore
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore
from ebbgate.ports.event_store import EventStore

PlanReader = Callable[[str, str | None], Plan]
"""A plan from its text and the name of an overlay. Raises PlanError."""


@dataclass(frozen=True, kw_only=True)
class ApiServices:
    """The services and stores behind the API; handlers decode, call one of them, encode."""

    rollouts: RolloutService
    flags: FlagService
    flag_history: FlagHistoryService
    flag_exchange: FlagExchangeService
    environments: EnvironmentService
    views: ViewService
    rollbacks: RollbackService
    access: AccessService
    notifications: NotificationService
    incidents: IncidentService
    triggers: TriggerService
    probes: ProbeService
    alert_hooks: AlertHookService
    reports: ReportService
    drills: DrillService
    preflight: PreflightService
    postmortems: PostMortemService
    releases: ReleaseService
    deployments: DeploymentService
    pruning: PruneService
    artifacts: ArtifactStore
    deployment_worker: DeploymentWorker
    loop: ReconcileLoop
    store: ControlStore
    events: EventStore
    clock: Clock
    read_plan: PlanReader
