# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The server as the role leaves it, from inside and from outside."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from cloud import PROJECT, Host, Server

SEARCH = "/api/2.0/mlflow/experiments/search"
CHURN = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=churn"
READER = ("ben", "canary of the reader")
EDITOR = ("ada", "canary of the editor")
# More than the server has threads.
MANY = 30
# What a manager leaves in the environment that it made, and where environments of it are.
MADE_BY = {
    "debian-11": "/opt/miniconda3/envs/mlflow-3.17.2-*/conda-meta/history",
    "debian-12": "/opt/mlflow/environments/3.17.2-*/bin/uv",
    "debian-13": "/opt/mlflow/environments/3.17.2-*/pyvenv.cfg",
}


def test_the_environment_is_of_the_manager_that_was_asked_for(host: Host, name: str) -> None:
    assert len(host.check_output(f"ls {MADE_BY[name]}").splitlines()) == 1
    assert (host.run("ls /opt/mlflow/environments/*/bin/uv").rc == 0) is (name == "debian-12")


@pytest.mark.parametrize("unit", ["mlflow.socket", "mlflow-api.socket", "mlflow", "mlflow-api", "nginx"])
def test_it_runs_and_starts_with_the_machine(host: Host, unit: str) -> None:
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled


def test_it_has_a_user_of_its_own_without_a_shell(host: Host) -> None:
    user = host.user(host.check_output("systemctl show --property User --value mlflow"))
    assert user.uid != 0
    assert user.shell == "/usr/sbin/nologin"


def test_it_writes_nowhere_but_into_its_own_directories(host: Host) -> None:
    pid = host.check_output("systemctl show --property MainPID --value mlflow")
    inside = f"nsenter --target {pid} --mount setpriv --reuid mlflow --regid mlflow --clear-groups touch"
    tried = {
        path: host.run(f"{inside} {path}/probe").rc == 0 for path in ("/var/lib/mlflow", "/opt/mlflow", "/etc", "/var")
    }
    host.check_output("rm /var/lib/mlflow/probe")
    assert tried == {"/var/lib/mlflow": True, "/opt/mlflow": False, "/etc": False, "/var": False}


@pytest.mark.parametrize("unit", ["mlflow", "mlflow-api"])
def test_systemd_finds_little_to_do_against_it(host: Host, unit: str) -> None:
    told = host.check_output(f"systemd-analyze security --no-pager {unit}.service")
    figure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
    assert figure is not None, told
    assert float(figure[1]) <= 1.5, told


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("pgpass", 0o600),
        ("mlflow.env", 0o600),
        ("secret.env", 0o600),
        ("tls", 0o700),
        ("tls/server.pem", 0o600),
    ],
)
def test_what_it_reads_is_readable_by_root_alone(host: Host, path: str, mode: int) -> None:
    file = host.file(f"/etc/mlflow/{path}")
    assert (file.user, file.group, file.mode) == ("root", "root", mode)


def test_no_secret_is_on_a_command_line_in_the_journal_or_readable_by_all(host: Host) -> None:
    # in two pieces, so that the commands of this test do not have it
    of = "[ /-]of"
    assert host.run(f"cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep 'canary{of}'").stdout == ""
    assert host.run(f"journalctl --no-pager --quiet --grep 'canary{of}'").stdout == ""
    found = host.run(
        "grep --recursive --files-with-matches --no-messages "
        f"'canary{of}' /etc /opt/mlflow/bin /run /tmp /var/lib/mlflow"
    )
    readable = [path for path in found.stdout.splitlines() if host.file(path).mode & 0o044]
    assert readable == []
    assert found.stdout, "the canaries are nowhere: this test looks for the wrong words"


def test_ssh_and_the_proxy_alone_listen_beyond_the_loopback(host: Host) -> None:
    addresses = [line.split()[3] for line in host.check_output("ss -Hltn").splitlines()]
    beyond = [address for address in addresses if not address.startswith(("127.", "[::1]"))]
    assert {int(address.rpartition(":")[2]) for address in beyond} == {22, 80, 443}


