"""The CLI as people run it: a real server, every command as a process of its own that knows a URL and a token, and
that cannot read the server's data directory (RULES I4).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import click
import httpx
import pytest

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.cli.root import root

COMMAND = [sys.executable, "-m", "ebbgate"]
WITHOUT_THE_RIGHT_TO_READ_EVERYTHING = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
"""Root without these capabilities reads what its files' modes allow it, as any account does."""

SCALE = "3600"  # an hour of plan time passes in a second
PLAN = """\
app: shop
flag: {flag}
mode: act
users: 20000
phases:
  - {{name: early, to: 10%, who: random, stay: {stay}}}
  - {{name: full, to: 100%, who: everyone, watch: 2h}}
verify: {{propagation: 1s, recovery: 1h}}
tick: 5m
"""
MEASURED = """\
guardrails:
  errors: {rate: api_error / api_request, baseline: 1%, worse_by: 1pp}
goals:
  clicks: {ratio: click / view, goal: +10%}
"""
CLOCK = SystemClock()


class Ran(NamedTuple):
    status: int
    out: str
    err: str

    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


class Server(NamedTuple):
    """data: closed to the account that the CLI runs as."""

    data: Path
    url: str
    edge_url: str
    token: str


class Cli:
    """Runs `ebbgate` somewhere else, with another home, and with nothing but a URL and a token."""

    def __init__(self, home: Path, server: Server, environ: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.server = server
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "EBBGATE_CONTROL_URL": server.url,
            "EBBGATE_TOKEN": server.token,
            **(environ or {}),
        }

    def __call__(self, *arguments: str, stdin: str | None = None, **environ: str) -> Ran:
        return self.run([*COMMAND, *arguments], stdin=stdin, **environ)

    def run(self, command: list[str], *, stdin: str | None = None, **environ: str) -> Ran:
        ran = subprocess.run(
            [*(WITHOUT_THE_RIGHT_TO_READ_EVERYTHING if can_be_locked_out() else []), *command],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.home,
            env={**self.environ, **environ},
            timeout=60,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def document(self, *arguments: str) -> Any:
        """The answer with --json, of a command that must succeed."""
        ran = self(*arguments, "--json")
        assert ran.status == 0, ran
        return ran.document()

    def plan(self, flag: str, *, stay: str = "10d..20d", measured: str = MEASURED) -> str:
        """A plan file of a flag; by default one that stays in its first phase."""
        path = self.home / f"{flag}.yaml"
        path.write_text(PLAN.format(flag=flag, stay=stay) + measured)
        return str(path)

    def start(self, flag: str, **plan: str) -> Any:
        return self.document("rollout", "start", self.plan(flag, **plan), "--release", "v2", "--reason", "new")


def can_be_locked_out() -> bool:
    """Whether a directory can be closed to the CLI: by root, which gives it away and lays its powers down."""
    return os.geteuid() == 0 and shutil.which("setpriv") is not None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("server") / "data"
    data.mkdir(mode=0o700)
    if can_be_locked_out():
        os.chown(data, 65534, 65534)
    secret = data / "admin.token"
    options = ["--data", str(data), "--edge-port", "0", "--control-port", "0", "--scale", SCALE]
    process = subprocess.Popen(
        [*COMMAND, "serve", *options, "--admin-token-file", str(secret), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = json.loads("".join(iter_document(process.stdout)))
        wait_until(secret.exists)
        yield Server(data, told["control_url"], told["edge_url"], secret.read_text().strip())
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0


def iter_document(lines: Any) -> Iterator[str]:
    """The lines of the first JSON document of a stream that stays open."""
    for line in lines:
        yield line
        if line == "}\n":
            return


@pytest.fixture
def cli(server: Server, tmp_path: Path) -> Cli:
    return Cli(tmp_path, server)


def wait_until(condition: Any, seconds: float = 20) -> None:
    end_at = CLOCK.monotonic() + seconds
    while not condition():
        assert CLOCK.monotonic() < end_at, "it did not happen in time"
        CLOCK.sleep(timedelta(milliseconds=50))


def test_the_account_of_these_tests_cannot_read_the_data_directory(cli: Cli, server: Server) -> None:
    if not can_be_locked_out():
        pytest.skip("only root can close a directory to its own CLI")
    assert cli.run(["ls", str(server.data)]).status != 0


def test_a_rollout_is_started_steered_and_told_over_the_url_alone(cli: Cli) -> None:
    view = cli.start("steered")
    assert (view["id"], view["status"], view["phase"]) == ("steered-1", "running", "early")
    assert cli("rollout", "status", "steered").status == 6, "not decided yet"

    assert cli.document("rollout", "pause", "steered", "--reason", "lunch")["status"] == "paused"
    waited = cli("rollout", "status", "steered", "--timeout", "30s")
    assert (waited.status, "PAUSED" in waited.out) == (4, True), "a pause ends the waiting"
    assert cli.document("rollout", "resume", "steered", "--reason", "back")["status"] == "running"
    assert cli("rollout", "status", "steered", "--timeout", "1s").status == 5

    assert cli.document("rollout", "promote", "steered", "--reason", "sure")["phase"] == "full"
    assert cli.document("rollout", "abort", "steered", "--reason", "enough")["status"] == "aborted"
    assert cli("rollout", "status", "steered", "--timeout", "10s").status == 1
    assert cli.document("rollout", "retry", "steered", "--reason", "again")["id"] == "steered-2"
    assert cli("rollout", "retry", "steered", "--reason", "twice").status == 1
    assert cli.document("rollout", "abort", "steered-2", "--reason", "enough")["status"] == "aborted"

    actions = [entry["action"] for entry in cli.document("audit", "--subject", "rollout:steered-1")]
    assert actions == [f"rollout.{step}" for step in ("start", "pause", "resume", "promote", "abort")]


def test_a_rollout_that_nothing_speaks_against_succeeds_with_status_0(cli: Cli) -> None:
    cli.start("smooth", stay="1h..20d", measured="")
    ran = cli("rollout", "status", "smooth", "--timeout", "40s")
    assert (ran.status, "SUCCEEDED" in ran.out) == (0, True), ran
    assert "✓ early 10% done" in cli("rollout", "get", "smooth").out
    decisions = [row["decision"]["decision"] for row in cli.document("rollout", "history", "smooth")]
    assert decisions.count("advance") == 2
    assert "advance → watching" in cli("rollout", "history", "smooth").out
    assert "Decision 1 was hold" in cli("rollout", "explain", "smooth", "--look", "1").out
    assert cli.document("rollout", "explain", "smooth")["inputs"]["state"]["id"] == "smooth-1"
    assert "The numbers behind it:" in cli("rollout", "explain", "smooth", "--exact").out
    replayed = cli("rollout", "replay", "smooth")
    assert (replayed.status, "all the same" in replayed.out) == (0, True), replayed


def test_a_watch_without_a_terminal_prints_lines_and_ends_with_the_rollout(cli: Cli) -> None:
    cli.start("followed")
    watching = subprocess.Popen(
        [*COMMAND, "rollout", "get", "followed", "--watch"], stdout=subprocess.PIPE, text=True, env=cli.environ
    )
    assert watching.stdout is not None
    assert "followed-1 RUNNING early (1/2)" in watching.stdout.readline()
    back = cli("rollback", "followed", "--reason", "it is slow", "--watch")
    assert (back.status, "ROLLED BACK, unverified" in back.out) == (6, True), back
    lines = watching.communicate(timeout=30)[0].splitlines()
    assert watching.returncode == 6
    assert "ROLLING BACK" in lines[0]
    assert "ROLLED BACK, unverified" in lines[-1]
    history = cli("rollout", "history", "followed").out
    assert "step → rolled back" in history
    replayed = cli.document("rollout", "replay", "followed")
    assert (replayed["differing"], replayed["state_is_same"]) == (0, True), replayed
    assert not any("\x1b" in line for line in lines)


def test_the_clients_own_command_takes_a_rollout_back_and_lifts_the_switch_again(cli: Cli) -> None:
    cli.start("switched")
    off = cli("set-feature-flag", "--feature=switched", "--status=disabled")
    assert off.status == 0
    assert "switched is OFF: everybody gets `off`" in off.out
    assert "rollout switched-1: rolling back" in off.out
    assert cli("rollout", "status", "switched", "--timeout", "30s").status == 6
    assert cli("set-feature-flag", "--feature=switched", "--status=enabled").status == 0
    assert cli.document("flag", "show", "switched")["kill"] is None


def test_flags_are_written_evaluated_killed_and_restored(cli: Cli) -> None:
    definition = {
        "state": "ENABLED",
        "variants": {"red": "#f00", "blue": "#00f"},
        "defaultVariant": "red",
        "targeting": {"if": [{"in": [{"var": "email"}, ["a@example.com"]]}, "blue", None]},
    }
    (cli.home / "flag.json").write_text(json.dumps({"flags": {"colour": definition}}))
    put = cli("flag", "put", "colour", "flag.json", "--reason", "first", "--revision", "0", "--json")
    assert put.document()["definition"] == definition
    assert cli("flag", "put", "colour", "flag.json", "--reason", "late", "--revision", "0").status == 1

    assert cli.document("flag", "eval", "colour", "--unit", "u1", "-a", "email=a@example.com")["value"] == "#00f"
    assert cli.document("flag", "eval", "colour", "--unit", "u1")["variant"] == "red"
    assert "OFF: everybody gets `red`" in cli("flag", "kill", "colour", "--reason", "fire").out
    killed = cli.document("flag", "eval", "colour", "--context", '{"email": "a@example.com", "targetingKey": "u"}')
    assert killed["value"] == "#f00"
    assert cli.document("flag", "restore", "colour", "--reason", "out")["kill"] is None
    assert cli.document("flag", "opt-in", "colour", "u7")["opt_in"] == ["u7"]
    assert cli.document("flag", "opt-out", "colour", "u7")["opt_in"] == []
    assert "colour" in [flag["key"] for flag in cli.document("flag", "list")]

    bad = cli("flag", "put", "colour", "-", "--reason", "oops", stdin='{"state": "ENABLED", "variants": {}}')
    assert (bad.status, "at $.flags.colour.variants" in bad.err) == (2, True)


def test_a_token_is_shown_once_and_says_nothing_after_it_is_revoked(cli: Cli) -> None:
    made = cli("token", "create", "operator", "--name", "pipeline")
    secret = made.out.strip()
    assert secret.startswith("ebb_operator_")
    (row,) = [row for row in cli.document("token", "list") if row["name"] == "pipeline"]
    assert secret not in cli("token", "list").out

    assert cli("rollout", "list", EBBGATE_TOKEN=secret).status == 0
    assert cli("token", "list", EBBGATE_TOKEN=secret).status == 7, "operators have no tokens to give"
    assert cli("token", "revoke", row["id"], "--reason", "gone").status == 0
    assert cli("rollout", "list", EBBGATE_TOKEN=secret).status == 7


def test_an_applications_token_may_not_steer(cli: Cli) -> None:
    secret = cli("token", "create", "server", "--name", "shop", "--environment", "production").out.strip()
    ran = cli("rollout", "list", "--json", EBBGATE_TOKEN=secret)
    assert ran.status == 7
    assert ran.document()["error"]["code"] == "forbidden", (ran.out, ran.err, secret)
    assert [line.split(":")[0] for line in ran.err.splitlines()] == ["error", "hint"]


def test_a_login_is_tried_then_kept_for_its_owner_alone(cli: Cli, server: Server) -> None:
    nothing = {"EBBGATE_CONTROL_URL": "", "EBBGATE_TOKEN": ""}
    assert cli("login", "--url", server.url, "--token-stdin", stdin="ebb_admin_wrong\n", **nothing).status == 7
    kept = cli.home / ".config" / "ebbgate" / "config.toml"
    assert not kept.exists()
    assert cli("login", "--url", server.url, "--token-stdin", stdin=f"{server.token}\n", **nothing).status == 0
    assert kept.stat().st_mode & 0o777 == 0o600
    assert cli("rollout", "list", **nothing).status == 0
    kept.chmod(0o644)
    assert "can be read by others" in cli("rollout", "list", **nothing).err


def test_without_a_token_every_remote_command_is_forbidden_before_anything_is_sent(cli: Cli) -> None:
    ran = cli("rollout", "list", EBBGATE_TOKEN="", EBBGATE_CONTROL_URL="http://127.0.0.1:1")
    assert ran.status == 7
    assert "ebbgate login" in ran.err


def test_a_server_that_is_not_there_is_an_error_with_a_hint(cli: Cli) -> None:
    ran = cli("rollout", "list", EBBGATE_CONTROL_URL="http://127.0.0.1:1")
    assert ran.status == 1
    assert "ebbgate serve" in ran.err


def test_what_arrives_is_told_and_so_is_what_does_not(cli: Cli, server: Server) -> None:
    assert cli.document("evaluators") == []
    cli.start("heard")
    headers = {"authorization": f"Bearer {cli('token', 'create', 'client', '--name', 'shop').out.strip()}"}
    wait_until(lambda: httpx.post(f"{server.edge_url}/v1/events", json=[], headers=headers).status_code == 200)
    with httpx.Client(base_url=server.edge_url, headers=headers) as edge:
        for number in range(130):  # more than the plan's `min_units`, from which on silence means something
            asked = {"context": {"targetingKey": f"user-{number}"}}
            assert edge.post("/ofrep/v1/evaluate/flags/heard", json=asked).status_code == 200
        now = cli.document("arrivals")["watermark"]
        click = {"type": "event", "id": "c1", "unit": "user-1", "name": "clicks", "occurred_at": now, "sent_at": now}
        assert edge.post("/v1/events", json=[click]).json()["accepted"] == 1
    wait_until(lambda: "! heard-1: no `click`; seen: `clicks`" in cli("arrivals").out)
    arrivals = cli.document("arrivals")
    assert {name["name"]: name["count"] for name in arrivals["names"]} == {"clicks": 1}
    assert "! no `click`; seen: `clicks`" in cli("rollout", "get", "heard").out
    assert "no `api_request`" in cli("doctor", "--edge-url", server.edge_url).out
    wait_until(lambda: "(ofrep)" in cli("evaluators").out)  # the edge reports usage every ten seconds
    cli("rollout", "abort", "heard", "--reason", "seen")


def test_the_doctor_finds_nothing_wrong_with_a_sound_server(cli: Cli, server: Server) -> None:
    ran = cli("doctor", "--edge-url", server.edge_url, "--json")
    findings = {check["name"]: check["finding"] for check in ran.document()}
    assert ran.status == 0, ran.out
    assert {name: findings[name] for name in ("edge", "control", "token", "clock")} == dict.fromkeys(
        ("edge", "control", "token", "clock"), "ok"
    )


def test_the_doctor_names_a_wrong_token(cli: Cli, server: Server) -> None:
    ran = cli("doctor", "--edge-url", server.edge_url, "--token", "ebb_operator_" + "x" * 43)
    assert ran.status == 1
    assert "✗ failed" in ran.out


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("to: 10%", "to: 500%"), "$.phases[0].to"),
        (("goal: +10%", "goal: +1O%"), "$.goals.clicks.goal"),
        (("watch: 2h", "watch: -2h"), "$.phases[1].watch"),
        (("who: random", "who: nobody"), "$.phases[0].who"),
        (("tick: 5m", "tock: 5m"), "$.tock"),
    ],
)
def test_a_bad_plan_is_one_answer_here_and_on_the_server(cli: Cli, change: tuple[str, str], place: str) -> None:
    path = Path(cli.plan("broken"))
    path.write_text(path.read_text().replace(*change))
    here = cli("plan", "lint", str(path))
    there = cli("rollout", "start", str(path), "--release", "v2", "--reason", "try")
    for ran in (here, there):
        assert ran.status == 2, ran
        assert f"(at {place}" in ran.err
        assert len(ran.err.splitlines()) == 2


