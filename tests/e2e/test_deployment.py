# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A deployment that was interrupted three times: it is whole, and there is nothing to do when it is run again."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from conftest import GUEST, READER, USER_LEAVES, Deployed, say
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
    "sql.databases": 3,
    "buckets": 1,
    "secrets": 5,
    "secretVersions": 5,
    "serviceAccounts": 3,
    "serviceAccountKeys": 1,
}


def test_the_network_is_its_own_and_open_to_what_it_says_alone(deployment: Sandbox) -> None:
    found = deployment.state()["resources"]
    assert [name for name in found["compute.subnetworks"] if not name.endswith("/default")] == [
        f"projects/{deployment.variables['GCP_PROJECT']}/regions/europe-west1/subnetworks/mlflow"
    ]
    assert [name.rpartition("/")[2] for name in found["compute.firewalls"] if "/default-" not in name] == [
        "mlflow-allow",
        "mlflow-http",
    ]
    assert [network.rpartition("/")[2] for network in found["connections"]] == ["mlflow"]


def test_another_network_is_refused_before_anything_is_made(deployment: Sandbox) -> None:
    before = deployment.state()
    run = deployment.playbook("site", "--extra-vars", json.dumps({"gcp_infra_network": "default"}))
    assert run.status != 0
    assert "stay in the network that they were made in" in run.output
    assert deployment.state() == before


def test_it_tells_how_to_log_in_and_not_with_what(deployed: Deployed) -> None:
    summary = deployed.run.output.rpartition("Tell what there is now")[2]
    project = deployed.sandbox.variables["GCP_PROJECT"]
    client = deployed.client
    wanted = [
        f"MLflow            {client.url}",
        "Log in as         admin",
        f"gcloud secrets versions access latest --secret mlflow-admin-password --project {project}",
        "reader: the same with --secret mlflow-user-reader",
        f"curl --netrc-file {client.directory}/netrc --cacert {client.ca_file} {client.url}/version",
    ]
    assert [words for words in wanted if words not in summary] == []


def test_a_second_run_changes_nothing(deployment: Sandbox) -> None:
    run = deployment.playbook("site")
    assert run.status == 0, run.output
    assert run.changed == {"localhost": 0, "mlflow": 0}, run.changed_tasks


def test_a_check_tells_that_a_user_who_left_goes_and_nothing_else(deployment: Sandbox) -> None:
    say(deployment, GUEST)
    run = deployment.playbook("site", "--check", "--diff")
    say(deployment, READER, GUEST)
    assert run.status == 0, run.output
    assert run.changed_tasks == USER_LEAVES
    assert [line for line in run.output.splitlines() if line.startswith("changed: ")] == [
        "changed: [localhost] => (item=mlflow-user-reader)",
        "changed: [localhost]",
        "changed: [mlflow] => (item=reader)",
        "changed: [mlflow] => (item=mlflow.service)",
        "changed: [mlflow] => (item=mlflow-api.service)",
    ]


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
