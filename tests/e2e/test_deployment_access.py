# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a deployment lets in, what it shows, and how those work with it who may."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import socket
import ssl
import stat
import subprocess
import tempfile
import typing as t
from pathlib import Path

import docker
import pytest
from client import Client
from conftest import EXPERIMENT, GUEST, GUEST_PASSWORD, PASSWORD, READER, Deployed
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from playwright.sync_api import BrowserContext, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from sandbox import CHECKOUT, Sandbox

# Where the picture of the experiment page is kept for who wants to see it.
PICTURE = CHECKOUT / "tests/output/experiments.png"
# A bounded try of every TCP port, to one host.
SCAN = """
import asyncio, sys

async def opens(port, gate):
    async with gate:
        try:
            _reader, writer = await asyncio.wait_for(asyncio.open_connection(sys.argv[1], port), 1)
        except (OSError, asyncio.TimeoutError):
            return False
        writer.close()
        return True

async def main():
    gate = asyncio.Semaphore(3000)
    ports = range(1, 65536)
    found = await asyncio.gather(*(opens(port, gate) for port in ports))
    print(*(port for port, there in zip(ports, found) if there))

asyncio.run(main())
"""
LOG = """
import mlflow
mlflow.set_experiment("client")
with mlflow.start_run() as run:
    mlflow.log_metric("accuracy", 0.5)
    mlflow.log_text("kept in the bucket", "note.txt")
print(mlflow.get_run(run.info.run_id).data.metrics["accuracy"])
print(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/note.txt"))
"""


@pytest.fixture(scope="module")
def reader(client: Client) -> tuple[str, str]:
    """The login of a user whose password was made."""
    return READER, client.secrets()["mlflow-user-reader"]


@pytest.fixture(scope="module")
def canaries(client: Client) -> dict[str, str]:
    """Of each secret, a part that looks the same wherever it is written."""
    key = client.ssh("sudo cat /etc/mlflow/tls/server.pem").partition("PRIVATE KEY-----")[2].split()
    found = {name: value for name, value in client.secrets().items() if name != "mlflow-database-password"}
    assert sorted(found) == [
        "mlflow-admin-password",
        "mlflow-encryption-passphrase",
        "mlflow-flask-secret",
        "mlflow-user-reader",
    ]
    return found | {"database": PASSWORD[-10:], "guest": GUEST_PASSWORD[-10:], "TLS key": key[1]}


def shown(canaries: dict[str, str], text: str) -> list[str]:
    """The secrets that a text shows."""
    return [name for name, canary in canaries.items() if canary in text]


def test_ssh_and_the_proxy_are_all_that_answers(client: Client, deployment: Sandbox) -> None:
    engine = docker.DockerClient(base_url=deployment.variables["DOCKER_HOST"])
    image = next(image.tags[0] for image in engine.images.list() if any("/debian-12:" in tag for tag in image.tags))
    # In a container that has the network of this machine, whose address the firewall lets in.
    found = engine.containers.run(
        image, ["-c", SCAN, client.address], entrypoint="python3", network_mode="host", remove=True
    )
    assert found.split() == [b"22", b"80", b"443"]


def test_the_server_itself_listens_to_the_machine_alone(client: Client) -> None:
    listeners = [line.split()[3] for line in client.ssh("ss --no-header --listening --tcp --numeric").splitlines()]
    outside = {address.rpartition(":")[2] for address in listeners if not address.startswith(("127.", "[::1]"))}
    assert outside == {"22", "80", "443"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/", 401, id="the page"),
        pytest.param("/version", 401, id="the version"),
        pytest.param("/api/2.0/mlflow/experiments/search?max_results=1", 401, id="the API"),
        pytest.param("/ajax-api/2.0/mlflow/experiments/search?max_results=1", 401, id="the API of the page"),
        pytest.param("/api/2.0/mlflow-artifacts/artifacts", 401, id="artifacts"),
        pytest.param("/v1/traces", 401, id="traces"),
        pytest.param("/metrics", 403, id="metrics"),
        pytest.param("/health", 200, id="health, for load balancers"),
    ],
)
def test_nobody_gets_in_without_credentials(client: Client, path: str, status: int) -> None:
    assert client.ask("GET", path).status_code == status


def test_a_wrong_password_does_not_get_in(client: Client) -> None:
    assert client.ask("GET", "/version", ("admin", "password1234")).status_code == 401
    assert client.ask("GET", "/version", client.administrator).status_code == 200


