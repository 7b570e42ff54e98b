"""`ebbgate`: its commands, and what becomes of their errors."""

import os
import sys
from collections.abc import Sequence

import click

from ebbgate.cli.exits import Exit
from ebbgate.cli.failures import fail, missing_extra, report
from ebbgate.cli.lazy import Entry, LazyGroup
from ebbgate.core.errors import EbbgateError

ROLLOUTS, FLAGS, SERVER, HERE = "Rollouts", "Flags", "Looking around", "On this machine"

ENTRIES = {
    "rollout": Entry("ebbgate.cli.rollouts:rollout", "Start rollouts, follow them, steer them.", ROLLOUTS),
    "rollback": Entry("ebbgate.cli.rollbacks:rollback", "Take a version back now; or drill it.", ROLLOUTS),
    "incident": Entry("ebbgate.cli.incidents:incident", "What is wrong, and what happened.", ROLLOUTS),
    "postmortem": Entry("ebbgate.cli.postmortems:postmortem", "What was learned, and what is to be done.", ROLLOUTS),
    "release": Entry("ebbgate.cli.releases:release", "Build, tag, deploy and keep releases.", ROLLOUTS),
    "preflight": Entry("ebbgate.cli.preflight:preflight", "Is everything in place to start?", ROLLOUTS),
    "plan": Entry("ebbgate.cli.plans:plan", "Check a plan file before it runs.", ROLLOUTS),
    "flag": Entry("ebbgate.cli.flags:flag", "Read, write, kill and restore flags.", FLAGS),
    "environment": Entry("ebbgate.cli.environments:environment", "Where flags live, and their bucketing.", FLAGS),
    "set-feature-flag": Entry("ebbgate.cli.flags_status:set_feature_flag", "Switch a feature on or off.", FLAGS),
    "evaluators": Entry("ebbgate.cli.observe:evaluators", "Who evaluates flags, and which version.", SERVER),
    "arrivals": Entry("ebbgate.cli.observe:arrivals", "Which events arrive, and which do not.", SERVER),
    "audit": Entry("ebbgate.cli.observe:audit", "Who changed what, when and why.", SERVER),
    "notify": Entry("ebbgate.cli.notify:notify", "Channels to people: list, test, what was sent.", SERVER),
    "token": Entry("ebbgate.cli.tokens:token", "Make, list and revoke tokens.", SERVER),
    "login": Entry("ebbgate.cli.login:login", "Keep the server's URL and your token.", SERVER),
    "init": Entry("ebbgate.cli.init:init", "Write a plan file to begin with.", HERE),
    "serve": Entry("ebbgate.cli.serve:serve", "Run the server.", HERE),
    "demo": Entry("ebbgate.cli.demo:demo", "See one rollout succeed and one take itself back.", HERE),
    "doctor": Entry("ebbgate.cli.doctor:doctor", "Find what is wrong with the set-up.", HERE),
    "version": Entry("ebbgate.cli.version:version", "The version of ebbgate.", HERE),
}


@click.command(cls=LazyGroup, entries=ENTRIES, context_settings={"help_option_names": ["-h", "--help"]})
def root() -> None:
    """Progressive rollouts that take themselves back.

    Every command has --json. Where the server is comes from --url and --token, else from EBBGATE_CONTROL_URL and
    EBBGATE_TOKEN, else from `ebbgate login`.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status, having told about every error raised on purpose."""
    arguments = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in arguments
    try:
        status = root.main(list(arguments), prog_name="ebbgate", standalone_mode=False)
        sys.stdout.flush()
        return int(status or 0)
    except EbbgateError as error:
        return report(error, as_json=as_json)
    except click.UsageError as error:
        return _usage(error, as_json=as_json)
    except click.ClickException as error:
        return fail(error.format_message(), "see `ebbgate --help`", code="usage", status=Exit.ERROR, as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except ModuleNotFoundError as error:
        return report(missing_extra(error), as_json=as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains at its end
        return Exit.ERROR


def _usage(error: click.UsageError, *, as_json: bool) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        print(error.ctx.get_help() if error.ctx else error.format_message(), file=sys.stderr)
        return Exit.USAGE
    command = error.ctx.command_path if error.ctx else "ebbgate"
    hint = f"see `{command} --help`"
    if isinstance(error, click.MissingParameter) and error.ctx is not None:
        hint = f"type: {_wanted(error.ctx, command)}; {hint}"
    if isinstance(error, click.NoSuchOption) and error.ctx and isinstance(error.ctx.command, click.Group):
        hint = f"options stand behind the whole command: `ebbgate rollout list {error.option_name} ...`"
    return fail(error.format_message(), hint, code="usage", status=Exit.USAGE, as_json=as_json)


def _wanted(context: click.Context, command: str) -> str:
    """The command line with all that it has to have, as far as it was typed: `ebbgate flag kill KEY --reason TEXT`."""
    wanted = [one for one in context.command.params if one.required]
    arguments = [one.make_metavar(context) for one in wanted if isinstance(one, click.Argument)]
    options = [f"{one.opts[0]} {one.make_metavar(context)}" for one in wanted if isinstance(one, click.Option)]
    return " ".join((command, *arguments, *options))
