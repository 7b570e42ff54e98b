"""Each accepted change is in the audit exactly once, with who and why (issue 2, acceptance 8)."""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ebbgate import control
from ebbgate.control.audit_subjects import SUBJECTS
from ebbgate.core.errors import BadRequestError, NotFoundError
from ebbgate.core.incidents import ActionKind, IncidentKind
from ebbgate.core.rollouts import init_template

FLAG = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
ACTION = {"text": "alert earlier", "owner": "web team", "due_on": "2026-04-01", "kind": "prevent"}
PLAN = init_template("dashboard", "newWidgets")


def nothing(_: Any) -> None: ...


def a_flag(desk: Any) -> None:
    desk.client().flags.put("menu", FLAG, reason="first")


def a_killed_flag(desk: Any) -> None:
    a_flag(desk)
    desk.client().flags.kill("menu", reason="stop")


def an_opted_in_unit(desk: Any) -> None:
    a_flag(desk)
    desk.client().flags.opt_in("menu", "ada", reason="asked")


def a_changed_flag(desk: Any) -> None:
    a_flag(desk)
    desk.client().flags.put("menu", {**FLAG, "state": "DISABLED"}, reason="second")


def an_incident(desk: Any) -> None:
    desk.client().incidents.open(app="shop", kind=IncidentKind.OUTAGE, title="down", reason="nothing answers")


def a_draft(desk: Any) -> None:
    an_incident(desk)
    desk.client().postmortems.move("INC-1", "draft", reason="early")


def an_action(desk: Any) -> None:
    an_incident(desk)
    given = {"owner": "web team", "due_on": date(2026, 4, 1), "kind": ActionKind.PREVENT}
    desk.client().postmortems.add_action("INC-1", "alert earlier", **given, reason="agreed")


def a_rollout(desk: Any) -> None:
    desk.start()


def a_paused_rollout(desk: Any) -> None:
    desk.start()
    desk.client().rollouts.pause("newWidgets", reason="wait")


def an_aborted_rollout(desk: Any) -> None:
    desk.start()
    desk.client().rollouts.abort("newWidgets", reason="no")


def a_rollback_under_way(desk: Any) -> None:
    desk.start()
    desk.client().rollouts.roll_back("newWidgets", reason="it fails")


def a_release(desk: Any) -> None:
    desk.build()


def a_release_that_answers(desk: Any) -> None:
    a_release(desk)
    desk.client().releases.deploy("v1.0.0", reason="go")
    desk.services.deployment_worker.tick()


def a_bad_release(desk: Any) -> None:
    a_release(desk)
    desk.client().releases.mark_bad("v1.0.0", reason="it leaks")


def a_pinned_release(desk: Any) -> None:
    a_release(desk)
    desk.client().releases.pin("v1.0.0", reason="a customer has it")


def upload_again(desk: Any) -> None:
    a_release(desk)
    REGISTER.update(msgspec.to_builtins(desk.request("v2.0.0")))
    REBUILD.update({key: REGISTER[key] for key in ("artifact", "documents")}, accept_other_bytes=True)
    for body in (REGISTER, REBUILD):
        body.pop("reason", None)


REGISTER: dict[str, Any] = {}
REBUILD: dict[str, Any] = {}