def test_plain_http_is_sent_to_https(client: Client) -> None:
    plain = client.url.replace("https:", "http:")
    with socket.create_connection((client.address, 80), timeout=10) as stream:
        stream.sendall(f"GET /version HTTP/1.1\r\nHost: {client.address}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: stream.recv(4096), b"")).decode()
    assert plain != client.url
    assert re.match(r"HTTP/1\.1 30[18] ", answer)
    assert f"Location: {client.url}/version\r\n" in answer


@pytest.mark.parametrize("host", ["evil.example", "198.51.100.1", "mlflow.evil.example:443"])
def test_a_wrong_host_is_refused(client: Client, host: str) -> None:
    refused = client.ask("GET", "/version", client.administrator, headers={"Host": host})
    assert refused.status_code == 421
    assert "not known by that name" in refused.text


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        pytest.param(ssl.TLSVersion.TLSv1, False, id="1.0"),
        pytest.param(ssl.TLSVersion.TLSv1_1, False, id="1.1"),
        pytest.param(ssl.TLSVersion.TLSv1_2, True, id="1.2"),
        pytest.param(ssl.TLSVersion.TLSv1_3, True, id="1.3"),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")  # it is offered to be refused
def test_old_tls_is_refused(client: Client, version: ssl.TLSVersion, taken: bool) -> None:
    context = ssl.create_default_context(cafile=client.ca_file)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    refused = ""
    with socket.create_connection((client.address, 443), timeout=10) as stream:
        try:
            context.wrap_socket(stream, server_hostname=client.address).close()
        except ssl.SSLError as error:
            refused = error.reason
    # The alert is the server's: it was offered.
    assert refused == ("" if taken else "TLSV1_ALERT_PROTOCOL_VERSION")


@pytest.mark.parametrize("unit", ["mlflow.service", "mlflow-api.service"])
def test_a_server_may_do_little(client: Client, unit: str) -> None:
    said = client.ssh(f"sudo systemd-analyze security --no-pager {unit}")
    (exposure,) = re.findall(rf"Overall exposure level for {re.escape(unit)}: ([0-9.]+)", said)
    assert float(exposure) <= 1.5, said


def test_ansible_shows_no_secret_however_much_it_tells(deployed: Deployed, canaries: dict[str, str]) -> None:
    assert "Escalation succeeded" in deployed.run.output or "<localhost> EXEC" in deployed.run.output
    assert shown(canaries, deployed.run.output) == []


def test_no_process_has_a_secret_in_its_arguments(deployed: Deployed, canaries: dict[str, str]) -> None:
    assert "ansible-playbook" in deployed.arguments
    assert "nginx" in deployed.arguments
    assert shown(canaries, deployed.arguments) == []


def test_no_cache_of_facts_has_a_secret(deployed: Deployed, canaries: dict[str, str]) -> None:
    texts = [file.read_text() for file in deployed.facts.iterdir()]
    assert texts
    assert shown(canaries, "\n".join(texts)) == []


def test_the_vm_shows_no_secret_to_anybody(client: Client, canaries: dict[str, str]) -> None:
    told = client.ssh(
        "ps -eo args; sudo journalctl --no-pager; sudo systemctl show mlflow nginx; systemctl cat mlflow nginx; "
        "sudo cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    )
    assert "mlflow" in told
    assert shown(canaries, told) == []
    readable = client.ssh(
        "sudo install -m 600 /dev/stdin /root/canaries; "
        "sudo find / /run /dev/shm /tmp -xdev -type f -perm /o+r -size -1M -print0 "
        "| sudo xargs -0 grep -lF -f /root/canaries; sudo rm /root/canaries",
        given="\n".join(canaries.values()),
    )
    assert readable == ""


def test_this_machine_shows_no_secret_to_anybody(client: Client, deployed: Deployed, canaries: dict[str, str]) -> None:
    since = (deployed.sandbox.directory / "client").stat().st_ctime
    roots = [deployed.sandbox.directory / "client", Path(os.environ["ANSIBLE_HOME"]), Path(tempfile.gettempdir())]
    files = [Path(folder, name) for root in roots for folder, _folders, names in os.walk(root) for name in names]
    found = {}
    for file in files:
        # Some go meanwhile.
        with contextlib.suppress(FileNotFoundError):
            status = file.lstat()
            is_open = stat.S_ISREG(status.st_mode) and status.st_mode & 0o004 and not os.path.ismount(file)
            if is_open and status.st_size < 1e6 and status.st_mtime > since - 600:
                found[file] = shown(canaries, file.read_text(errors="replace"))
    assert found
    assert {file: names for file, names in found.items() if names} == {}
    kept = {name: (client.directory / name).stat().st_mode & 0o777 for name in ("mlflow-client.env", "netrc")}
    assert kept == {"mlflow-client.env": 0o600, "netrc": 0o600}


def test_a_reader_reads_and_does_not_write(client: Client, reader: tuple[str, str]) -> None:
    seen = client.api("experiments/search", {"max_results": 100}, reader).json()["experiments"]
    known = {experiment["name"]: experiment["experiment_id"] for experiment in seen}
    assert {"iris", EXPERIMENT} <= set(known)
    found = client.api("runs/search", {"experiment_ids": [known["iris"]]}, reader).json()["runs"]
    run_id = found[0]["info"]["run_id"]
    writes = {
        "runs/create": {"experiment_id": known[EXPERIMENT], "start_time": 0},
        "runs/log-metric": {"run_id": run_id, "key": "accuracy", "value": 0.0, "timestamp": 0},
        "runs/delete": {"run_id": run_id},
        "experiments/update": {"experiment_id": known[EXPERIMENT], "new_name": "mine"},
        "experiments/delete": {"experiment_id": known[EXPERIMENT]},
        "users/create": {"username": "friend", "password": "a long password"},
    }
    answers = {path: client.api(path, body, reader).status_code for path, body in writes.items()}
    assert answers == dict.fromkeys(writes, 403)


def test_a_password_of_ones_own_works_whatever_is_in_it(client: Client) -> None:
    assert client.api("experiments/search", {"max_results": 1}, (GUEST, GUEST_PASSWORD)).status_code == 200


def test_mlflow_works_with_the_environment_of_a_client(client: Client) -> None:
    run = client.python(LOG)
    assert run.status == 0, run.output
    assert run.output.splitlines()[-2:] == ["0.5", "kept in the bucket"]


def test_curl_works_with_the_netrc_of_a_client(client: Client, deployment: Sandbox) -> None:
    url = f"{client.url}/api/2.0/mlflow/experiments/search?max_results=100"
    known = ["--netrc-file", str(client.directory / "netrc"), "--cacert", client.ca_file]
    curl = ["curl", "--silent", "--show-error", "--write-out", "\n%{http_code}"]
    answer = subprocess.run(
        [*curl, *known, url], env=deployment.environment, check=True, capture_output=True, text=True
    )
    body, _newline, status = answer.stdout.rpartition("\n")
    assert status == "200"
    assert "iris" in {experiment["name"] for experiment in json.loads(body)["experiments"]}


def test_a_browser_shows_the_experiments_after_a_login_and_not_before(client: Client, tmp_path: Path) -> None:
    username, password = client.administrator
    experiments = client.api("experiments/search", {"max_results": 100}, client.administrator).json()["experiments"]
    (iris,) = [experiment["experiment_id"] for experiment in experiments if experiment["name"] == "iris"]
    found = client.api("runs/search", {"experiment_ids": [iris]}, client.administrator).json()["runs"]
    page_of_iris = f"{client.url}/#/experiments/{iris}/runs"
    with sync_playwright() as playwright:

        def browser(profile: str, **login: t.Any) -> BrowserContext:
            return playwright.chromium.launch_persistent_context(
                tmp_path / profile,
                executable_path="/usr/bin/chromium",
                viewport={"width": 1280, "height": 720},
                # The certificate of this deployment is trusted, and no other.
                args=[
                    "--no-sandbox",
                    "--disable-dev-shm-usage",
                    "--no-proxy-server",
                    f"--ignore-certificate-errors-spki-list={fingerprint(Path(client.ca_file))}",
                ],
                **login,
            )

        with browser("stranger") as stranger, pytest.raises(PlaywrightError, match="ERR_INVALID_AUTH_CREDENTIALS"):
            stranger.new_page().goto(page_of_iris)
        with browser("administrator", http_credentials={"username": username, "password": password}) as context:
            page = context.new_page()
            page.goto(page_of_iris)
            for run in found:
                page.get_by_text(run["info"]["run_name"]).first.wait_for(timeout=60_000)
            PICTURE.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=PICTURE)
    assert PICTURE.stat().st_size > 20_000


def fingerprint(certificate: Path) -> str:
    """How a browser calls the key of a certificate."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    digest = hashes.Hash(hashes.SHA256())
    digest.update(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
    return base64.b64encode(digest.finalize()).decode()