def test_init_writes_what_lints_clean_and_replaces_nothing(cli: Cli) -> None:
    written = cli.document("init", "shop", "--flag", "checkout")
    assert cli("plan", "lint", "shop/ebbgate.yaml", "--strict").status == 0
    assert "checkout" in cli("plan", "show", "shop/ebbgate.yaml").out
    assert "✓ yes" in cli("plan", "power", "shop/ebbgate.yaml").out
    assert cli.document("plan", "schema")["title"] == "ebbgate.yaml"
    assert all((cli.home / name).exists() for name in written["files"])
    again = cli("init", "shop")
    assert (again.status, "--force" in again.err) == (1, True)


def test_help_loads_neither_http_nor_tables(cli: Cli) -> None:
    program = "import sys; from ebbgate.cli.root import run; run(['--help']); print(sorted(sys.modules))"
    loaded = cli.run([sys.executable, "-c", program]).out
    assert not any(f"'{module}'" in loaded for module in ("httpx", "rich", "ruamel.yaml", "duckdb", "litestar"))


def test_without_the_extra_the_command_says_which_one_it_needs(cli: Cli) -> None:
    program = "import sys; sys.modules['click'] = None; from ebbgate.cli import main; sys.exit(main())"
    ran = cli.run([sys.executable, "-c", program])
    assert ran.status == 1
    assert 'hint: pip install "ebbgate[server]"' in ran.err


