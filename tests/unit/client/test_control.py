"""The client against the real API in process: every operation that is published has a method, and answers typed."""

from datetime import date
from typing import Any

import pytest

from ebbgate.client import ControlClient
from ebbgate.core.errors import AuthenticationError, ConflictError, NotFoundError, PermissionDeniedError, PlanError
from ebbgate.core.flags.view import FlagSwitch
from ebbgate.core.incidents import ActionKind, IncidentKind, Role, Severity
from ebbgate.core.incidents.alertmanager import AlertmanagerMessage
from ebbgate.core.releases.requests import RebuildRelease
from ebbgate.core.rollouts import init_template

FLAG = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}


class Counting:
    """Passes requests on to the app, and notes their method and path."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.called: set[tuple[str, str]] = set()

    def handle_request(self, request: Any) -> Any:
        self.called.add((request.method.lower(), request.url.path))
        return self.inner.handle_request(request)

    def close(self) -> None: ...


def test_every_published_operation_has_a_method(desk: Any) -> None:
    transport = Counting(desk.http._transport)
    client = ControlClient("http://testserver.local", desk.tokens["admin"], transport=transport)  # type: ignore[arg-type]
    rollouts, flags, tokens = client.rollouts, client.flags, client.tokens
    rollouts.start(init_template("dash", "menu"), release="v1", reason="r")
    desk.live(1)
    rollouts.list(), rollouts.get("menu"), rollouts.plan("menu"), rollouts.decisions("menu"), rollouts.explain("menu")
    rollouts.pause("menu", reason="r"), rollouts.resume("menu", reason="r"), rollouts.promote("menu", reason="r")
    rollouts.abort("menu", reason="r"), rollouts.retry("menu", reason="r"), rollouts.roll_back("menu", reason="r")
    rollouts.replay("menu"), rollouts.settle("menu", reason="r")
    flags.put("key", FLAG, reason="r"), flags.list(), flags.get("key")
    flags.kill("key", reason="r"), flags.restore("key", reason="r")
    flags.set_status("key", FlagSwitch.DISABLED, reason="r")
    flags.opt_in("key", "ada", reason="r"), flags.opt_out("key", "ada", reason="r")
    flags.put("key", {**FLAG, "metadata": {"optIn": True}}, reason="r"), flags.opt_self("key", "ada", is_in=True)
    flags.history("key"), flags.diff("key", 1, 2), flags.revert("key", 1, reason="r"), flags.delete("key", reason="r")
    environments = client.environments
    environments.create("staging", reason="r"), environments.list(), environments.silence("staging")
    environments.import_flags("staging", environments.export_flags("staging"), reason="r", is_dry_run=True)
    environments.set_bucketing("staging", "v3", reason="r")
    made = tokens.create("client", "name", reason="r")
    tokens.list(), tokens.revoke(made.token.id, reason="r")
    client.records.audit(), client.records.outbox()
    client.observations.arrivals(), client.observations.evaluators(), client.observations.totals()
    client.incidents.report(app="dash", kind="ticket", text="it hangs"), client.incidents.reports()
    client.incidents.report_standings()
    client.observations.probes(), client.incidents.take_alerts(AlertmanagerMessage(alerts=[]))
    assert (client.server.healthz(), client.server.readyz()) == ("ok", "ok")
    assert "ebbgate_rollouts" in client.server.metrics()
    assert client.server.clock().mapping.scale == 1.0

    releases, digest = client.releases, desk.build().artifact.digest
    releases.list(), releases.get("v1.0.0"), releases.manifest("v1.0.0"), releases.paper("v1.0.0", "manifest")
    releases.diff("v1.0.0", "v1.0.0"), releases.verify("v1.0.0"), releases.prune("dash", keep=1, reason="r")
    releases.upload(digest, [b"archive of ", b"v1.0.0"]), releases.register(desk.request("v2.0.0"))
    again = desk.request()
    releases.rebuild("v1.0.0", RebuildRelease(artifact=again.artifact, documents=again.documents, reason="r"))
    releases.pin("v1.0.0", reason="r"), releases.unpin("v1.0.0", reason="r")
    releases.deployment(releases.deploy("v1.0.0", reason="r").id), releases.deployments()
    desk.services.deployment_worker.tick()
    releases.adopt("v1.0.0", reason="r")
    releases.mark_bad("v1.0.0", reason="r"), releases.clear("v1.0.0", reason="r")

    desk.client("operator").releases.approve("v1.0.0", reason="r")
    transport.called.add(("post", "/api/v1/releases/v1.0.0/approve"))  # not by who registered it

    incidents, postmortems = client.incidents, client.postmortems
    incidents.open(app="dash", kind=IncidentKind.OUTAGE, title="down", reason="r"), incidents.get("INC-1")
    incidents.note("INC-1", "seen"), incidents.notes("INC-1"), incidents.timeline("INC-1"), incidents.list()
    (
        incidents.assign("INC-1", Role.SCRIBE, "web", reason="r"),
        incidents.set_severity("INC-1", Severity.SEV3, reason="r"),
    )
    incidents.move("INC-1", "stable", reason="r"), postmortems.move("INC-1", "draft", reason="r")
    postmortems.get("INC-1"), postmortems.markdown("INC-1"), postmortems.html("INC-1")
    postmortems.write("INC-1", "lucky", "No.", reason="r"), postmortems.actions()
    todo = {"owner": "web", "due_on": date(2026, 4, 1), "kind": ActionKind.DOCS}
    postmortems.end_action(postmortems.add_action("INC-1", "write", **todo, reason="r").id, "done", reason="r")
    client.notifications.channels(), client.notifications.list(), client.notifications.test(reason="r")
    drills = client.drills
    drills.get(drills.start("dash", reason="r").id), drills.list()
    transport.called.add(("post", "/api/v1/preflight"))  # waits for evaluators: tests/e2e/control
    transport.called.add(("post", "/api/v1/history"))  # tests/e2e/control

    published = client.server.openapi()["paths"]
    names = {"{ref}": "menu", "{key}": "key", "{token_id}": made.token.id, "{name}": "staging"}
    names |= {
        "{paper}": "manifest",
        "{digest}": digest,
        "{deployment_id}": "dash-deploy-1",
        "{drill_id}": "drill-1",
        "{action_id}": "1",
    }
    wanted = set()
    for path, methods in published.items():
        path = path.replace("/releases/{ref}", "/releases/v1.0.0")
        path = path.replace("/incidents/{ref}", "/incidents/INC-1").replace("/postmortems/{ref}", "/postmortems/INC-1")
        for placeholder, name in names.items():
            path = path.replace(placeholder, name)
        wanted |= {(method, path) for method in methods}
    assert transport.called == wanted | {("get", "/api/v1/openapi.json")}


def test_errors_come_back_as_they_were_raised(desk: Any) -> None:
    client = desk.client()
    with pytest.raises(NotFoundError, match="no rollout 'menu'"):
        client.rollouts.get("menu")
    with pytest.raises(PermissionDeniedError, match="kind operator"):
        client.tokens.list()
    with pytest.raises(PlanError) as caught:
        client.rollouts.start("app: x\nflag: y\nphases: 5\n", release="v1", reason="r")
    assert caught.value.path == "$.phases"
    client.flags.put("menu", FLAG, reason="r")
    with pytest.raises(ConflictError, match="revision 1"):
        client.flags.put("menu", FLAG, reason="r", revision=0)


def test_an_unknown_token_is_an_authentication_error(desk: Any) -> None:
    client = ControlClient("http://testserver.local", "ebb_admin_" + "x" * 43, transport=desk.http._transport)
    with pytest.raises(AuthenticationError):
        client.rollouts.list()
    assert client.server.healthz() == "ok"


def test_a_rollout_comes_back_equal_to_what_the_server_shows(desk: Any) -> None:
    desk.start()
    desk.live(26)
    assert desk.client().rollouts.get("newWidgets") == desk.world.views.get("newWidgets")
