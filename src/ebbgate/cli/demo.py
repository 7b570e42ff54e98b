"""`ebbgate demo`."""

from pathlib import Path
from typing import Any

import click

from ebbgate.cli.options import AS_JSON, Status

_VERSION = click.Choice(["good", "bad"])


@click.command()
@click.option("--users", type=click.IntRange(min=1), help="Synthetic users. Default: what `plan power` asks for.")
@click.option("--seed", type=int, envvar="EBBGATE_DEMO_SEED", help="Of everything random. [EBBGATE_DEMO_SEED]")
@click.option("--act", "acts", type=click.IntRange(1, 2), multiple=True, help="Play only this act. Default: both.")
@click.option("--act1", type=_VERSION, help="The version of the first act. Default: good.")
@click.option("--act2", type=_VERSION, help="The version of the second act. Default: bad.")
@click.option("--break-flag", is_flag=True, help="SDKs ignore the flag-off: the last stable release goes back.")
@click.option("--kill-control", is_flag=True, help="Kill the control process once in each act.")
@click.option("--ignore-pushes", is_flag=True, help="The SDKs of act 2 ignore the flag-off, and no release goes back.")
@click.option("--harm-persists", is_flag=True, help="The harm of act 2 stays with whoever saw the new version.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="Of plan time in a second. Default: 4.")
@click.option("--plain", is_flag=True, help="Lines instead of a live picture.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Keep the data there.")
@AS_JSON
def demo(
    users: int | None,
    seed: int | None,
    acts: tuple[int, ...],
    act1: str | None,
    act2: str | None,
    break_flag: bool,
    kill_control: bool,
    ignore_pushes: bool,
    harm_persists: bool,
    hours: float | None,
    plain: bool,
    keep: Path | None,
    as_json: bool,
) -> Status:
    """See one rollout reach everybody and one take itself back: a real server, real SDKs, synthetic people.

    In a terminal you can break things while it runs: b the new version, f the flag path, l the control process. The
    exit status is 0 only if every act ended as it should.
    """
    from ebbgate.demo import run
    from ebbgate.demo.settings import DemoSettings, Version

    given = {
        "users": users,
        "seed": seed,
        "acts": acts or None,
        "act1": Version(act1) if act1 else None,
        "act2": Version(act2) if act2 else None,
        "keep": keep,
        "scale": hours * 3_600 if hours is not None else None,
    }
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return int(
        run(
            DemoSettings(
                break_flag=break_flag,
                kill_control=kill_control,
                ignore_pushes=ignore_pushes,
                harm_persists=harm_persists,
                plain=plain,
                as_json=as_json,
                **chosen,
            )
        )
    )
