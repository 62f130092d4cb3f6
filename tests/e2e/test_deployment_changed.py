# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of a deployment: rebooted, changed while a client writes, out of reach, and taken down."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
from client import Client
from conftest import GUEST, GUEST_PASSWORD, READER, USER_LEAVES, say
from sandbox import Sandbox
from writer import Server, Writer

# What the deployment has been changed to when all has been changed.
CHANGED = {"mlflow_service_workers": 1, "mlflow_port": 8443, "mlflow_service_version": "3.17.1"}
LOG = """
import mlflow
mlflow.set_experiment("restored")
with mlflow.start_run() as run:
    mlflow.log_text("kept in the bucket", "note.txt")
print(run.info.experiment_id, run.info.run_id)
"""
READ = "import sys, mlflow; print(mlflow.artifacts.load_text(f'runs:/{sys.argv[1]}/note.txt'))"


def test_a_reboot_brings_the_server_back(client: Client) -> None:
    before = client.ssh("cat /proc/sys/kernel/random/boot_id")
    subprocess.run([*client.ssh_command, "sudo systemctl reboot"], check=False, capture_output=True)
    client.until_ssh_answers()
    assert client.ssh("cat /proc/sys/kernel/random/boot_id") != before
    assert client.ssh("systemctl is-enabled mlflow nginx").split() == ["enabled", "enabled"]
    client.ssh("timeout 120 sh -c 'until curl -skf https://localhost/health; do sleep 1; done'")
    # Health is answered without the database: this is not.
    assert client.api("experiments/search", {"max_results": 1}, client.administrator).status_code == 200


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param(
            {"mlflow_service_workers": 1},
            [
                *USER_LEAVES[:2],
                "servers | Write the units",
                "run | Have the servers running with their configuration, now and after a reboot",
                *USER_LEAVES[2:],
            ],
            id="the workers, and a user who has left",
        ),
        pytest.param(
            {"mlflow_service_workers": 1, "mlflow_port": 8443},
            [
                "firewall | Let the allowed ranges reach SSH and the server",
                "inventory | Write the SSH configuration",
                "servers | Write the environment",
                "run | Have the servers running with their configuration, now and after a reboot",
                "proxy | Write the configuration of nginx",
                "proxy | Have nginx running with its configuration, now and after a reboot",
                "Write the client's environment",
            ],
            id="and the port",
        ),
        pytest.param(
            CHANGED,
            [
                "install | Make the virtual environment",
                "install | Have uv in the environment",
                "install | Have MLflow in the environment",
                "install | Mark the environment as finished",
                "servers | Write the units",
                "run | Have the servers running with their configuration, now and after a reboot",
                "chores | Write the units",
            ],
            id="and the version",
        ),
    ],
)
def test_a_changed_variable_changes_what_it_must_and_keeps_the_runs(
    deployment: Sandbox, client: Client, variables: dict[str, t.Any], expected: list[str]
) -> None:
    known = client.run_ids()
    assert known
    say(deployment, GUEST)
    said = json.dumps(variables | {"mlflow_smoke": False})
    # While the port changes, nobody can write at either.
    is_moving = variables.keys() == {"mlflow_service_workers", "mlflow_port"}
    meanwhile: t.ContextManager[dict[str, t.Any]] = contextlib.nullcontext({}) if is_moving else writing(client)
    with meanwhile as told:
        run = deployment.playbook("site", "--extra-vars", said)
    assert run.status == 0, run.output
    assert run.changed_tasks == expected
    assert known <= client.run_ids()
    if not is_moving:
        assert (told["failed"], told["lost"]) == (0, 0), told
        assert told["acknowledged"] > 100


def test_who_is_not_listed_any_more_is_gone(client: Client) -> None:
    assert client.user(READER).status_code == 404
    assert client.user(GUEST).status_code == 200
    assert "mlflow-user-reader" not in client.secrets()
    assert client.ask("GET", "/version", (GUEST, GUEST_PASSWORD)).status_code == 200