def test_a_reader_that_goes_away_is_no_traceback(cli: Cli) -> None:
    ran = cli.run(["sh", "-c", f"{sys.executable} -m ebbgate plan schema | head -1"])
    assert ran.out == "{\n"
    assert ran.err == ""


def test_nothing_is_coloured_for_a_pipe_and_no_colour_is_respected_on_a_terminal(cli: Cli) -> None:
    assert "\x1b" not in cli("doctor").out
    forced = cli("plan", "power", cli.plan("plain"), FORCE_COLOR="1", NO_COLOR="1")
    assert "\x1b[3" not in forced.out


def test_the_guides_name_every_command_and_every_option() -> None:
    folder = Path(__file__).parents[2] / "docs" / "guides"
    guide = "\n".join(path.read_text() for path in sorted(folder.glob("*.md"), key=lambda path: path.name != "cli.md"))
    shared = {"--json", "--url", "--token", "--reason", "--environment", "--help"}
    for path, command in commands(root, ()):
        called = f"| `ebbgate {' '.join(path)}"
        row = next((line for line in guide.splitlines() if line.startswith(called)), None)
        assert row is not None, called
        for option in (p for p in command.params if isinstance(p, click.Option) and not p.hidden):
            longest = max(option.opts, key=len)
            assert longest in row or longest in shared, f"{path} {longest}"


