# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A deployment that was interrupted three times: it is whole, can be changed, survives, and can be taken down."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
import typing as t
from pathlib import Path

import mlflow
import pytest
from conftest import PASSWORD
from sandbox import Sandbox


def test_nothing_is_there_twice_and_nothing_is_orphaned(deployment: Sandbox) -> None:
    found = deployment.state()["resources"]
    assert {kind: len(names) for kind, names in found.items() if kind in COUNTED} == COUNTED


COUNTED = {
    "compute.instances": 1,
    "compute.disks": 1,
    "compute.addresses": 2,
    "sql.instances": 1,
    "buckets": 1,
    "secrets": 1,
    "secretVersions": 1,
    "serviceAccounts": 2,
    "serviceAccountKeys": 1,
}


def test_a_second_run_changes_nothing(deployment: Sandbox) -> None:
    run = deployment.playbook("site")
    assert run.status == 0, run.output
    assert run.changed == {"localhost": 0, "mlflow": 0}, run.changed_tasks


def test_a_check_of_a_finished_deployment_plans_nothing(deployment: Sandbox) -> None:
    run = deployment.playbook("site", "--check", "--diff")
    assert run.status == 0, run.output
    assert run.changed == {"localhost": 0, "mlflow": 0}, run.changed_tasks


def test_the_password_is_nowhere_but_in_the_secret_and_in_the_file_of_the_service(deployment: Sandbox) -> None:
    shown = ssh(
        deployment, "ps -eo args; sudo journalctl --no-pager; sudo systemctl show mlflow; sudo systemctl cat mlflow"
    )
    assert PASSWORD not in shown
    readable = ssh(
        deployment,
        "sudo find / -xdev -type f -perm /o+r -size -1M -not -path '/proc/*' -not -path '/sys/*' -print0 "
        f"| xargs -0 sudo grep -lF -e {json.dumps(PASSWORD[:6])} 2>/dev/null || true",
    )
    assert readable == ""
    verbose = deployment.playbook("site", "-vvv", "--diff")
    assert verbose.status == 0
    assert PASSWORD not in verbose.output.replace('\\"', '"').replace("\\\\", "\\")


def test_a_reboot_brings_the_server_back(deployment: Sandbox) -> None:
    before = ssh(deployment, "cat /proc/sys/kernel/random/boot_id")
    subprocess.run([*command(deployment), "sudo systemctl reboot"], check=False, capture_output=True)
    until_ssh_answers(deployment)
    assert ssh(deployment, "cat /proc/sys/kernel/random/boot_id") != before
    assert ssh(deployment, "systemctl is-enabled mlflow").strip() == "enabled"
    ssh(deployment, "timeout 120 sh -c 'until curl -sf localhost:5000/health; do sleep 1; done'")
    assert ssh(deployment, "systemctl is-active mlflow").strip() == "active"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({"mlflow_service_workers": 1}, {"localhost": 0, "mlflow": 2}, id="workers"),
        pytest.param({"mlflow_port": 5050}, {"localhost": 3, "mlflow": 2}, id="port"),
        pytest.param({"mlflow_service_version": "3.17.1"}, {"localhost": 0, "mlflow": 4}, id="version"),
    ],
)
def test_a_changed_variable_changes_what_it_must_and_keeps_the_runs(
    deployment: Sandbox, variables: dict[str, t.Any], expected: dict[str, int]
) -> None:
    known = run_ids(deployment)
    assert known
    run = deployment.playbook("site", "--extra-vars", json.dumps(variables | {"mlflow_smoke": False}))
    assert run.status == 0, run.output
    assert run.changed == expected, run.changed_tasks
    assert run_ids(deployment) == known
    back = deployment.playbook("site", "--extra-vars", '{"mlflow_smoke": false}')
    assert back.status == 0, back.output


