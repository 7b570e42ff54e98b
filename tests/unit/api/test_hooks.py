"""Alertmanager's webhook and incidents that take versions back, over HTTP."""

from typing import Any

ALERT = {
    "version": "4",
    "groupKey": '{}:{alertname="Down"}',
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "ebbgate",
    "groupLabels": {},
    "commonLabels": {},
    "commonAnnotations": {},
    "externalURL": "http://alertmanager:9093",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "Down", "severity": "critical", "flag": "newWidgets", "ebbgate": "rollback"},
            "annotations": {"summary": "no instance answers"},
            "startsAt": "2026-03-02T08:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus/graph",
            "fingerprint": "ab12",
        }
    ],
}
HOOK = "/api/v1/hooks/alertmanager"


def test_an_alert_takes_the_version_back_in_the_name_of_its_token(desk: Any) -> None:
    rollout = desk.start()
    headers = {"x-api-key": desk.tokens["operator"]}
    answer = desk.call("POST", HOOK, ALERT, kind=None, headers=headers)
    assert answer.status_code == 200, answer.text
    assert [(one["outcome"], one["rollouts"]) for one in answer.json()] == [("asked", [rollout])]  # it only recommends
    assert desk.loop.wakes == 1
    assert desk.audit()[-1].actor == "the operator"
    assert desk.call("POST", HOOK, ALERT).json()[0]["outcome"] == "known"


def test_a_stranger_or_an_application_cannot_post_alerts(desk: Any) -> None:
    assert desk.call("POST", HOOK, ALERT, kind=None).status_code == 401
    assert desk.call("POST", HOOK, ALERT, kind="server").status_code == 403
    assert desk.call("POST", HOOK, {"alerts": [{"status": "odd"}]}).status_code == 400


def test_corrupted_data_take_the_apps_rollouts_back_when_a_person_says_so(desk: Any) -> None:
    rollout = desk.start()
    body = {"app": "dashboard", "kind": "data_corruption", "title": "rows lost", "reason": "orders vanish"}
    opened = desk.call("POST", "/api/v1/incidents", {**body, "severity": "sev2"}).json()
    assert (opened["rollout"], opened["kind"], opened["severity"]) == (rollout, "data_corruption", "sev2")
    assert desk.client().rollouts.get(rollout).status.value == "rolling_back"
    assert opened["taken_back"] == [rollout]
    refused = desk.call("POST", "/api/v1/incidents", {**body, "app": "dashbord"})
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    other = desk.call("POST", "/api/v1/incidents", {**body, "app": "shop", "is_new_app": True}).json()
    assert (other["rollout"], other["taken_back"]) == (None, [])
    assert desk.call("GET", "/api/v1/probes").json() == []


def test_probes_that_are_commands_need_an_admin_the_first_time(desk: Any) -> None:
    plan = "app: shop\nflag: cart\nphases: [{to: 50%, stay: 1d..2d}]\nprobes: {rows: {run: ./check-rows}}\n"
    body = {"plan": plan, "release": "v1", "reason": "go"}
    refused = desk.call("POST", "/api/v1/rollouts", body)
    assert (refused.status_code, "./check-rows" in refused.json()["detail"]) == (403, True)
    assert desk.call("POST", "/api/v1/rollouts", body, kind="admin").is_success
    desk.client().rollouts.abort("cart", reason="again")
    assert desk.call("POST", "/api/v1/rollouts", body).is_success, "it is known by now"


def test_a_person_who_asks_for_the_second_stage_is_told_when_there_is_none_and_the_flag_is_off(desk: Any) -> None:
    rollout = desk.start()
    answer = desk.call("POST", f"/api/v1/rollouts/{rollout}/rollback", {"reason": "it hurts", "redeploy": True})
    assert answer.status_code == 409
    assert "the flag is off, but nothing can be redeployed" in answer.json()["detail"]
    assert desk.client().rollouts.get(rollout).status.value == "rolling_back"