CHANGES: list[tuple[Callable[[Any], None], str, str, dict[str, Any], str]] = [
    (nothing, "POST", "/rollouts", {"plan": PLAN, "release": "v1"}, "rollout.start"),
    (a_rollout, "POST", "/rollouts/newWidgets/pause", {}, "rollout.pause"),
    (a_paused_rollout, "POST", "/rollouts/newWidgets/resume", {}, "rollout.resume"),
    (a_rollout, "POST", "/rollouts/newWidgets/promote", {}, "rollout.promote"),
    (a_rollout, "POST", "/rollouts/newWidgets/abort", {}, "rollout.abort"),
    (an_aborted_rollout, "POST", "/rollouts/newWidgets/retry", {}, "rollout.start"),
    (a_rollout, "POST", "/rollouts/newWidgets/rollback", {}, "rollout.roll_back"),
    (a_rollback_under_way, "POST", "/rollouts/newWidgets/settle", {}, "rollback.unverified"),
    (nothing, "PUT", "/flags/menu", {"definition": FLAG}, "flag.put"),
    (a_flag, "PUT", "/flags/menu", {"definition": FLAG, "revision": 1}, "flag.put"),
    (a_flag, "POST", "/flags/menu/kill", {}, "flag.kill"),
    (a_killed_flag, "POST", "/flags/menu/restore", {}, "flag.restore"),
    (a_flag, "POST", "/flags/menu/status", {"status": "disabled"}, "flag.kill"),
    (a_killed_flag, "POST", "/flags/menu/status", {"status": "enabled"}, "flag.restore"),
    (a_rollout, "POST", "/flags/newWidgets/status", {"status": "disabled"}, "rollout.roll_back"),
    (a_flag, "POST", "/flags/menu/opt-in", {"unit": "ada"}, "flag.opt_in"),
    (an_opted_in_unit, "POST", "/flags/menu/opt-out", {"unit": "ada"}, "flag.opt_out"),
    (a_flag, "POST", "/flags/menu/delete", {"revision": 1}, "flag.delete"),
    (a_changed_flag, "POST", "/flags/menu/revert", {"version": 1}, "flag.revert"),
    (nothing, "POST", "/environments", {"name": "staging"}, "environment.create"),
    (nothing, "POST", "/environments/production/bucketing", {"bucketing": "v3"}, "environment.bucketing"),
    (nothing, "POST", "/environments/production/document", {"document": {"flags": {"menu": FLAG}}}, "flag.import"),
    (nothing, "POST", "/tokens", {"kind": "server", "name": "checkout"}, "token.create"),
    (nothing, "POST", "/tokens/CLIENT/revoke", {}, "token.revoke"),
    (nothing, "POST", "/notifications/test", {}, "notify.test"),
    (nothing, "POST", "/drills", {"app": "shop"}, "drill.start"),
    (nothing, "POST", "/incidents", {"app": "shop", "kind": "data_corruption", "title": "rows lost"}, "incident.open"),
    (a_rollout, "POST", "/reports", {"flag": "newWidgets", "kind": "ticket"}, "report.add"),
    (an_incident, "POST", "/incidents/INC-1/notes", {}, "incident.note"),
    (an_incident, "POST", "/incidents/INC-1/roles", {"role": "scribe", "who": "support"}, "incident.assign"),
    (an_incident, "POST", "/incidents/INC-1/severity", {"severity": "sev3"}, "incident.severity"),
    (an_incident, "POST", "/incidents/INC-1/status", {"status": "stable"}, "incident.stabilise"),
    (a_draft, "POST", "/postmortems/INC-1/sections", {"section": "lucky", "text": "No."}, "postmortem.write"),
    (an_incident, "POST", "/postmortems/INC-1/status", {"step": "draft"}, "postmortem.draft"),
    (an_incident, "POST", "/postmortems/INC-1/actions", ACTION, "action.add"),
    (an_action, "POST", "/actions/1/end", {"state": "done"}, "action.done"),
    (upload_again, "POST", "/releases", REGISTER, "release.register"),
    (upload_again, "POST", "/releases/v1.0.0/rebuild", REBUILD, "release.rebuild"),
    (a_release, "POST", "/releases/v1.0.0/deploy", {}, "deployment.ask"),
    (a_release_that_answers, "POST", "/releases/v1.0.0/adopt", {}, "release.adopt"),
    (a_release, "POST", "/releases/v1.0.0/mark-bad", {}, "release.mark_bad"),
    (a_bad_release, "POST", "/releases/v1.0.0/clear", {}, "release.clear"),
    (a_release, "POST", "/releases/v1.0.0/pin", {}, "release.pin"),
    (a_pinned_release, "POST", "/releases/v1.0.0/unpin", {}, "release.unpin"),
    (a_release, "POST", "/releases/prune", {"app": "dash", "keep": 0}, "release.prune"),
]


@pytest.mark.parametrize(("given", "method", "path", "body", "action"), CHANGES)
def test_an_accepted_change_is_in_the_audit_once_and_one_without_a_reason_never(
    desk: Any, given: Callable[[Any], None], method: str, path: str, body: dict[str, Any], action: str
) -> None:
    given(desk)
    before, wakes = desk.audit(), desk.loop.wakes
    path = f"/api/v1{path.replace('CLIENT', desk.token_ids['client'])}"
    for reason in ({}, {"reason": ""}, {"reason": " \n"}, {"reason": 5}, {"reason": None}):
        refused = desk.call(method, path, {**body, **reason}, kind="admin")
        assert refused.status_code == 400
        assert refused.json()["code"] == "bad_request"
        assert refused.json()["path"] == ("$.reason" if reason else "$")
    assert desk.audit() == before
    accepted = desk.call(method, path, {**body, "reason": " because "}, kind="admin")
    assert accepted.is_success, accepted.text
    (row,) = desk.audit()[len(before) :]
    assert (row.action, row.actor, row.reason) == (action, "the admin", "because")
    assert desk.loop.wakes == wakes + 1, "the loop is told at once"


