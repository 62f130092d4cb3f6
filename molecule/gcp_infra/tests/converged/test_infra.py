# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a server stands on, as the role leaves it."""

from __future__ import annotations

import os
import socket
import typing as t
from pathlib import Path

import pytest
import testinfra
from cloud import COMPUTE, PROJECT, REGION, Cloud, Host

HERE = f"{os.environ['GCP_EMULATOR_ADDRESS']}/32"
TOKEN = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"

pytestmark = pytest.mark.parametrize("release", ["11", "13"])


def vm(cloud: Cloud, release: str) -> dict[str, t.Any]:
    """The VM, as the API tells it."""
    return cloud.get(f"{COMPUTE}/zones/{REGION}-b/instances/infra-{release}")


def address(cloud: Cloud, release: str) -> str:
    """Where the VM is reached."""
    found: str = vm(cloud, release)["networkInterfaces"][0]["accessConfigs"][0]["natIP"]
    return found


def login(clients: Path, release: str) -> Host:
    """The VM, by the SSH configuration that the role wrote."""
    return testinfra.get_host(f"ssh://infra-{release}", ssh_config=str(clients / f"infra-{release}/ssh_config"))


def test_the_key_that_was_made_opens_a_vm_of_the_release(clients: Path, release: str) -> None:
    host = login(clients, release)
    assert host.system_info.distribution == "debian"
    assert host.system_info.release.split(".")[0] == release
    assert host.check_output("sudo -n id --user") == "0"


def test_nobody_else_may_read_what_reaches_the_vm(clients: Path, release: str) -> None:
    directory = clients / f"infra-{release}"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {name: (directory / name).stat().st_mode & 0o777 for name in ("id_ed25519", "ssh_config")} == {
        "id_ed25519": 0o600,
        "ssh_config": 0o600,
    }


def test_the_vm_takes_no_other_keys(cloud: Cloud, release: str) -> None:
    metadata = {item["key"]: item["value"] for item in vm(cloud, release)["metadata"]["items"]}
    assert metadata["block-project-ssh-keys"] == "TRUE"
    assert metadata["enable-oslogin"] == "FALSE"
    assert len(metadata["ssh-keys"].splitlines()) == 1


def test_this_machine_alone_is_let_in(cloud: Cloud, release: str) -> None:
    rules = cloud.get(f"{COMPUTE}/global/firewalls")["items"]
    ours = [rule for rule in rules if rule["network"].endswith(f"/infra-{release}") and "allowed" in rule]
    assert {rule["direction"] for rule in ours} == {"INGRESS"}
    assert {range_ for rule in ours for range_ in rule["sourceRanges"]} == {HERE}


@pytest.mark.parametrize(("port", "is_open"), [(22, True), (8123, False)])
def test_a_port_without_a_rule_is_closed(cloud: Cloud, clients: Path, release: str, port: int, is_open: bool) -> None:
    login(clients, release).check_output(
        "sudo systemctl is-active --quiet listener"
        " || sudo systemd-run --quiet --collect --unit listener python3 -m http.server 8123"
    )
    with socket.socket() as client:
        client.settimeout(3)
        assert (client.connect_ex((address(cloud, release), port)) == 0) is is_open


def test_the_vm_may_use_the_objects_of_its_bucket_and_nothing_else(clients: Path, release: str) -> None:
    host = login(clients, release)
    asked = host.check_output("curl -s -H Metadata-Flavor:Google %s", TOKEN)
    token = asked.partition('"access_token":')[2].split('"')[1]
    urls = [
        f"https://storage.googleapis.com/storage/v1/b/{PROJECT}-infra-{release}/o",
        f"https://storage.googleapis.com/storage/v1/b/{PROJECT}-infra-{release}/iam",
        f"https://storage.googleapis.com/storage/v1/b?project={PROJECT}",
        f"{COMPUTE}/global/firewalls",
        f"https://secretmanager.googleapis.com/v1/projects/{PROJECT}/secrets",
    ]
    answers = [
        host.check_output(
            "curl -s -o /dev/null -w '%%{http_code}' -x %s -H %s %s",
            os.environ["HTTPS_PROXY"],
            f"Authorization: Bearer {token}",
            url,
        )
        for url in urls
    ]
    assert answers == ["200", "403", "403", "403", "403"]


def test_the_bucket_is_private_and_keeps_versions(cloud: Cloud, release: str) -> None:
    bucket = cloud.get(f"https://storage.googleapis.com/storage/v1/b/{PROJECT}-infra-{release}")
    assert bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] is True
    assert bucket["versioning"]["enabled"] is True