def test_an_unreachable_vm_names_the_variable(deployment: Sandbox) -> None:
    variables = {"gcp_infra_allowed_cidrs": ["192.0.2.77/32"], "gcp_infra_ssh_timeout": 5}
    run = deployment.playbook("site", "--extra-vars", json.dumps(variables))
    assert run.status != 0
    assert "gcp_infra_allowed_cidrs" in run.output
    assert "192.0.2.77/32" in run.output
    healed = deployment.playbook("site")
    assert healed.status == 0, healed.output


def test_a_wrong_checksum_of_the_installer_names_the_variable_and_installs_nothing(deployment: Sandbox) -> None:
    ssh(deployment, "printf 'exit 0\\n' > /tmp/Miniconda3.sh")
    variables = {
        "mlflow_service_python_manager": "miniconda",
        "mlflow_service_version": "3.17.0",
        "miniconda_installer_url": "file:///tmp/Miniconda3.sh",
        "miniconda_installer_sha256": "0" * 64,
    }
    run = deployment.playbook("site", "--extra-vars", json.dumps(variables))
    assert run.status != 0
    assert "miniconda_installer_sha256" in run.output
    assert "0" * 64 in run.output
    assert ssh(deployment, "ls -d /opt/miniconda3* 2>/dev/null || true") == ""


def test_taking_it_down_wants_the_name_and_keeps_the_data(deployment: Sandbox) -> None:
    refused = deployment.playbook("teardown", "--extra-vars", "mlflow_teardown_confirm=other")
    assert refused.status != 0
    assert "Nothing was touched" in refused.output
    run = deployment.playbook("teardown", "--extra-vars", "mlflow_teardown_confirm=mlflow")
    assert run.status == 0, run.output
    left = deployment.state()["resources"]
    assert {
        kind: len(left.get(kind, [])) for kind in ("compute.instances", "compute.disks", "sql.instances", "buckets")
    } == {
        "compute.instances": 0,
        "compute.disks": 0,
        "sql.instances": 1,
        "buckets": 1,
    }


def test_taking_all_of_it_down_leaves_an_empty_project(deployment: Sandbox) -> None:
    said = "mlflow_teardown_confirm=mlflow mlflow_teardown_database=true mlflow_teardown_bucket=true"
    run = deployment.playbook("teardown", "--extra-vars", said)
    assert run.status == 0, run.output
    left = deployment.state()["resources"]
    kinds = ("compute.addresses", "compute.instances", "sql.instances", "buckets", "secrets")
    assert [kind for kind in kinds if left.get(kind)] == []


def command(sandbox: Sandbox) -> list[str]:
    """How a user of the deployment logs in, by the file that the playbook wrote."""
    return [
        "ssh",
        "-F",
        str(client(sandbox) / "ssh_config"),
        "-o",
        "BatchMode=yes",
        "-o",
        "ClearAllForwardings=yes",
        "mlflow",
    ]


def ssh(sandbox: Sandbox, script: str) -> str:
    """What a script on the VM prints."""
    return subprocess.run([*command(sandbox), script], check=True, capture_output=True, text=True).stdout


def until_ssh_answers(sandbox: Sandbox) -> None:
    """Wait for a VM that boots."""
    address = tracking_uri(sandbox).split("/")[2].split(":")[0]
    for _attempt in range(120):
        with contextlib.suppress(OSError), socket.create_connection((address, 22), timeout=1) as connection:
            if connection.recv(4) == b"SSH-":
                return
        time.sleep(0.5)
    raise AssertionError("the VM did not come back")


def client(sandbox: Sandbox) -> Path:
    """The deployment's directory on the controller."""
    return sandbox.directory / "client/mlflow"


def tracking_uri(sandbox: Sandbox) -> str:
    """What the client's environment file says."""
    lines = (client(sandbox) / "mlflow-client.env").read_text().splitlines()
    (line,) = [line for line in lines if "MLFLOW_TRACKING_URI=" in line]
    return line.partition("=")[2]


def run_ids(sandbox: Sandbox) -> set[str]:
    """Every run that the server knows."""
    server = mlflow.MlflowClient(tracking_uri(sandbox))
    experiments = [experiment.experiment_id for experiment in server.search_experiments()]
    return {run.info.run_id for run in server.search_runs(experiments)}