def test_every_route_that_changes_something_is_in_this_list() -> None:
    from ebbgate.api.app import describable_app
    from ebbgate.api.published import handlers_of

    routes = {(m, p) for m, p, _ in handlers_of(describable_app()) if m != "get"}
    routes.remove(("put", "/api/v1/artifacts/{digest}"))  # bytes count for nothing before they are registered
    routes.remove(("post", "/api/v1/opt/{key}"))  # a user gives no reason: test_flags_opt.py
    routes.remove(("post", "/api/v1/releases/{ref}/approve"))  # not by who registered it: the next test
    routes.remove(("post", "/api/v1/hooks/alertmanager"))  # a monitor gives its summary: test_hooks.py
    routes.remove(("post", "/api/v1/history"))  # reads, and a question as long as a plan needs a body
    routes.remove(("post", "/api/v1/preflight"))  # changes nothing of its own: a drill and a test message do
    names = {"{ref}": "newWidgets", "{key}": "menu", "{token_id}": "CLIENT", "{name}": "production"}
    routes = {
        (m, p.replace("incidents/{ref}", "incidents/INC-1").replace("mortems/{ref}", "mortems/INC-1"))
        for m, p in routes
    }
    routes = {(m, p.replace("releases/{ref}", "releases/v1.0.0").replace("{action_id}", "1")) for m, p in routes}
    for placeholder, name in names.items():
        routes = {(m, p.replace(placeholder, name)) for m, p in routes}
    assert routes == {(m.lower(), f"/api/v1{p.replace('flags/newWidgets', 'flags/menu')}") for _, m, p, _, _ in CHANGES}


def test_a_release_is_approved_by_somebody_else_and_once(desk: Any) -> None:
    a_release(desk)
    path, reason = "/api/v1/releases/v1.0.0/approve", {"reason": "tried it"}
    assert desk.call("POST", path, reason, kind="admin").json()["code"] == "forbidden", "who registered it"
    before = desk.audit()
    assert [one["actor"] for one in desk.call("POST", path, reason).json()["approvals"]] == ["the operator"]
    assert desk.call("POST", path, reason).json()["code"] == "conflict"
    assert [row.action for row in desk.audit()[len(before) :]] == ["release.approve"]


def test_what_is_done_already_leaves_no_second_row(desk: Any) -> None:
    a_killed_flag(desk)
    before = desk.audit()
    assert desk.call("POST", "/api/v1/flags/menu/kill", {"reason": "again"}).status_code == 200
    assert desk.call("POST", "/api/v1/flags/menu/status", {"reason": "again", "status": "disabled"}).status_code == 200
    assert desk.audit() == before


def test_a_change_that_the_store_refuses_leaves_nothing(desk: Any) -> None:
    a_flag(desk)
    before = desk.audit()
    assert desk.call("PUT", "/api/v1/flags/menu", {"definition": FLAG, "revision": 7, "reason": "x"}).status_code == 409
    assert desk.call("PUT", "/api/v1/flags/menu", {"definition": {}, "reason": "x"}).status_code == 422
    assert desk.call("POST", "/api/v1/rollouts/newWidgets/pause", {"reason": "x"}).status_code == 404
    assert desk.audit() == before


def test_the_audit_of_a_misspelt_subject_is_refused_and_one_is_found_by_what_it_is_called(desk: Any) -> None:
    rollout = desk.start()
    desk.client().rollouts.roll_back("newWidgets", reason="it fails")
    records = desk.client().records
    for same in ("newWidgets", "rollout:newWidgets", f"rollout:{rollout}"):
        found = [(entry.subject, entry.action) for entry in records.audit(subject=same)]
        assert found == [(f"rollout:{rollout}", "rollout.start"), (f"rollout:{rollout}", "rollout.roll_back")], same
    a_flag(desk)
    assert [entry.subject for entry in records.audit(subject="flag:menu")] == ["flag:production/menu"]
    assert records.audit(subject="token:nobody") == []
    for wrong in ("foo:bar", "rollout:", ""):
        with pytest.raises(BadRequestError) as refused:
            records.audit(subject=wrong)
        assert "flag:ENVIRONMENT/KEY" in refused.value.hint
    for wrong in ("newWidgetz", "rollout:newWidgetz", "incident:INC-9", "release:v9"):
        with pytest.raises(NotFoundError):
            records.audit(subject=wrong)


def test_every_kind_of_subject_that_is_recorded_can_be_asked_for() -> None:
    """By the sources: a kind that is missing from the list would be refused."""
    recorded = {found for text in sources() for found in re.findall(r'subject ?= ?f?"([a-z]+):', text)}
    recorded |= {found for text in sources() for found in re.findall(r'subject = \("([a-z]+)"', text)}
    assert recorded >= {"rollout", "release", "deployment", "incident", "token"}, "the sources are read as they are"
    assert recorded <= set(SUBJECTS)


def sources() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in Path(control.__file__).parent.glob("*.py")]
