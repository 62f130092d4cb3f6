# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VM without an external address: what Private Google Access and Cloud NAT let it reach, from API to packet."""

from __future__ import annotations

import json
import socket
import typing as t

import pytest
from conftest import started
from sandbox import CHECKOUT, Sandbox

# Tells the console once a second what is reached: Google's API, another host by the proxy, and that host directly.
LOOK = """#!/usr/bin/python3
import socket, time

def opens(address, port, through=None):
    try:
        with socket.create_connection(through or (address, port), timeout=1) as stream:
            if through:
                stream.sendall(f"CONNECT {address}:{port} HTTP/1.1\\r\\n\\r\\n".encode())
                return b" 200 " in stream.recv(100)
            return True
    except OSError:
        return False

proxy = ("GATEWAY", 3128)
while True:
    found = {
        "google": opens("storage.googleapis.com", 443, proxy),
        "proxied": opens("GATEWAY", PORT, proxy),
        "direct": opens("GATEWAY", PORT),
    }
    print("reached:", ",".join(name for name, there in found.items() if there) or "nothing", flush=True)
    time.sleep(1)
"""
STEP = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.mlflow.gcp: {project: "{{ gcp_project }}"}
  environment: "{{ mlflow_controller_environment }}"
  vars:
    gateway:
      name: out
      nat_ip_allocate_option: AUTO_ONLY
      source_subnetwork_ip_ranges_to_nat: LIST_OF_SUBNETWORKS
      subnetworks: [{name: own}]
  tasks:
    - mlops.mlflow.gcp_serviceusage_service: {names: [compute.googleapis.com]}
    - mlops.mlflow.gcp_compute_network: {name: own, auto_create_subnetworks: false}
    - mlops.mlflow.gcp_compute_subnetwork:
        name: own
        region: europe-west1
        network: own
        ip_cidr_range: 10.80.0.0/24
        private_ip_google_access: "{{ access }}"
    - mlops.mlflow.gcp_compute_router:
        name: own
        region: europe-west1
        network: own
        nats: "{{ [gateway] if nat else [] }}"
    - mlops.mlflow.gcp_compute_instance:
        name: private
        zone: europe-west1-b
        machine_type: e2-micro
        disks:
          - {boot: true, auto_delete: true, initialize_params: {source_image: debian-cloud/debian-12}}
        network_interfaces: [{subnetwork: own, access_configs: []}]
        metadata: {startup-script: "{{ look }}"}
"""
GONE = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/mlops.mlflow.gcp: {project: "{{ gcp_project }}", state: absent}
  environment: "{{ mlflow_controller_environment }}"
  tasks:
    - mlops.mlflow.gcp_compute_instance: {name: private, zone: europe-west1-b}
    - mlops.mlflow.gcp_compute_router: {name: own, region: europe-west1}
    - mlops.mlflow.gcp_compute_subnetwork: {name: own, region: europe-west1}
    - mlops.mlflow.gcp_compute_network: {name: own}
"""
# The last line that the console shows after it has shown as many as there were, and two more.
CONSOLE = """
import sys, time
import google.auth
from google.auth.transport.requests import AuthorizedSession
credentials, project = google.auth.default(["https://www.googleapis.com/auth/cloud-platform"])
url = f"https://compute.googleapis.com/compute/v1/projects/{project}/zones/europe-west1-b/instances/private/serialPort"
session, first, wanted = AuthorizedSession(credentials), None, sys.argv[1]
for _attempt in range(120):
    text = session.get(url).json().get("contents", "")
    lines = [line.partition("reached: ")[2].strip() for line in text.splitlines() if "reached: " in line]
    first = len(lines) if first is None else first
    if len(lines) > first + 1 and lines[-1] == wanted:
        break
    time.sleep(0.5)
print(lines[-1] if lines else text)
"""


@pytest.fixture(scope="module")
def ways() -> t.Iterator[Sandbox]:
    """A sandbox for this alone."""
    yield from started(Sandbox(CHECKOUT / ".sandbox-ways", "ways", "198.18.85.0/24"))


@pytest.fixture(scope="module")
def port(ways: Sandbox) -> t.Iterator[int]:
    """Where somebody on the Internet listens."""
    with socket.create_server((ways.variables["GCP_EMULATOR_ADDRESS"], 0), backlog=100) as anybody:
        yield anybody.getsockname()[1]


@pytest.mark.parametrize(
    ("access", "nat", "reached"),
    [
        pytest.param(False, False, "nothing", id="closed"),
        pytest.param(True, False, "google", id="with Private Google Access"),
        pytest.param(False, True, "google,proxied,direct", id="with Cloud NAT"),
    ],
)
def test_a_vm_reaches_what_its_network_lets_it(ways: Sandbox, port: int, access: bool, nat: bool, reached: str) -> None:
    gateway = ways.variables["GCP_EMULATOR_ADDRESS"]
    look = LOOK.replace("GATEWAY", gateway).replace("PORT", str(port))
    variables = {"access": access, "nat": nat, "look": {"__ansible_unsafe": look}}
    run = ways.tasks(STEP, variables)
    assert run.status == 0, run.output
    assert ways.python("-c", CONSOLE, reached).output.splitlines()[-1] == reached


def test_a_network_of_somebody_else_is_left_alone(ways: Sandbox) -> None:
    before = ways.state()["resources"]["compute.subnetworks"]
    variables = {"gcp_infra_network": "own", "gcp_infra_subnetwork_cidr": "10.90.0.0/24"}
    run = ways.playbook("site", "--extra-vars", json.dumps(variables))
    assert run.status != 0
    assert "was not made for this deployment" in run.output
    assert ways.state()["resources"]["compute.subnetworks"] == before


def test_the_network_goes_when_the_rest_has_gone(ways: Sandbox) -> None:
    run = ways.tasks(GONE, {})
    assert run.status == 0, run.output
    found = ways.state()["resources"]
    assert [name for name in found["compute.networks"] if not name.endswith("/default")] == []
    assert found["compute.routers"] == []
