"""`build` and `deploy` of a plan file, read into `core.releases`' terms."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ebbgate.core.releases.terms import Budget, BuildTerms, DeployTerms, TargetTerms, VersionScheme
from ebbgate.core.rollouts.plan_file_reader import (
    Fields,
    at_index,
    at_key,
    read_boolean,
    read_choice,
    read_integer,
    read_text,
    read_texts,
    refusal,
    shown,
)
from ebbgate.core.rollouts.values import duration
from ebbgate.core.rollouts.values_quantities import byte_limit

BUILD_KEYS = ("run", "keep", "budgets", "timeout", "env", "pass_env", "versions")
BUDGET_KEYS = ("files", "growth", "size", "total", "gzip")
DEPLOY_KEYS = ("to", "restart", "health", "version", "timeout", "env", "drill")
DRILL_KEYS = ("to", "restart", "stop", "health", "version", "timeout", "env")
DEPLOY_TARGETS = ("directory", "command")
HEALTH_KEYS = ("url", "passes", "within", "every", "answer_within")
VERSION_KEYS = ("url", "run")

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_build(value: Any, path: str) -> BuildTerms:
    fields = Fields(value, path, what="`build`", example="{run: [npm install, npm run build], keep: dist}")
    run = fields.need("run", lambda v, p: read_texts(v, p, example="npm run build"))
    default = BuildTerms(run=run, keep=())
    terms = BuildTerms(
        run=run,
        keep=fields.need("keep", _keep),
        budgets=fields.take("budgets", _budgets, ()),
        timeout=fields.take("timeout", duration, default.timeout),
        env=fields.take("env", _env, {}),
        pass_env=fields.take("pass_env", _names, ()),
        versions=fields.take("versions", _scheme, default.versions),
    )
    fields.finish()
    return terms


def _scheme(value: Any, path: str) -> VersionScheme:
    return VersionScheme(read_choice(value, path, [scheme.value for scheme in VersionScheme]))


def _keep(value: Any, path: str) -> tuple[str, ...]:
    found = read_texts(value, path, example="dist")
    return tuple(_inside(one, path) for one in found)


def _inside(text: str, path: str) -> str:
    """A path without empty and `.` parts. Raises PlanError where it could leave the repository."""
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if text.startswith(("/", "~")) or ".." in parts or parts[:1] == [".git"]:
        raise refusal(f"{shown(text)} is not inside the repository", path=path, hint="write a path such as `dist`")
    return "/".join(parts) or "."


def _env(value: Any, path: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise refusal(f"variables are {shown(value)}, not a mapping", path=path, hint="write `{NODE_ENV: production}`")
    for name, text in value.items():
        _check_variable(name, at_key(path, str(name)))
        if not isinstance(text, str):
            raise refusal(f"{shown(text)} is not text", path=at_key(path, name), hint='put it in quotes: `"1"`')
    return dict(value)


def _names(value: Any, path: str) -> tuple[str, ...]:
    found = read_texts(value, path, example="CI")
    for index, name in enumerate(found):
        _check_variable(name, at_index(path, index))
    return found


def _check_variable(name: Any, path: str) -> None:
    if not isinstance(name, str) or not _VARIABLE.fullmatch(name) or name.startswith("EBBGATE_"):
        hint = "letters, digits and underlines; names that begin with EBBGATE_ are given by ebbgate"
        raise refusal(f"{shown(name)} cannot be the name of a variable", path=path, hint=hint)


def _budgets(value: Any, path: str) -> tuple[Budget, ...]:
    example = '{files: "dist/**/*.js", growth: "< 500KB"}'
    if not isinstance(value, list):
        raise refusal(f"budgets are {shown(value)}, not a list", path=path, hint=f"write `[{example}]`")
    return tuple(_budget(item, at_index(path, i), example) for i, item in enumerate(value))


def _budget(value: Any, path: str, example: str) -> Budget:
    fields = Fields(value, path, what="a budget", example=example)
    budget = Budget(
        files=fields.take("files", lambda v, p: read_text(v, p, example="dist/**/*.js"), "**"),
        growth_bytes=fields.take("growth", byte_limit, None),
        size_bytes=fields.take("size", byte_limit, None),
        total_bytes=fields.take("total", byte_limit, None),
        is_gzip=fields.take("gzip", read_boolean, False),
    )
    fields.finish()
    if budget.growth_bytes is None and budget.size_bytes is None and budget.total_bytes is None:
        hint = f"write `growth`, `size` (of each file) or `total`: `{example}`"
        raise refusal("the budget limits nothing", path=path, hint=hint)
    return budget


def read_deploy(value: Any, path: str) -> DeployTerms:
    fields = Fields(value, path, what="`deploy`", example="{to: {directory: ./deployed}, restart: [npm restart]}")
    terms = _terms(fields, path)
    drill = fields.take("drill", _drill, None)
    fields.finish()
    if drill is not None and drill.to == terms.to:
        hint = "a drill must not touch what people use: write another directory"
        raise refusal("the sandbox of drills is the real target", path=at_key(path, "drill"), hint=hint)
    return msgspec.structs.replace(terms, drill=drill)


def _drill(value: Any, path: str) -> DeployTerms:
    """The sandbox of drills, and how what was started there is ended."""
    fields = Fields(value, path, what="`drill`", example="{to: {directory: ./sandbox}, stop: [npm run stop]}")
    terms = _terms(fields, path)
    stop = fields.take("stop", lambda v, p: read_texts(v, p, example="npm run stop"), ())
    fields.finish()
    return msgspec.structs.replace(terms, stop=stop)


def _terms(fields: Fields, path: str) -> DeployTerms:
    to = fields.need("to", _target)
    health: dict[str, Any] = fields.take("health", _health, {})
    version: dict[str, str] = fields.take("version", _version, {})
    terms = DeployTerms(
        to=to,
        restart=fields.take("restart", lambda v, p: read_texts(v, p, example="npm restart"), ()),
        timeout=fields.take("timeout", duration, DeployTerms(to=to).timeout),
        env=fields.take("env", _env, {}),
        version=version.get("url"),
        version_run=version.get("run"),
        **health,
    )
    if to.command is not None and terms.health is not None and not version:
        hint = "add `version: URL` (its JSON tells the digest), or `version: {run: COMMAND}` that prints it"
        raise refusal("nothing can tell which release answers behind a command", path=path, hint=hint)
    return terms


def _target(value: Any, path: str) -> TargetTerms:
    fields = Fields(value, path, what="`to`", example="{directory: ./deployed}")
    kind = fields.choose(DEPLOY_TARGETS)
    if kind is None:
        raise refusal("`to` names no target", path=path, hint="write `{directory: ./deployed}` or `{command: ...}`")
    if kind == "directory":
        found = TargetTerms(directory=fields.need("directory", lambda v, p: read_text(v, p, example="./deployed")))
    else:
        found = TargetTerms(command=fields.need("command", lambda v, p: read_text(v, p, example="./deploy.sh")))
    fields.finish()
    return found


def _health(value: Any, path: str) -> dict[str, Any]:
    if isinstance(value, str):
        return {"health": read_url(value, path)}
    fields = Fields(value, path, what="`health`", example='{url: "http://127.0.0.1:3456/health", passes: 3}')
    found: dict[str, Any] = {"health": fields.need("url", read_url)}
    if fields.has("passes"):
        found["passes"] = fields.need("passes", lambda v, p: read_integer(v, p, least=1))
    for key in ("within", "every", "answer_within"):
        if fields.has(key):
            found[key] = fields.need(key, duration)
    fields.finish()
    return found


def _version(value: Any, path: str) -> dict[str, str]:
    if isinstance(value, str):
        return {"url": read_url(value, path)}
    fields = Fields(value, path, what="`version`", example='{url: "http://127.0.0.1:3456/version"}')
    kind = fields.choose(VERSION_KEYS)
    if kind is None:
        raise refusal("`version` asks nothing", path=path, hint="write `url`, or `run` with a command")
    read = read_url if kind == "url" else lambda v, p: read_text(v, p, example="./which-digest.sh")
    found = {kind: fields.need(kind, read)}
    fields.finish()
    return found


def read_url(value: Any, path: str) -> str:
    text = read_text(value, path, example="http://127.0.0.1:3456/health")
    if text.startswith(("http://", "https://")):
        return text
    raise refusal(f"{shown(text)} is not an http address", path=path, hint="begin with `http://` or `https://`")
