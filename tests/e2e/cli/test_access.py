"""Who may do what, and what the doctor says of it."""

from typing import Any

import pytest


def test_the_account_of_these_tests_cannot_read_the_data_directory(cli: Any, server: Any) -> None:
    if not cli.is_locked_out:
        pytest.skip("only root can close a directory to its own CLI")
    assert cli.run(["ls", str(server.data)]).status != 0


def test_a_token_is_shown_once_and_says_nothing_after_it_is_revoked(cli: Any) -> None:
    made = cli("token", "create", "operator", "--name", "pipeline")
    secret = made.out.strip()
    assert secret.startswith("ebb_operator_")
    (row,) = [row for row in cli.document("token", "list") if row["name"] == "pipeline"]
    assert secret not in cli("token", "list").out

    assert cli("rollout", "list", EBBGATE_TOKEN=secret).status == 0
    assert cli("token", "list", EBBGATE_TOKEN=secret).status == 7, "operators have no tokens to give"
    assert cli("token", "revoke", row["id"], "--reason", "gone").status == 0
    assert cli("rollout", "list", EBBGATE_TOKEN=secret).status == 7


def test_an_applications_token_may_not_steer(cli: Any) -> None:
    secret = cli("token", "create", "server", "--name", "shop", "--environment", "production").out.strip()
    ran = cli("rollout", "list", "--json", EBBGATE_TOKEN=secret)
    assert ran.status == 7
    assert ran.document()["error"]["code"] == "forbidden", (ran.out, ran.err, secret)
    assert [line.split(":")[0] for line in ran.err.splitlines()] == ["error", "hint"]


def test_a_login_is_tried_then_kept_for_its_owner_alone(cli: Any, server: Any) -> None:
    nothing = {"EBBGATE_CONTROL_URL": "", "EBBGATE_TOKEN": ""}
    assert cli("login", "--url", server.url, "--token-stdin", stdin="ebb_admin_wrong\n", **nothing).status == 7
    kept = cli.home / ".config" / "ebbgate" / "config.toml"
    assert not kept.exists()
    assert cli("login", "--url", server.url, "--token-stdin", stdin=f"{server.token}\n", **nothing).status == 0
    assert kept.stat().st_mode & 0o777 == 0o600
    assert cli("rollout", "list", **nothing).status == 0
    kept.chmod(0o644)
    assert "can be read by others" in cli("rollout", "list", **nothing).err


def test_the_doctor_finds_nothing_wrong_with_a_sound_server(cli: Any, server: Any) -> None:
    ran = cli("doctor", "--edge-url", server.edge_url, "--json")
    findings = {check["name"]: check["finding"] for check in ran.document()}
    assert ran.status == 0, ran.out
    assert {name: findings[name] for name in ("edge", "control", "token", "clock")} == dict.fromkeys(
        ("edge", "control", "token", "clock"), "ok"
    )


def test_the_doctor_names_a_wrong_token(cli: Any, server: Any) -> None:
    ran = cli("doctor", "--edge-url", server.edge_url, "--token", "ebb_operator_" + "x" * 43)
    assert ran.status == 1
    assert "✗ failed" in ran.out
