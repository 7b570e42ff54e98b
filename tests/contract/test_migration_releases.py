"""Plans that were stored before `build` was typed are read after the migration."""

import json
from pathlib import Path

import msgspec
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import ebbgate.adapters.sql as package
from ebbgate.adapters.sql import SqlControlStore
from ebbgate.core.releases import BuildTerms
from ebbgate.testing.rollouts import a_plan, a_rollout


def move(url: str, to: str) -> None:
    """Up or down to a revision, as a person with Alembic would."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(package.__file__).parent / "migrations"))
        command.downgrade(config, to)
    engine.dispose()


def test_what_an_older_version_stored_of_a_build_is_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'control.db'}"
    store = SqlControlStore(url)
    store.migrate()
    state = a_rollout(plan=a_plan(build=BuildTerms(run=("make",), keep=("dist",))), revision=1)
    with store.transaction() as tx:
        tx.put_rollout(state)
    store.close()

    move(url, "0004")
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        body = json.loads(connection.exec_driver_sql("SELECT body FROM rollouts").scalar_one())
    engine.dispose()
    assert body["plan"]["build"]["keep"] == "dist"

    again = SqlControlStore(url)
    again.migrate()
    with again.transaction() as tx:
        found = tx.rollout(state.id)
    again.close()
    assert found is not None
    assert msgspec.to_builtins(found.plan.build) == msgspec.to_builtins(state.plan.build)
