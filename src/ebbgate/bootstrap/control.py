"""The control plane with its real stores; `run_control` is one of the two processes of `ebbgate serve` (RULES I3)."""

import os
import secrets
import signal
import socket
import threading
from datetime import timedelta

import structlog
import uvicorn

from ebbgate.adapters.artifacts import FileArtifactStore
from ebbgate.adapters.deploy import LocalDeployer
from ebbgate.adapters.events import SegmentedLogReader
from ebbgate.adapters.events.duckdb_store import DuckDbEventStore
from ebbgate.adapters.notify.apprise_channel import AppriseChannel
from ebbgate.adapters.notify.log_lines import LogNotifier
from ebbgate.adapters.plans import read_plan
from ebbgate.adapters.probes import LocalProber
from ebbgate.adapters.reports import HtmlPage
from ebbgate.adapters.snapshots import FileSnapshotPublisher, NoticeSender, replace_file
from ebbgate.adapters.sources import Sources
from ebbgate.adapters.sql import SqlControlStore
from ebbgate.api import create_app
from ebbgate.api.opt_cors import OptCors
from ebbgate.api.services import ApiServices
from ebbgate.bootstrap.access import access_service
from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.directory import make_directory, only_one
from ebbgate.bootstrap.logs import configure_logs
from ebbgate.bootstrap.plan_clock import stored_clock
from ebbgate.bootstrap.settings import ServeSettings
from ebbgate.bootstrap.structs import build_structs
from ebbgate.control.access import AccessService
from ebbgate.control.alert_hooks import AlertHookService
from ebbgate.control.deployments import DeploymentService
from ebbgate.control.deployments_worker import DeploymentWorker
from ebbgate.control.drills import DrillService
from ebbgate.control.drills_redeploy import Redeployment
from ebbgate.control.environments import EnvironmentService
from ebbgate.control.failing import Alarm
from ebbgate.control.flags import FlagService
from ebbgate.control.flags_exchange import FlagExchangeService
from ebbgate.control.flags_history import FlagHistoryService
from ebbgate.control.holdouts import HoldoutFollower
from ebbgate.control.incidents import IncidentService
from ebbgate.control.looker import Looker, Step
from ebbgate.control.loop import ReconcileLoop
from ebbgate.control.notifications import NotificationService
from ebbgate.control.outbox import OutboxService
from ebbgate.control.postmortems import PostMortemService
from ebbgate.control.preflight import PreflightService
from ebbgate.control.probes import ProbeService
from ebbgate.control.readings import ReadingService
from ebbgate.control.releases import ReleaseService
from ebbgate.control.releases_follow import ReleaseFollower
from ebbgate.control.releases_prune import PruneService
from ebbgate.control.reports import ReportService
from ebbgate.control.rollbacks import RollbackService
from ebbgate.control.rollouts import RolloutService
from ebbgate.control.snapshots import SnapshotService
from ebbgate.control.triggers import TriggerService
from ebbgate.control.troubles import Troubles
from ebbgate.control.views import ViewService
from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.rollouts.plan import Plan
from ebbgate.ports.control_store import ControlStore

PORT_FILE = "control.port"
WORKER_END_S = 3.0
log = structlog.get_logger("ebbgate.control")


