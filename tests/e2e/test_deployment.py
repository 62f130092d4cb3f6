# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A deployment that was interrupted three times: it is whole, can be changed, survives, and can be taken down."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import socket
import subprocess
import time
import typing as t
from pathlib import Path

import mlflow
import pytest
from conftest import PASSWORD
from sandbox import Sandbox


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        pytest.param(
            {"gcp_region": "mars-east1", "gcp_zone": "mars-east1-b"},
            ["gcp_region cannot be used", "gcp_region is mars-east1", "gcloud compute zones list"],
            id="a region that is not",
        ),
        pytest.param(
            {"gcp_zone": "europe-west1-z"},
            ["gcp_zone cannot be used", "gcp_zone is europe-west1-z", "gcloud compute zones list"],
            id="a zone that is not",
        ),
        pytest.param(
            {"gcp_infra_machine_type": "e2-colossal"},
            ["gcp_infra_machine_type is e2-colossal", "gcloud compute machine-types list"],
            id="a machine type that is not",
        ),
    ],
)
def test_what_google_does_not_have_names_the_variable_and_makes_no_vm(
    begun: Sandbox, variables: dict[str, str], said: list[str]
) -> None:
    run = begun.playbook("site", "--extra-vars", json.dumps(variables))
    assert run.status != 0
    assert [words for words in said if words not in run.output] == []
    found = begun.state()["resources"]
    assert (found["compute.instances"], found["sql.instances"]) == ([], [])


def test_nothing_is_there_twice_and_nothing_is_orphaned(deployment: Sandbox) -> None:
    found = deployment.state()["resources"]
    assert {kind: len(names) for kind, names in found.items() if kind in COUNTED} == COUNTED


COUNTED = {
    "compute.instances": 1,
    "compute.disks": 1,
    "compute.addresses": 2,
    "compute.networks": 2,
    "compute.routers": 0,
    "sql.instances": 1,
    "buckets": 1,
    "secrets": 1,
    "secretVersions": 1,
    "serviceAccounts": 3,
    "serviceAccountKeys": 1,
}


def test_the_network_is_its_own_and_open_to_what_it_says_alone(deployment: Sandbox) -> None:
    found = deployment.state()["resources"]
    assert [name for name in found["compute.subnetworks"] if not name.endswith("/default")] == [
        f"projects/{deployment.variables['GCP_PROJECT']}/regions/europe-west1/subnetworks/mlflow"
    ]
    assert [name.rpartition("/")[2] for name in found["compute.firewalls"] if "/default-" not in name] == [
        "mlflow-allow"
    ]
    assert [network.rpartition("/")[2] for network in found["connections"]] == ["mlflow"]


def test_another_network_is_refused_before_anything_is_made(deployment: Sandbox) -> None:
    before = deployment.state()
    run = deployment.playbook("site", "--extra-vars", json.dumps({"gcp_infra_network": "default"}))
    assert run.status != 0
    assert "stay in the network that they were made in" in run.output
    assert deployment.state() == before


def test_a_second_run_changes_nothing_and_shows_no_password_however_much_it_tells(deployment: Sandbox) -> None:
    run = deployment.playbook("site", "-vvv", "--diff")
    assert run.status == 0, run.output
    assert run.changed == {"localhost": 0, "mlflow": 0}, run.changed_tasks
    assert not shows_password(run.output)


def test_a_check_of_a_finished_deployment_plans_nothing(deployment: Sandbox) -> None:
    run = deployment.playbook("site", "--check", "--diff")
    assert run.status == 0, run.output
    assert run.changed == {"localhost": 0, "mlflow": 0}, run.changed_tasks


def test_the_vm_shows_the_password_to_nobody(deployment: Sandbox) -> None:
    shown = ssh(deployment, "ps -eo args; sudo journalctl --no-pager; systemctl show mlflow; systemctl cat mlflow")
    assert not shows_password(shown)
    readable = ssh(
        deployment,
        "sudo find / -xdev -type f -perm /o+r -size -1M -not -path '/proc/*' -not -path '/sys/*' -print0 "
        f"| sudo xargs -0 grep -lF -e {shlex.quote(PASSWORD[:8])} || true",
    )
    assert readable == ""