def test_a_restore_brings_back_the_runs_and_the_artifacts_of_a_backup(deployment: Sandbox, client: Client) -> None:
    experiment, kept = client.python(LOG).output.split()[-2:]
    known = client.run_ids()
    with writing(client) as told:
        run = deployment.playbook("backup", "--extra-vars", json.dumps(CHANGED))
    assert run.status == 0, run.output
    assert (told["failed"], told["lost"]) == (0, 0), told
    said = re.search(r"mlflow_restore_backup=(\w+)", run.output)
    assert said, run.output

    later = client.python(LOG).output.split()[-1]
    note = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{kept}/artifacts/note.txt"
    assert client.ask("DELETE", note, client.administrator).status_code == 200
    assert client.ask("GET", note, client.administrator).status_code != 200

    variables = CHANGED | {"mlflow_smoke": False, "mlflow_restore_confirm": "mlflow"}
    for name in ("20200101T000000Z", "yesterday"):
        run = deployment.playbook("restore", "--extra-vars", json.dumps(variables | {"mlflow_restore_backup": name}))
        assert run.status != 0
        assert "Nothing was touched" in run.output
        assert run.changed_tasks == []
    run = deployment.playbook("restore", "--extra-vars", json.dumps(variables | {"mlflow_restore_backup": said[1]}))
    assert run.status == 0, run.output
    found = client.run_ids()
    assert known <= found
    assert later not in found
    assert "kept in the bucket" in client.python(READ, kept).output


def test_what_users_have_deleted_goes_for_good_once_it_is_confirmed(deployment: Sandbox, client: Client) -> None:
    experiment, gone = client.python(LOG).output.split()[-2:]
    note = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{gone}/artifacts/note.txt"
    assert client.api("runs/delete", {"run_id": gone}, client.administrator).status_code == 200

    age = {"mlflow_service_gc_older_than": "0s"}
    for confirmed in ("", "other"):
        said = json.dumps(CHANGED | age | {"mlflow_gc_confirm": confirmed})
        run = deployment.playbook("gc", "--extra-vars", said)
        assert (run.status == 0, gone in run.output, run.changed_tasks) == (not confirmed, not confirmed, [])
    assert client.ask("GET", note, client.administrator).text == "kept in the bucket"
    run = deployment.playbook("gc", "--extra-vars", json.dumps(CHANGED))
    assert (run.status, gone in run.output) == (0, False), run.output

    run = deployment.playbook("gc", "--extra-vars", json.dumps(CHANGED | age | {"mlflow_gc_confirm": "mlflow"}))
    assert run.status == 0, run.output
    assert run.changed_tasks == ["gc | Tell what was found"]
    assert client.ask("GET", note, client.administrator).status_code != 200
    assert client.api("runs/restore", {"run_id": gone}, client.administrator).status_code == 404


def test_an_unreachable_vm_names_the_variable(deployment: Sandbox) -> None:
    variables = {"gcp_infra_allowed_cidrs": ["192.0.2.77/32"], "gcp_infra_ssh_timeout": 5}
    run = deployment.playbook("site", "--extra-vars", json.dumps(variables))
    assert run.status != 0
    assert "gcp_infra_allowed_cidrs" in run.output
    assert "192.0.2.77/32" in run.output


def test_a_wrong_checksum_of_the_installer_names_the_variable_and_installs_nothing(
    deployment: Sandbox, client: Client, tmp_path: Path
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
    assert client.ssh("ls -d /opt/miniconda3* 2>/dev/null || true") == ""


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


@contextlib.contextmanager
def writing(client: Client) -> t.Iterator[dict[str, t.Any]]:
    """While it lasts, clients write; afterwards it tells what became of that."""
    username, password = client.administrator
    writer = Writer(Server(url=client.url, username=username, password=password, ca_file=client.ca_file), clients=2)
    told: dict[str, t.Any] = {}
    writer.start()
    try:
        yield told
    finally:
        told |= writer.stop()
