"""`ebbgate flag eval`: the served rule, evaluated here as every evaluator does."""

import json
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import RenderableType
from rich.text import Text

from ebbgate.cli.flags_read import KEY, standing
from ebbgate.cli.options import ENVIRONMENT, Status, remote
from ebbgate.cli.output import Output
from ebbgate.core.errors import NotFoundError
from ebbgate.core.flags import Evaluator

if TYPE_CHECKING:
    from ebbgate.client import ControlClient


class Evaluated(msgspec.Struct, frozen=True, kw_only=True):
    """What one context gets. snapshot_version: of the document that was evaluated."""

    flag: str
    environment: str
    snapshot_version: int
    context: dict[str, Any]
    value: Any
    variant: str | None
    reason: str
    error: str | None = None


@click.command("eval")
@KEY
@click.option("--unit", metavar="ID", help="The targeting key: who is asked about.")
@click.option("--attribute", "-a", "attributes", multiple=True, metavar="NAME=VALUE", help="May be given often.")
@click.option("--context", metavar="JSON", help="The whole context as JSON, in place of the two above, or below them.")
@ENVIRONMENT
@remote
def evaluate(
    control: "ControlClient",
    out: Output,
    key: str,
    unit: str | None,
    attributes: tuple[str, ...],
    context: str | None,
    environment: str,
) -> Status:
    """What a user gets, and why. It is evaluated here: nothing is recorded as an exposure.

    A value of an attribute is JSON where it can be read as such (`age=30`, `beta=true`), else text.
    """
    asked = build_context(unit, attributes, context)
    flag = control.flags.get(key, environment=environment)
    if flag.served is None:
        raise NotFoundError(f"flag {key!r} is in no snapshot yet", hint="try again in a moment")
    now = control.server.clock().plan_at
    evaluator = Evaluator({"flags": {key: flag.served}})
    details = evaluator.evaluate(key, None, asked, None, timestamp=int(now.timestamp()))
    answer = Evaluated(
        flag=key,
        environment=environment,
        snapshot_version=flag.snapshot_version,
        context=asked,
        value=details.value,
        variant=details.variant,
        reason=details.reason,
        error=details.error_message or details.error_code,
    )
    out.give(answer, lambda found: _lines(found, standing(flag)))
    return None


def build_context(unit: str | None, attributes: tuple[str, ...], text: str | None) -> dict[str, Any]:
    """The evaluation context. Raises click.BadParameter."""
    try:
        context = json.loads(text) if text else {}
    except json.JSONDecodeError as error:
        raise click.BadParameter(f"it is not JSON: {error}", param_hint="--context") from None
    if not isinstance(context, dict):
        raise click.BadParameter("it is not a JSON object", param_hint="--context")
    for attribute in attributes:
        name, is_pair, value = attribute.partition("=")
        if not is_pair or not name:
            raise click.BadParameter(f"{attribute!r} is not NAME=VALUE", param_hint="--attribute")
        try:
            context[name] = json.loads(value)
        except json.JSONDecodeError:
            context[name] = value
    if unit is not None:
        context["targetingKey"] = unit
    return context


def _lines(answer: Evaluated, decided_by: tuple[str, str]) -> list[RenderableType]:
    value = json.dumps(answer.value) if answer.variant is not None else "the code's default"
    text = Text.assemble((value, "bold"))
    if answer.variant is not None:
        text.append(f"  variant {answer.variant}")
    text.append(f"  reason {answer.reason}  snapshot {answer.snapshot_version}")
    lines: list[RenderableType] = [text, Text(f"The flag is {decided_by[0]}.", style="dim")]
    if "targetingKey" not in answer.context:
        lines.append(Text("! without --unit nobody is drawn: rollouts give the old version", style="yellow"))
    if answer.error is not None:
        lines.append(Text(f"! {answer.error}", style="yellow"))
    return lines