def run_control(settings: ServeSettings) -> None:
    """Serve the API and run the loop until SIGTERM or SIGINT. Raises StoreUnavailableError, BadRequestError."""
    build_structs()
    make_directory(settings.data_dir)
    with only_one(settings.data_dir / "control.lock", holder="another control process"):
        store = SqlControlStore(settings.control_url)
        store.migrate()
        clock = stored_clock(store, scale=settings.scale)
        configure_logs(clock, process="control", level=settings.log_level)
        services = assemble(settings, store, clock)
        if settings.admin_token_file is not None:  # there before the port is: who starts the server reads both
            announce_admin(settings, services.access)
        services.access.publish()
        server = _server(OptCors(create_app(services), settings.cors_origins))
        listener = _listen(settings)
        if settings.admin_token_file is None:
            _announce_last(settings, services.access)
        for number in (signal.SIGTERM, signal.SIGINT):
            # Told to stop before uvicorn listens to signals, it stops too. uvicorn raises the signal again when it has
            # stopped; that must not end the process before the loop has.
            signal.signal(number, lambda *_: setattr(server, "should_exit", True))
        threads = [
            threading.Thread(target=services.loop.run, name="loop"),
            threading.Thread(target=services.notifications.run, name="notifications", daemon=True),
            threading.Thread(target=services.deployment_worker.run, name="deployments", daemon=True),
            threading.Thread(target=services.probes.run, name="probes", daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            server.run(sockets=[listener])
        finally:
            services.loop.stop()
            services.notifications.stop()
            services.deployment_worker.stop()
            services.probes.stop()
            threads[0].join()  # a channel may hang for long; what it was sending is sent again after the next start
            threads[2].join(WORKER_END_S)  # a deployment that is cut off goes on after the next start
            threads[3].join(WORKER_END_S)
            services.events.close()
            store.close()


def assemble(settings: ServeSettings, store: ControlStore, clock: SystemClock) -> ApiServices:
    """The services over the data directory's files."""
    directory = settings.data_dir
    notices = NoticeSender(directory / "edge.sock")
    events = DuckDbEventStore(directory / "analysis.duckdb")
    on_step = end_at(settings.end_at)
    publisher = FileSnapshotPublisher(directory / "snapshots", notices)
    snapshots = SnapshotService(store, clock, publisher, on_step=on_step)
    access = access_service(directory, store, clock)
    rollouts = RolloutService(store, events, clock, snapshots)
    artifacts = FileArtifactStore(directory / "artifacts", blob_max=settings.artifact_max)
    deployer = LocalDeployer(directory / "deploy", clock)
    worker = DeploymentWorker(store, artifacts, deployer, clock, on_step=on_step)
    deployments = DeploymentService(store, clock, lambda: secrets.token_hex(16), wake=worker.wake)
    rollbacks = RollbackService(store, events, clock, snapshots, deployments=deployments, on_step=on_step)
    reader = SegmentedLogReader(directory / "log")
    readings = ReadingService(store, Sources())
    looker = Looker(store, events, reader, clock, snapshots, rollbacks, readings=readings, on_step=on_step)
    notifications = NotificationService(store, clock, [AppriseChannel(rule) for rule in settings.notify])
    outbox = OutboxService(store, clock, LogNotifier(), notifications)
    postmortems = PostMortemService(store, events, clock, HtmlPage())
    triggers, alarm = TriggerService(store, clock, snapshots), stuck_alarm(notifications)
    followers = (
        postmortems.follow,
        postmortems.tell_overdue,
        ReleaseFollower(store, clock).follow,
        HoldoutFollower(store, clock, snapshots).follow,
    )
    troubles = Troubles()
    loop = ReconcileLoop(store, looker, snapshots, outbox, clock, followers=followers, alarm=alarm, troubles=troubles)
    snapshots.ensure(settings.environments)
    snapshots.publish()
    flags = FlagService(store, clock, snapshots)
    views = ViewService(store, events, clock, rollbacks, troubles=troubles)
    sandbox = Redeployment(store, artifacts, deployer, clock, folder=str((directory / "sandbox").absolute()))
    drills = DrillService(store, events, clock, flags, sandbox, wake=loop.wake)
    drills.recover()
    return ApiServices(
        rollouts=rollouts,
        flags=flags,
        flag_history=FlagHistoryService(store, clock, snapshots),
        flag_exchange=FlagExchangeService(store, clock, snapshots),
        environments=EnvironmentService(store, clock, snapshots),
        views=views,
        rollbacks=rollbacks,
        access=access,
        notifications=notifications,
        incidents=IncidentService(store, clock),
        triggers=triggers,
        probes=ProbeService(store, clock, LocalProber(), triggers, wake=loop.wake, alarm=alarm),
        alert_hooks=AlertHookService(store, clock, snapshots, triggers),
        reports=ReportService(store, events, clock, snapshots, triggers),
        drills=drills,
        preflight=PreflightService(store, events, clock, artifacts, deployer, notifications, drills, views),
        postmortems=postmortems,
        releases=ReleaseService(store, artifacts, clock),
        deployments=deployments,
        pruning=PruneService(store, artifacts, deployer, clock),
        artifacts=artifacts,
        deployment_worker=worker,
        loop=loop,
        store=store,
        events=events,
        clock=clock,
        read_plan=_read_plan,
    )


def stuck_alarm(notifications: NotificationService) -> Alarm:
    """Tells people that the loop is stuck, without the store, which may be why."""

    def alarm(error: str, since: timedelta) -> None:
        words = f"For {since.total_seconds():.0f} s now: {error}. Until it is mended, harm may not be taken back."
        notifications.shout("ebbgate's control fails at its work", words, group="loop")

    return alarm


def announce_admin(settings: ServeSettings, access: AccessService) -> None:
    """Hand out the one-time admin token at the very first start, and never again: to the file, if one is named.

    One that cannot be handed out is not made, so that the next start makes another. Raises StoreUnavailableError.
    """

    def hand_out(secret: str) -> None:
        if settings.admin_token_file is not None:
            replace_file(settings.admin_token_file, secret.encode(), mode=0o600)
            log.info("admin_token_written", path=str(settings.admin_token_file))
            return
        try:
            print(framed(secret), flush=True)  # noqa: T201 - not a log line: it must not be kept
        except OSError as error:
            raise StoreUnavailableError(
                f"the admin token cannot be printed: {error.strerror or error}",
                hint="name a file for it with --admin-token-file",
            ) from error

    access.ensure_admin(hand_out)


def _announce_last(settings: ServeSettings, access: AccessService) -> None:
    """After all that a start logs, so that it does not scroll off. Where that fails, control has not listened: a start
    that cannot hand out the token is refused, not tried again.
    """
    try:
        announce_admin(settings, access)
    except StoreUnavailableError:
        (settings.data_dir / PORT_FILE).unlink(missing_ok=True)
        raise


def framed(secret: str) -> str:
    """The token between two rules, with what to do with it: it is shown only this once."""
    rule = "-" * 78
    return f"{rule}\nadmin token (shown once): {secret}\nkeep it: ebbgate login\n{rule}"


def end_at(step: str) -> Step:
    """A hook that ends the process, as `kill -9` would, when the loop reaches a named step for the n-th time."""
    if not step:
        return lambda _: None
    name, _, count = step.partition(":")
    left = [int(count or 1)]

    def reached(current: str) -> None:
        if current == name:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return reached


def _read_plan(text: str, overlay: str | None) -> Plan:
    return read_plan(text, overlay=overlay)


def _server(app: object) -> uvicorn.Server:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=3,
        http="httptools",
    )
    return uvicorn.Server(config)


def _listen(settings: ServeSettings) -> socket.socket:
    port_file = settings.data_dir / PORT_FILE
    port_file.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.control_port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise StoreUnavailableError(
            f"{settings.host}:{settings.control_port} cannot be listened on: {error.strerror or error}",
            hint="stop what uses the port, or choose another with --control-port",
        ) from error
    replace_file(port_file, str(listener.getsockname()[1]).encode(), mode=0o644)
    return listener