def commands(group: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    assert isinstance(group, click.Group)
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from commands(command, (*path, name)) if isinstance(command, click.Group) else [((*path, name), command)]


def test_past_days_of_the_server_answer_what_a_plan_can_find_out(cli: Cli, server: Server) -> None:
    """RULES E7: `plan power` and `plan simulate` from the events that are there already, or from a file of them."""
    rate = "{rate: api_error / api_request, worse_by: 1pp, window: 1h, lateness: 10m}"
    plan, saved = cli.plan("past", measured=f"guardrails: {{errors: {rate}}}\n"), cli.home / "past.json"
    headers = {"authorization": f"Bearer {cli('token', 'create', 'client', '--name', 'past').out.strip()}"}
    wait_until(lambda: httpx.post(f"{server.edge_url}/v1/events", json=[], headers=headers).status_code == 200)
    assert cli("plan", "power", plan).out.count("? unknown") == 1
    asked = ("plan", "simulate", plan, "--from-server", "--days", "5", "--runs", "10", "--save", str(saved), "--json")

    def send(units: range) -> None:
        now, entries = cli.document("arrivals")["watermark"], []
        for unit in units:
            common = {"type": "event", "unit": f"past-{unit}", "occurred_at": now, "sent_at": now}
            entries.append({**common, "id": f"past-r{unit}", "name": "api_request"})
            if unit % 20 == 0:
                entries.append({**common, "id": f"past-e{unit}", "name": "api_error", "of": f"past-r{unit}"})
        assert httpx.post(f"{server.edge_url}/v1/events", json=entries, headers=headers).status_code == 200

    def is_known() -> bool:  # units of other tests have no errors; these have, once their windows have closed
        ran = cli(*asked)
        return bool(ran.status == 0 and len(ran.document()["scenarios"]) == 2)

    send(range(200))
    wait_until(is_known, seconds=40)
    assert '"unit": "past' not in saved.read_text()  # no key leaves the server
    report = cli.document(*asked[:-1])
    assert [scenario["runs"] for scenario in report["scenarios"]] == [10, 10]
    again = cli.document("plan", "simulate", plan, "--history", str(saved), "--runs", "10", "--harm", "errors=900%")
    assert again["units"] == report["units"]
    table = cli.document("plan", "power", plan, "--from-server", "--days", "5")
    measured = table["traffic"]["metrics"]["errors"]
    assert measured["n"] == 200
    assert measured["value"] == pytest.approx(0.05)
    assert table["guardrails"][0]["changes"]
    wrong = cli("plan", "simulate", plan)
    assert (wrong.status, "--history" in wrong.err) == (2, True)
