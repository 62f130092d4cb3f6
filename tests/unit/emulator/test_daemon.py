# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line and the files of a sandbox, without what needs a container engine."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import google.auth
import google.auth.credentials
import pytest
from gcp_emulator import __main__ as command
from gcp_emulator import certificates, daemon, server
from gcp_emulator.settings import Settings
from gcp_emulator.store import Store
from google.auth.transport.requests import AuthorizedSession

PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in (*PROXIES, *certificates.VARIABLES):
        monkeypatch.delenv(name, raising=False)
    made = Settings(tmp_path)
    made.save()
    return made


def test_settings_survive(settings: Settings) -> None:
    assert Settings.load(settings.directory) == settings


@pytest.mark.parametrize(
    "changes", [{"project": "other-project"}, {"subnet": "198.18.9.0/24"}, {"name": "other"}, {"apis_only": True}]
)
def test_what_a_sandbox_is_cannot_change(settings: Settings, changes: dict[str, str]) -> None:
    with pytest.raises(daemon.SandboxError, match=r"cannot become .* Take it down first"):
        daemon._settled(settings.directory, changes)


def test_how_a_sandbox_works_can_change(settings: Settings) -> None:
    assert daemon._settled(settings.directory, {"operation_seconds": 2.0}).operation_seconds == 2.0