def test_gcloud_lists_what_is_there(deployment: Sandbox) -> None:
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        pytest.skip("gcloud is not installed here")
    listed = {
        " ".join(command): json.loads(
            subprocess.run(
                [gcloud, *command, "--format", "json(name)"],
                env=deployment.environment | {"CLOUDSDK_CONFIG": str(deployment.directory / "gcloud")},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for command in (
            ["compute", "firewall-rules", "list", "--filter", "name~mlflow"],
            ["compute", "instances", "list"],
            ["compute", "addresses", "list"],
            ["sql", "instances", "list"],
            ["sql", "databases", "list", "--instance", "mlflow"],
            ["sql", "users", "list", "--instance", "mlflow"],
            ["storage", "buckets", "list"],
        )
    }
    assert [what for what, names in listed.items() if not any("mlflow" in item["name"] for item in names)] == []


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
        pytest.param(
            {"mlflow_service_workers": 1},
            [
                "configure | Write the environment",
                "run | Have the server running with its configuration, now and after a reboot",
            ],
            id="workers",
        ),
        pytest.param(
            {"mlflow_service_workers": 1, "mlflow_port": 5050},
            [
                "firewall | Let the allowed ranges reach SSH and the server",
                "inventory | Write the SSH configuration",
                "configure | Write the environment",
                "run | Have the server running with its configuration, now and after a reboot",
                "Write the client's environment",
            ],
            id="and the port",
        ),
        pytest.param(
            {"mlflow_service_workers": 1, "mlflow_port": 5050, "mlflow_service_version": "3.17.1"},
            [
                "install | Make the virtual environment",
                "install | Have uv in the environment",
                "install | Have MLflow in the environment",
                "install | Mark the environment as finished",
                "configure | Write the units",
                "run | Have the server running with its configuration, now and after a reboot",
            ],
            id="and the version",
        ),
    ],
)
def test_a_changed_variable_changes_what_it_must_and_keeps_the_runs(
    deployment: Sandbox, variables: dict[str, t.Any], expected: list[str]
) -> None:
    known = run_ids(deployment)
    assert known
    run = deployment.playbook("site", "--extra-vars", json.dumps(variables | {"mlflow_smoke": False}))
    assert run.status == 0, run.output
    assert run.changed_tasks == expected
    assert run_ids(deployment) == known


def test_an_unreachable_vm_names_the_variable(deployment: Sandbox) -> None:
    variables = {"gcp_infra_allowed_cidrs": ["192.0.2.77/32"], "gcp_infra_ssh_timeout": 5}
    run = deployment.playbook("site", "--extra-vars", json.dumps(variables))
    assert run.status != 0
    assert "gcp_infra_allowed_cidrs" in run.output
    assert "192.0.2.77/32" in run.output


def test_a_wrong_checksum_of_the_installer_names_the_variable_and_installs_nothing(
    deployment: Sandbox, tmp_path: Path
) -> None:
    installer = tmp_path / "Miniconda3.sh"
    installer.write_text("exit 0\n")
    variables = {
        "mlflow_service_python_manager": "miniconda",
        "miniconda_installer_file": str(installer),
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
        kind: len(left.get(kind, []))
        for kind in ("compute.instances", "compute.disks", "compute.networks", "sql.instances", "buckets")
    } == {
        "compute.networks": 2,
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
    kinds = ("compute.addresses", "compute.instances", "connections", "sql.instances", "buckets", "secrets")
    assert [kind for kind in kinds if left.get(kind)] == []
    assert [name for name in left["compute.networks"] + left["compute.firewalls"] if "/default" not in name] == []


def shows_password(text: str) -> bool:
    """Whether it is there, as it is or as JSON has it."""
    return PASSWORD in text or json.dumps(PASSWORD)[1:-1] in text


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
