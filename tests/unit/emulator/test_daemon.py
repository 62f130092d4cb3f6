# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line and the files of a sandbox, without what needs a container engine."""

from __future__ import annotations

import fcntl
import stat
import subprocess
from pathlib import Path

import pytest
from gcp_emulator import __main__ as command
from gcp_emulator import certificates, daemon, server
from gcp_emulator.settings import Settings
from gcp_emulator.store import Store

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


@pytest.mark.parametrize("changes", [{"project": "other-project"}, {"subnet": "198.18.9.0/24"}, {"name": "other"}])
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
    ],
)
def test_an_option_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str], option: list[str], words: str) -> None:
    with pytest.raises(SystemExit) as raised:
        command.parser().parse_args(["up", *option])
    assert raised.value.code == 2
    assert words in capsys.readouterr().err


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