def test_the_machines_own_proxy_is_remembered(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:8080")
    monkeypatch.setenv("no_proxy", ".example.com")
    found = daemon._settled(settings.directory, {})
    assert (found.upstream_proxy, found.upstream_bypass) == ("http://proxy.example.com:8080", ".example.com")
    found.save()
    monkeypatch.setenv("https_proxy", settings.proxy_url)
    assert daemon._settled(settings.directory, {}) == found


def test_the_server_does_not_speak_through_itself(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", settings.proxy_url)
    monkeypatch.setenv("SSL_CERT_FILE", str(settings.ca_bundle))
    clean = daemon._clean_environment(settings)
    assert "HTTPS_PROXY" not in clean
    assert "SSL_CERT_FILE" not in clean


def test_the_environment_is_what_a_shell_reads(settings: Settings) -> None:
    shown = subprocess.run(
        ["sh", "-c", f'{daemon.exports(settings.directory)}\nprintf %s "$HTTPS_PROXY $GOOGLE_APPLICATION_CREDENTIALS"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == f"http://198.18.77.1:3128 {settings.credentials}"


def test_a_directory_without_a_sandbox_has_no_environment(tmp_path: Path) -> None:
    with pytest.raises(daemon.SandboxError, match="There is no sandbox"):
        daemon.environment(tmp_path)


def test_nothing_runs_where_nothing_was_started(tmp_path: Path) -> None:
    found = daemon.status(tmp_path)
    assert (found["exists"], found["running"]) == (False, False)
    assert daemon.describe(found) == f"no sandbox in {tmp_path}\n"


def test_the_lock_tells_whether_a_server_lives(settings: Settings) -> None:
    pid_file = settings.directory / "server.pid"
    pid_file.write_text("4711\n")
    assert daemon._running(settings.directory) is None
    with pid_file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert daemon._running(settings.directory) == 4711
        with pytest.raises(daemon.SandboxError, match="runs already"):
            daemon.serve(settings.directory)


def test_taking_down_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    daemon.down(tmp_path / "nowhere")


def test_the_owner_and_the_key_are_made_once(settings: Settings) -> None:
    store = Store(settings.directory / "state.db")
    server.prepare(settings, store)
    content = settings.credentials.read_text()
    assert settings.credentials.stat().st_mode & 0o777 == 0o600
    server.prepare(settings, store)
    assert settings.credentials.read_text() == content
    settings.credentials.unlink()
    server.prepare(settings, store)
    bindings = (store.get("policies", f"projects/{settings.project}") or {})["bindings"]
    owner = f"serviceAccount:sandbox-owner@{settings.project}.iam.gserviceaccount.com"
    assert bindings == [{"role": "roles/owner", "members": [owner]}]


def test_the_authority_stays_and_its_key_is_private(settings: Settings) -> None:
    certificates.ensure(settings)
    first = certificates.authority(settings).read_bytes()
    certificates.ensure(settings)
    assert certificates.authority(settings).read_bytes() == first
    assert (settings.directory / "ca-key.pem").stat().st_mode & 0o777 == 0o600
    assert settings.ca_bundle.read_bytes().endswith(first)


def test_the_bundle_builds_on_what_the_environment_names(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    own = settings.directory / "company.pem"
    own.write_text("company\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    certificates.ensure(settings)
    assert settings.ca_bundle.read_text().startswith("company\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(settings.ca_bundle))
    certificates.ensure(settings)
    assert settings.ca_bundle.read_text().startswith("company\n")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--subnet", "198.18.0.0/16"], "is not a /24"),
        (["--subnet", "nonsense"], "invalid _subnet value"),
        (["--project", "Bad"], "is no project id"),
        (["--name", "under_score"], "is no name"),
        (["--quota", "NONSENSE=1"], "NONSENSE=1 is no quota, such as FIREWALLS=3"),
    ],
)
def test_an_option_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str], option: list[str], words: str) -> None:
    with pytest.raises(SystemExit) as raised:
        command.parser().parse_args(["up", *option])
    assert raised.value.code == 2
    assert words in capsys.readouterr().err


def run(directory: Path, *words: str) -> str:
    """The output of a command of the sandbox, as a person without Docker runs it."""
    environment = {name: value for name, value in os.environ.items() if name not in (*PROXIES, *certificates.VARIABLES)}
    package = str(Path(daemon.__file__).parents[1])
    command = [sys.executable, "-m", "gcp_emulator", *words, "--directory", str(directory)]
    environment |= {"PYTHONPATH": package, "DOCKER_HOST": "unix:///nowhere"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_apis_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "sandbox"
    run(directory, "up", "--apis-only", "--project", "alone-project")
    try:
        found = json.loads(run(directory, "status", "--json"))
        assert (found["ready"], found["address"]) == (True, "127.0.0.1")
        run(directory, "up")  # a second time, without the option: it is what it was
        for name in (*PROXIES, *certificates.VARIABLES):
            monkeypatch.delenv(name, raising=False)
        for name, value in daemon.environment(directory).items():
            monkeypatch.setenv(name, value)
        credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        with AuthorizedSession(credentials) as session:
            accounts = session.get(f"https://iam.googleapis.com/v1/projects/{project}/serviceAccounts")
        assert (accounts.status_code, project) == (200, "alone-project")
        check_faults(directory, credentials)
    finally:
        run(directory, "down")
    assert not directory.exists()


def check_faults(directory: Path, credentials: google.auth.credentials.Credentials) -> None:
    """Faults and the log of calls, from the command line."""
    method, url = "iam.roles.list", "https://iam.googleapis.com/v1/roles"
    assert "call 2 of iam.roles.list: met by 0 of 0 calls" in run(
        directory, "fault", "add", method, "--kind", "429", "--call", "2"
    )
    run(directory, "fault", "add", method, "--kind", "503", "--call", "3", "--retry-after", "1")
    run(directory, "requests", "--clear")
    with AuthorizedSession(credentials, refresh_status_codes=()) as session:
        statuses = [session.get(url).status_code for _turn in range(4)]
    assert statuses == [200, 429, 503, 200]
    logged = json.loads(run(directory, "requests", "--json"))["requests"]
    assert [record["status"] for record in logged if record["method"] == method] == statuses
    assert "429 iam.roles.list /v1/roles" in run(directory, "requests")
    run(directory, "fault", "clear", "1")
    assert run(directory, "fault", "list") == "2: 503 for call 3 of iam.roles.list: met by 1 of 4 calls\n"
    run(directory, "fault", "clear")
    assert json.loads(run(directory, "fault", "list", "--json")) == {"faults": []}
    with pytest.raises(subprocess.CalledProcessError) as raised:
        run(directory, "fault", "add", method, "--kind", "operation-error")
    assert "is for methods that begin an operation" in raised.value.stderr


def test_a_sandbox_that_does_not_run_takes_no_faults(settings: Settings) -> None:
    with pytest.raises(daemon.SandboxError, match="No sandbox runs"):
        daemon.ask(settings.directory, "GET", "/faults")


@pytest.mark.parametrize(
    ("words", "quotas"),
    [
        (["--quota", "FIREWALLS=3", "--quota", "europe-west1/CPUS=8"], {"FIREWALLS": 3.0, "europe-west1/CPUS": 8.0}),
        (["--quota", "none"], {}),
    ],
)
def test_quotas_replace_those_from_before(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, words: list[str], quotas: dict[str, float]
) -> None:
    replace(settings, quotas={"ROUTERS": 1.0}).save()
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(daemon, "up", lambda _directory, changes: asked.append(changes))
    monkeypatch.setattr(sys, "argv", ["gcp_emulator", "up", "--directory", str(settings.directory), *words])
    assert command.main() == 0
    assert daemon._settled(settings.directory, asked[0]).quotas == quotas


def test_each_sandbox_of_the_apis_alone_has_a_port_of_its_own(tmp_path: Path) -> None:
    first = daemon._settled(tmp_path / "first", {"apis_only": True})
    with socket.create_server((first.address, first.proxy_port)):
        second = daemon._settled(tmp_path / "second", {"apis_only": True})
    assert second.proxy_port != first.proxy_port
    assert daemon._settled(tmp_path / "third", {"apis_only": True, "proxy_port": 3333}).proxy_port == 3333


def test_the_settings_are_for_their_owner_alone_from_the_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    write = Path.write_text

    def watched(path: Path, text: str) -> int:
        modes.append(stat.S_IMODE(path.stat().st_mode))
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", watched)
    Settings(tmp_path, upstream_proxy="http://user:secret@proxy.example:8080").save()
    assert modes == [0o600]
