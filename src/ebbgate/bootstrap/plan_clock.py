"""The plan clock of a data directory: its scale is stored at the first start, and fixed from then on (RULES A2)."""

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.settings import ServeSettings
from ebbgate.core.clock import ClockMapping
from ebbgate.core.errors import BadRequestError, StoreUnavailableError
from ebbgate.ports.control_store import ControlStore


def stored_clock(store: ControlStore, *, scale: float) -> SystemClock:
    """The clock by the mapping that the first start stored. Raises BadRequestError for another scale."""
    with store.transaction() as tx:
        mapping = tx.clock_mapping()
        if mapping is None:
            now = SystemClock().machine_now()
            mapping = ClockMapping(origin_at=now, plan_origin_at=now, scale=scale)
            tx.put_clock_mapping(mapping)
    refuse_other(mapping, scale=scale)
    return SystemClock(mapping)


def refuse_other(mapping: ClockMapping, *, scale: float) -> None:
    """Raises BadRequestError for a scale that is not the stored one; 1 is what is asked for where none is."""
    if scale not in (mapping.scale, 1.0):
        raise BadRequestError(
            f"this data directory's clock has the scale {mapping.scale:g}, not {scale:g}",
            hint="leave --scale out, or begin with a new data directory",
        )


def refuse_other_scale(settings: ServeSettings) -> None:
    """The same before any process is started, so that the error stands alone. A store that is not there yet, or does
    not answer, is left to control, which says more.
    """
    if settings.scale == 1.0 or not (settings.store_url or (settings.data_dir / "control.db").exists()):
        return
    from ebbgate.adapters.sql import SqlControlStore

    try:
        store = SqlControlStore(settings.control_url)
        try:
            with store.transaction() as tx:
                mapping = tx.clock_mapping()
        finally:
            store.close()
    except StoreUnavailableError:
        return
    if mapping is not None:
        refuse_other(mapping, scale=settings.scale)
