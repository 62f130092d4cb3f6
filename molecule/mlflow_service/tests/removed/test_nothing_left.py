# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is left of the server, and what has to stay."""

from __future__ import annotations

import pytest
from cloud import PROJECT, Cloud, Host


@pytest.mark.parametrize(
    "path",
    [
        "/etc/mlflow",
        "/opt/mlflow",
        "/var/lib/mlflow",
        "/var/cache/mlflow",
        "/run/mlflow.sock",
        "/run/mlflow-api.sock",
        "/etc/systemd/system/nginx.service.d/mlflow.conf",
        "/etc/systemd/journald.conf.d/mlflow.conf",
    ],
)
def test_its_files_are_gone(host: Host, path: str) -> None:
    assert not host.file(path).exists


def test_no_environment_and_no_unit_bears_its_name(host: Host) -> None:
    found = host.run(
        "ls --directory /opt/miniconda3/envs/mlflow-* /etc/systemd/system/mlflow* /etc/systemd/system/*/mlflow*"
    )
    assert found.stdout == ""
    assert host.check_output("systemctl list-units --all --plain --no-legend 'mlflow*'") == ""


def test_its_user_and_group_are_gone(host: Host) -> None:
    assert not host.user("mlflow").exists
    assert not host.group("mlflow").exists


def test_ssh_alone_listens_beyond_the_loopback(host: Host) -> None:
    addresses = [line.split()[3] for line in host.check_output("ss -Hltn").splitlines()]
    beyond = [address for address in addresses if not address.startswith(("127.", "[::1]"))]
    assert {int(address.rpartition(":")[2]) for address in beyond} == {22}


def test_the_databases_and_the_artifacts_stay(cloud: Cloud) -> None:
    (instance,) = cloud.names("molecule-mlflow-service-")["databases"]
    databases = cloud.get(f"https://sqladmin.googleapis.com/v1/projects/{PROJECT}/instances/{instance}/databases")
    assert len([item for item in databases["items"] if item["name"].startswith("mlflow_debian_")]) == 6
    artifacts = cloud.get(f"https://storage.googleapis.com/storage/v1/b/{PROJECT}-servers/o")["items"]
    kept = {item["name"] for item in artifacts if item["name"].endswith("/notes/4.txt")}
    assert kept == {f"debian-{release}/1/notes/4.txt" for release in (11, 12, 13)}