@pytest.mark.parametrize(("port", "is_open"), [(22, True), (80, True), (443, True), (5000, False), (8900, False)])
def test_nothing_else_answers_outside(server: Server, port: int, is_open: bool) -> None:
    assert server.listens(port) is is_open


def test_load_balancers_are_told_its_health(server: Server) -> None:
    assert server.ask("/health", host="10.1.2.3") == (200, "OK")


@pytest.mark.parametrize(
    ("login", "status"),
    [
        pytest.param(("", ""), 401, id="nobody"),
        pytest.param(("ben", "a wrong password"), 401, id="wrong password"),
        pytest.param(("nobody", "a wrong password"), 401, id="unknown user"),
        pytest.param(READER, 200, id="reader"),
        pytest.param(("admin", "canary of the administrator"), 200, id="administrator"),
    ],
)
def test_it_asks_for_credentials(server: Server, login: tuple[str, str], status: int) -> None:
    user, password = login
    assert server.ask(SEARCH, {"max_results": 1}, user=user, password=password)[0] == status


@pytest.mark.parametrize(
    ("login", "status"), [pytest.param(READER, 403, id="reader"), pytest.param(EDITOR, 200, id="editor")]
)
def test_a_reader_reads_and_an_editor_writes(server: Server, login: tuple[str, str], status: int) -> None:
    user, password = login
    code, answer = server.ask(CHURN, user=user, password=password)
    assert code == 200, answer
    experiment = answer["experiment"]["experiment_id"]
    run = {"experiment_id": experiment, "run_name": user}
    assert server.ask("/api/2.0/mlflow/runs/create", run, user=user, password=password)[0] == status


def artifact(server: Server, name: str) -> str:
    """Where an artifact of the experiment is, of which there need not be one yet."""
    user, password = EDITOR
    _status, found = server.ask(CHURN, user=user, password=password)
    return f"/api/2.0/mlflow-artifacts/artifacts/{found['experiment']['experiment_id']}/notes/{name}"


@pytest.mark.parametrize(
    "size", [pytest.param(4, id="small"), pytest.param(999_999, id="just small"), pytest.param(3_000_000, id="large")]
)
def test_an_artifact_goes_to_the_bucket_and_comes_back(server: Server, size: int) -> None:
    user, password = EDITOR
    where, content = artifact(server, f"{size}.txt"), "kept, " * (size // 6) + "k" * (size % 6)
    assert server.ask(where, content.encode(), user=user, password=password)[0] == 200
    assert server.ask(where, user=user, password=password) == (200, content)


@pytest.mark.parametrize("size", [pytest.param(100, id="small"), pytest.param(3_000_000, id="large")])
def test_uploads_that_take_their_time_keep_nobody_from_calling(server: Server, size: int) -> None:
    user, password = EDITOR
    where = artifact(server, "slow.txt")
    with contextlib.ExitStack() as uploads:
        for _ in range(MANY):
            connection = uploads.enter_context(contextlib.closing(server.connect()))
            connection.putrequest("PUT", server.prefix + where)
            for name, value in {"Content-Length": str(size), **server.credentials(user, password)}.items():
                connection.putheader(name, value)
            connection.endheaders(b"the first of it")
        for _ in range(MANY):
            assert server.ask(SEARCH, {"max_results": 1}, user=user, password=password)[0] == 200


def test_backups_are_made_every_night_and_when_somebody_asks(host: Host, name: str) -> None:
    assert host.service("mlflow-backup.timer").is_running
    assert host.service("mlflow-backup.timer").is_enabled
    host.check_output("systemctl start mlflow-backup")
    manifest = json.loads(host.file("/var/lib/mlflow/mlflow-backup.json").content_string)
    assert manifest["location"].startswith(f"gs://{PROJECT}-servers/backups/{name}/")
    assert manifest["counts"]["users"] == 4
    assert {entry["file"] for entry in manifest["databases"]} == {"tracking.zip", "authentication.zip"}
