"""An edge put together from its ports. Tests build it with other ports; `bootstrap` with files and sockets."""

from collections.abc import Callable

from ebbgate.edge.app import EdgeApp
from ebbgate.edge.background import Background, ControlWatch
from ebbgate.edge.changes import Changes
from ebbgate.edge.cors import Cors
from ebbgate.edge.event_streams import EventStreams
from ebbgate.edge.exposures import ExposureRecorder
from ebbgate.edge.flagd_sync import FlagdDocuments
from ebbgate.edge.generations import ClientGenerations
from ebbgate.edge.guard import Guard
from ebbgate.edge.intake import EventIntake
from ebbgate.edge.journal import Journal
from ebbgate.edge.log_gate import LogGate
from ebbgate.edge.metrics import EdgeMetrics
from ebbgate.edge.ofrep import OfrepService
from ebbgate.edge.otlp import OtlpIntake
from ebbgate.edge.proof import ProofBook
from ebbgate.edge.selection import Selections
from ebbgate.edge.served import ServedSnapshots
from ebbgate.edge.settings import EdgeSettings
from ebbgate.edge.streams import StreamHub
from ebbgate.edge.usage import UsageBook
from ebbgate.ports.access import AccessSource
from ebbgate.ports.clock import Clock
from ebbgate.ports.event_log import EventLogWriter
from ebbgate.ports.snapshots import ChangeNotices, SnapshotSource


class Edge:
    """One edge.

    app: for the server. background: to start before it, and to stop after it. hub: to close first of all.
    snapshots: what is served. guard, ofrep, documents, changes, proofs: for a server of another protocol.
    """

    def __init__(
        self,
        settings: EdgeSettings,
        *,
        access: AccessSource,
        source: SnapshotSource,
        notices: ChangeNotices,
        open_writer: Callable[[], EventLogWriter],
        clock: Clock,
        run_id: str,
    ) -> None:
        """run_id: another one at every start."""
        metrics = EdgeMetrics()
        usage = UsageBook(run_id)
        self.guard = guard = Guard(settings, clock, usage)
        self.snapshots = snapshots = ServedSnapshots(clock)
        gate = LogGate(open_writer, clock, metrics)
        journal = Journal(gate, snapshots, metrics, entries_max=settings.entries_pending_max, source=f"edge-{run_id}")
        exposures = ExposureRecorder(journal, snapshots, metrics, known_max=settings.exposures_known_max)
        self.proofs = proofs = ProofBook(clock)
        self.hub = StreamHub(settings, guard, snapshots, journal, proofs, metrics, clock)
        self.changes = Changes()
        self.selections = selections = Selections(guard, snapshots)
        self.documents = FlagdDocuments(guard, selections, ClientGenerations(metrics))
        event_streams = EventStreams(settings, guard, snapshots, self.hub, proofs, clock)
        self.ofrep = OfrepService(settings, guard, snapshots, selections, exposures, event_streams, metrics)
        self.app = EdgeApp(
            guard=guard,
            snapshots=snapshots,
            gate=gate,
            metrics=metrics,
            ofrep=self.ofrep,
            intake=EventIntake(settings, guard, snapshots, gate, proofs, metrics),
            otlp=OtlpIntake(settings, guard, snapshots, gate, metrics),
            hub=self.hub,
            event_streams=event_streams,
            documents=self.documents,
            cors=Cors(settings.cors_origins) if settings.cors_origins else None,
        )
        self.background = Background(
            settings,
            watch=ControlWatch(
                access=access,
                source=source,
                guard=guard,
                snapshots=snapshots,
                hub=self.hub,
                changes=self.changes,
                metrics=metrics,
                clock=clock,
            ),
            notices=notices,
            journal=journal,
            gate=gate,
            usage=usage,
            snapshots=snapshots,
            proofs=proofs,
            hub=self.hub,
            clock=clock,
        )
        metrics.read_from(
            evaluations=usage.totals,
            versions=snapshots.versions,
            streams=self.hub.counts,
            changes=proofs.tallies,
            stale=snapshots.stale,
            is_log_writable=lambda: gate.is_writable,
        )
