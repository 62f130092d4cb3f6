# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What other values of variables have changed, and what they have not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import testinfra
from cloud import COMPUTE, PROJECT, REGION, Cloud, Host

HERE = f"{os.environ['GCP_EMULATOR_ADDRESS']}/32"


@pytest.mark.parametrize(("release", "ranges"), [("11", [HERE]), ("13", [HERE, "203.0.113.0/24"])])
def test_one_of_them_is_open_to_more(cloud: Cloud, release: str, ranges: list[str]) -> None:
    rule = cloud.get(f"{COMPUTE}/global/firewalls/infra-{release}-allow")
    assert sorted(rule["sourceRanges"]) == ranges


@pytest.mark.parametrize(
    ("release", "labels"), [("11", {"app": "mlflow"}), ("13", {"app": "mlflow", "team": "research"})]
)
def test_one_of_them_has_other_labels(cloud: Cloud, release: str, labels: dict[str, str]) -> None:
    urls = [
        f"{COMPUTE}/zones/{REGION}-b/instances/infra-{release}",
        f"{COMPUTE}/regions/{REGION}/addresses/infra-{release}",
        f"https://storage.googleapis.com/storage/v1/b/{PROJECT}-infra-{release}",
    ]
    assert [cloud.get(url)["labels"] for url in urls] == [labels] * 3


def test_the_vm_has_another_size_and_is_the_same(cloud: Cloud, clients: Path) -> None:
    vm = cloud.get(f"{COMPUTE}/zones/{REGION}-b/instances/infra-13")
    assert (vm["machineType"].rpartition("/")[2], vm["status"]) == ("e2-small", "RUNNING")
    host: Host = testinfra.get_host("ssh://infra-13", ssh_config=str(clients / "infra-13/ssh_config"))
    # Which of the two there is depends on the machine that the sandbox is on.
    limits = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"
    assert [host.file(limit).content_string.strip() for limit in limits if host.file(limit).exists] == [
        str(2 * 1024**3)
    ]
    # Each VM that was ever logged in to has a line there, under the number that Google gave it.
    known = clients / "infra-13/known_hosts"
    subprocess.run(["ssh-keygen", "-F", f"compute.{vm['id']}", "-f", known], check=True, stdout=subprocess.DEVNULL)
    assert len({line.split()[0] for line in known.read_text().splitlines()}) == 1
