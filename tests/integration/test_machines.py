# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real VMs: booted, reached by SSH, stopped, deleted."""

from __future__ import annotations

import dataclasses
import functools
import http.server
import json
import socket
import subprocess
import threading
import typing as t
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from gcp_emulator.backends import FirewallRule, Machine
from gcp_emulator.backends.machines import DockerMachines
from gcp_emulator.errors import ApiError

from .conftest import SECONDS, Lab, eventually

pytestmark = pytest.mark.integration

INTERNET = ("0.0.0.0/0",)
RANGES = ("10.128.0.0/20",)
SSH = FirewallRule(65534, True, INTERNET, "tcp", ("22",))
SERVER = FirewallRule(1000, True, INTERNET, "tcp", ("5000",))


class Metadata:
    """As much of a metadata server as the guest agent needs; each change of the attributes wakes who waits."""

    def __init__(self, address: str, port: int) -> None:
        self.attributes: dict[str, str] = {}
        self.callers: set[str] = set()
        self.version = 1
        self.changed = threading.Condition()
        handler = functools.partial(_Handler, self)
        self.server = http.server.ThreadingHTTPServer((address, port), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def set(self, **attributes: str) -> None:
        """Replace the attributes; underscores in names stand for hyphens."""
        with self.changed:
            self.attributes = {name.replace("_", "-"): value for name, value in attributes.items()}
            self.version += 1
            self.changed.notify_all()


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, metadata: Metadata, *arguments: t.Any) -> None:
        self.metadata = metadata
        super().__init__(*arguments)

    def do_GET(self) -> None:
        metadata, url = self.metadata, urlsplit(self.path)
        metadata.callers.add(self.client_address[0])
        query = parse_qs(url.query)
        with metadata.changed:
            if query.get("last_etag") == [str(metadata.version)]:
                metadata.changed.wait(float(query["timeout_sec"][0]))
            attributes, etag = metadata.attributes, str(metadata.version)
        name = url.path.rpartition("/")[2]
        if "recursive" in query:
            body = json.dumps({"instance": {"attributes": attributes, "hostname": "vm.c.p.internal"}, "project": {}})
        else:
            body = attributes.get(name, "")
        found = "recursive" in query or ("/instance/" in url.path and name in attributes)
        self.send_response(200 if found and self.headers["Metadata-Flavor"] == "Google" else 404)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002 (the base class's name)
        pass


@dataclasses.dataclass
class Guest:
    """A VM and how a user gets into it."""

    machine: Machine
    machines: DockerMachines
    metadata: Metadata
    key: Path

    def ssh(self, command: str, user: str = "ada", check: bool = True) -> str:
        """Run a command as a user; what it prints."""
        settings = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes")
        options = [f"-o{setting}" for setting in (*settings, "ConnectTimeout=10")]
        done = subprocess.run(
            ["ssh", "-i", str(self.key), *options, f"{user}@{self.machine.external_ip}", command],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()


def is_open(address: str | None, port: int) -> bool:
    """Whether a connection is made, or at least refused by the VM itself."""
    try:
        socket.create_connection((str(address), port), timeout=2).close()
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.fixture(scope="module")
def metadata(lab: Lab) -> Metadata:
    return Metadata(lab.engine.settings.address, lab.engine.settings.metadata_port)


@pytest.fixture(scope="module")
def guest(lab: Lab, metadata: Metadata, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Guest]:
    key = tmp_path_factory.mktemp("ssh") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    machines = DockerMachines(lab.engine, lab.images)
    machine = Machine(
        project="p",
        zone="z",
        name="vm",
        image="debian-12",
        vcpus=1,
        memory_mb=1024,
        network="projects/p/global/networks/default",
        internal_ip="10.128.0.2",
        external_ip=lab.engine.settings.address.rpartition(".")[0] + ".20",
        subnet_ranges=RANGES,
        firewall=(SERVER, SSH),
    )
    metadata.set(
        ssh_keys=f"ada:{key.with_suffix('.pub').read_text()}", startup_script="#!/bin/sh\necho up >>/startup\n"
    )
    machines.start(machine)
    guest = Guest(machine, machines, metadata, key)
    yield guest
    machines.delete(machine.path)
    assert lab.left() == []


def test_a_user_of_the_metadata_may_become_root(guest: Guest) -> None:
    assert guest.ssh("sudo id -un; hostname") == "root\nvm"


def test_the_startup_script_runs_and_tells_the_console(guest: Guest) -> None:
    eventually(lambda: "startup-script exit status 0" in guest.machines.serial_output(guest.machine.path))
    assert guest.ssh("cat /startup").splitlines()[0] == "up"


def test_a_key_that_is_removed_lets_nobody_in(guest: Guest) -> None:
    public = guest.key.with_suffix(".pub").read_text()
    guest.metadata.set(ssh_keys=f"ada:{public}\nbob:{public}")
    eventually(lambda: guest.ssh("id -un", user="bob", check=False) == "bob")
    guest.metadata.set(ssh_keys=f"ada:{public}")
    eventually(lambda: guest.ssh("id -un", user="bob", check=False) == "")
    assert "bob" not in guest.ssh("getent group google-sudoers")


def test_an_image_has_no_more_than_debian(guest: Guest) -> None:
    assert guest.ssh("python3 -m venv /tmp/v >/dev/null 2>&1 || echo refused") == "refused"
    assert guest.ssh("command -v pip pip3 || echo none") == "none"


def test_the_authority_of_the_sandbox_is_trusted(guest: Guest, lab: Lab) -> None:
    authority = (lab.engine.settings.directory / "ca.pem").read_text().strip()
    assert authority in guest.ssh("cat /etc/ssl/certs/ca-certificates.crt")


def test_limits_are_the_machine_types(guest: Guest, lab: Lab) -> None:
    container = lab.engine.client().containers.get("gcp-integration-z-vm")
    assert container.attrs["HostConfig"]["Memory"] == 1024 * 1024 * 1024
    assert container.attrs["HostConfig"]["CpuQuota"] == 100_000
    bigger = dataclasses.replace(guest.machine, memory_mb=2048)
    guest.machines.configure(bigger)
    container.reload()
    assert container.attrs["HostConfig"]["Memory"] == 2048 * 1024 * 1024


def test_a_port_is_open_with_a_rule_alone(guest: Guest) -> None:
    address = guest.machine.external_ip
    assert is_open(address, 5000)
    assert not is_open(address, 5001)
    guest.machines.configure(dataclasses.replace(guest.machine, firewall=(SSH,)))
    assert not is_open(address, 5000)
    guest.machines.configure(guest.machine)
    assert is_open(address, 5000)


def test_a_reboot_from_inside_keeps_address_and_firewall(guest: Guest) -> None:
    before = guest.ssh("cat /proc/sys/kernel/random/boot_id; sudo touch /kept")
    guest.ssh("sudo systemctl reboot", check=False)
    eventually(lambda: guest.ssh("cat /proc/sys/kernel/random/boot_id", check=False) not in ("", before))
    assert guest.ssh("ls /kept; ip -o -4 address").count("10.128.0.2/32") == 1
    assert is_open(guest.machine.external_ip, 5000)
    assert not is_open(guest.machine.external_ip, 5001)


def test_a_stop_keeps_the_disk(guest: Guest) -> None:
    path = guest.machine.path
    key = guest.ssh("sudo touch /kept; cat /etc/ssh/ssh_host_ed25519_key.pub")
    guest.machines.stop(path)
    guest.machines.stop(path)
    assert not guest.machines.running(path)
    guest.machines.start(guest.machine)
    assert guest.machines.running(path)
    eventually(lambda: guest.ssh("ls /kept", check=False) == "/kept")
    assert guest.ssh("cat /etc/ssh/ssh_host_ed25519_key.pub") == key


def test_a_reset_boots_again(guest: Guest) -> None:
    before = guest.ssh("cat /proc/sys/kernel/random/boot_id")
    guest.machines.reset(guest.machine.path)
    eventually(lambda: guest.ssh("cat /proc/sys/kernel/random/boot_id", check=False) not in ("", before))


def test_a_pod_that_died_is_healed_by_a_start(guest: Guest, lab: Lab) -> None:
    lab.engine.client().containers.get("gcp-integration-z-vm.net").kill()
    guest.machines.start(guest.machine)
    eventually(lambda: guest.ssh("id -un", check=False) == "ada")


def test_another_external_address_takes_effect_at_once(guest: Guest) -> None:
    moved = dataclasses.replace(guest.machine, external_ip=str(guest.machine.external_ip).rpartition(".")[0] + ".21")
    guest.machines.configure(moved)
    assert guest.machines.metadata_address(moved.path) == moved.external_ip
    assert is_open(moved.external_ip, 22)
    guest.machines.configure(guest.machine)
    assert is_open(guest.machine.external_ip, 22)


def test_an_external_address_that_is_taken_is_refused(guest: Guest) -> None:
    other = dataclasses.replace(guest.machine, name="other", internal_ip="10.128.0.4")
    try:
        with pytest.raises(ApiError, match=r"198\.18\.79\.20 is already in use"):
            guest.machines.start(other)
    finally:
        guest.machines.delete(other.path)


@pytest.fixture
def outside(lab: Lab) -> t.Iterator[dict[str, str]]:
    """Who listens at the sandbox's address: where its proxy would, and where anybody on the Internet might."""
    address, proxy_port = lab.engine.settings.address, lab.engine.settings.proxy_port
    with socket.create_server((address, proxy_port)), socket.create_server((address, 0)) as anybody:
        yield {"proxy": f"{address}/{proxy_port}", "anybody": f"{address}/{anybody.getsockname()[1]}"}


@pytest.mark.parametrize(
    ("google_access", "nat", "reached"),
    [
        pytest.param(False, False, {"neighbour"}, id="none"),
        pytest.param(True, False, {"neighbour", "proxy"}, id="to Google"),
        pytest.param(True, True, {"neighbour", "proxy", "anybody"}, id="by NAT"),
    ],
)
def test_a_vm_without_an_external_address_goes_out_as_it_may_and_nobody_comes_in(
    guest: Guest, lab: Lab, outside: dict[str, str], google_access: bool, nat: bool, reached: set[str]
) -> None:
    private = dataclasses.replace(guest.machine, name="private", internal_ip="10.128.0.3", external_ip=None)
    guest.machines.start(private)
    try:
        address = guest.machines.metadata_address(private.path)
        eventually(lambda: address in guest.metadata.callers)
        guest.machines.configure(dataclasses.replace(private, google_access=google_access, nat=nat))
        inside = lab.engine.client().containers.get("gcp-integration-z-private")
        for name, target in {"neighbour": f"{guest.machine.internal_ip}/22", **outside}.items():
            command = ["timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{target}"]
            assert (inside.exec_run(command).exit_code == 0) == (name in reached), name
        assert not is_open(address, 22)
        assert guest.ssh("timeout 3 bash -c 'exec 3<>/dev/tcp/10.128.0.3/22' && echo reached") == "reached"
    finally:
        guest.machines.delete(private.path)


def test_what_is_not_there_may_be_stopped_and_deleted(lab: Lab) -> None:
    machines = DockerMachines(lab.engine, lab.images)
    machines.stop("projects/p/zones/z/instances/none")
    machines.delete("projects/p/zones/z/instances/none")
    assert not machines.running("projects/p/zones/z/instances/none")
    assert machines.serial_output("projects/p/zones/z/instances/none") == ""
