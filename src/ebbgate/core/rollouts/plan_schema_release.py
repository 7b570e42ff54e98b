"""The plan schema of `build` and `deploy`."""

from ebbgate.core.releases.terms import VersionScheme
from ebbgate.core.rollouts.plan_schema_values import (
    QUANTITY,
    Schema,
    choice,
    closed,
    integer,
    machine_time,
    one_or_more,
    pattern,
    text,
)

_ADDRESS = r"^https?://"


def build_schema() -> Schema:
    budget = closed(
        {
            "files": text("A glob from the root of the repository, `**` allowed. Default: all kept files."),
            "growth": _size("How much more than in the last stable release, together: `< 500KB`."),
            "size": _size("How large each file may be."),
            "total": _size("How large they may be together."),
            "gzip": {"type": "boolean", "description": "Measure after gzip. Default: as the files lie there."},
        },
    )
    return closed(
        {
            "run": one_or_more("Shell commands in order, at the root of a clean checkout."),
            "keep": one_or_more("Files and folders to keep of it."),
            "budgets": {"type": "array", "items": budget},
            "timeout": machine_time("For each command. Default: 15m."),
            "env": _variables("Set for the commands."),
            "pass_env": one_or_more("Names of variables to let through; few are by themselves."),
            "versions": choice([s.value for s in VersionScheme], "How the next version is made. Default: semver."),
        },
        required=("run", "keep"),
    )


def deploy_schema() -> Schema:
    directory = closed({"directory": text("Where releases are laid out.")}, required=("directory",))
    command = closed({"command": text("Puts a release where it runs; told by EBBGATE_*.")}, required=("command",))
    health = closed(
        {
            "url": pattern(_ADDRESS, "Answers 2xx when the release runs."),
            "passes": integer(1, "Good answers in a row. Default: 3."),
            "within": machine_time("From the restart until so many. Default: 60s."),
            "every": machine_time("Between two looks. Default: 500ms."),
            "answer_within": machine_time("For one answer. Default: 2s."),
        },
        required=("url",),
    )
    version = {
        "oneOf": [
            closed({"url": pattern(_ADDRESS, "Answers JSON with `digest`.")}, required=("url",)),
            closed({"run": text("Prints the digest of what runs.")}, required=("run",)),
        ]
    }
    fields = {
        "to": {"oneOf": [directory, command]},
        "restart": one_or_more("Shell commands after the switch, in the release's folder."),
        "health": {"oneOf": [pattern(_ADDRESS, "Answers 2xx when the release runs."), health]},
        "version": {"oneOf": [pattern(_ADDRESS, "Answers JSON with `digest`."), version]},
        "timeout": machine_time("For each command. Default: 5m."),
        "env": _variables("Set for the commands."),
    }
    stop = one_or_more("Shell commands that end what the sandbox started.")
    return closed({**fields, "drill": closed({**fields, "stop": stop}, required=("to",))}, required=("to",))


def _size(description: str) -> Schema:
    return pattern(rf"^<?\s*{QUANTITY}$", description)


def _variables(description: str) -> Schema:
    names = {"pattern": "^(?!EBBGATE_)[A-Za-z_][A-Za-z0-9_]*$"}
    values = {"type": "string"}
    return {"type": "object", "propertyNames": names, "additionalProperties": values, "description": description}
