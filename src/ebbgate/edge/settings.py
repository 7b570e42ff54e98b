"""What can be set about the edge. Durations are machine time (RULES A1)."""

from pathlib import Path

import msgspec


class EdgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The edge's settings.

    port: 0 takes a free one; the port in use is written to `<data_dir>/edge.port`.
    environment: where a request names none.
    rate_per_s, rate_burst: requests for each token. names_max: distinct event names for each environment.
    exposures_known_max: (unit, flag) pairs remembered for each environment, so that an exposure is recorded once.
    entries_pending_max: entries that wait for the log; beyond it they are dropped and counted.
    cors_origins: browsers' origins that may use OFREP and send events with a client token; `*` for all.
    public_url: of the edge as clients see it, where that is not what they call; what a bulk answer names is below it.
    grpc_port: of flagd's gRPC services; None = none, 0 takes a free one, written to `<data_dir>/edge.grpc.port`.
    grpc_without_token: calls without a token may do what a server token may; flagd's own providers cannot send one.
    ticket_s: how long a stream's address in a bulk answer is good, at least. inactivity_delay_s: how long a hidden page
    keeps its stream.
    keepalive_s: silence on a stream before a comment is sent. stalled_s: a reader without progress is dropped after it.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8120
    environment: str = "production"
    event_bytes_max: int = 5_000_000
    ofrep_bytes_max: int = 1_000_000
    rate_per_s: float = 20_000.0
    rate_burst: float = 40_000.0
    names_max: int = 2_000
    exposures_known_max: int = 200_000
    entries_pending_max: int = 200_000
    flush_every_s: float = 0.2
    heartbeat_every_s: float = 1.0
    report_every_s: float = 10.0
    cors_origins: tuple[str, ...] = ()
    public_url: str = ""
    grpc_port: int | None = None
    grpc_without_token: bool = False
    ticket_s: int = 1800
    inactivity_delay_s: int = 120
    keepalive_s: float = 10.0
    stalled_s: float = 30.0
    stop_within_s: int = 2
