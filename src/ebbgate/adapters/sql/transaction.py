"""One transaction of the control store: all nouns of the port."""

from ebbgate.adapters.sql.delivery_tables import DeliveryTables
from ebbgate.adapters.sql.drill_tables import DrillTables
from ebbgate.adapters.sql.flag_history_tables import FlagHistoryTables
from ebbgate.adapters.sql.flag_tables import FlagTables
from ebbgate.adapters.sql.incident_tables import IncidentTables
from ebbgate.adapters.sql.ledger_tables import LedgerTables
from ebbgate.adapters.sql.release_tables import ReleaseTables
from ebbgate.adapters.sql.rollout_tables import RolloutTables


class SqlTransaction(
    FlagTables,
    FlagHistoryTables,
    RolloutTables,
    LedgerTables,
    DeliveryTables,
    IncidentTables,
    ReleaseTables,
    DrillTables,
):
    """The port's ControlTransaction over one Session."""
