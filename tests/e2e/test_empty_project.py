# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An empty project: what a check plans, and what bad input gets before anything is changed."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from sandbox import CHECKOUT, Sandbox

PLANNED = (
    "services | Enable the APIs",
    "network | Create the network",
    "network | Create the subnetwork",
    "bucket | Create the bucket",
    "service_account | Create the service account",
    "address | Reserve the external address",
    "vm | Create the VM",
    "peering | Allocate a range for Google's services",
    "peering | Peer the network with Google's services",
    "instance | Begin to create the instance",
    "user | Create the user",
    "user | Keep the password",
    "secrets | Keep what was chosen",
)


def test_a_check_plans_each_resource_and_changes_nothing(empty: Sandbox) -> None:
    before = empty.state()
    run = empty.playbook("site", "--check", "--diff")
    assert run.status == 0, run.output
    assert set(PLANNED) <= set(run.changed_tasks)
    assert empty.state() == before


def test_the_inventory_for_google_cloud_plans_each_resource_as_well(empty: Sandbox) -> None:
    google = copy.copy(empty)
    google.inventory = CHECKOUT / "inventories/gcp"
    # The site that tells one's own address is out of the sandbox, and perhaps out of reach.
    variables = {
        "gcp_infra_allowed_cidrs": ["198.51.100.7/32"],
        "mlflow_client_directory": str(empty.directory / "gcp"),
    }
    run = google.playbook("site", "--check", "--diff", "--extra-vars", json.dumps(variables))
    assert run.status == 0, run.output
    assert set(PLANNED) <= set(run.changed_tasks)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        pytest.param({"gcp_project": ""}, ["gcp_project is not set", "gcloud projects list"], id="no project"),
        pytest.param({"gcp_project": "no-such-project"}, ["gcp_project=no-such-project"], id="a project that is not"),
        pytest.param({"gcp_region": "Mars"}, ['gcp_region is "Mars"', "gcloud compute zones list"], id="no region"),
        pytest.param({"gcp_zone": "us-east1-b"}, ['gcp_zone "us-east1-b"'], id="a zone of another region"),
        pytest.param({"mlflow_port": 22}, ['mlflow_port is "22"', "where SSH answers"], id="the port of SSH"),
        pytest.param(
            {"mlflow_tls": "acme"}, ["gcp_infra_http_allowed_cidrs is not set", "0.0.0.0/0"], id="an authority shut out"
        ),
        pytest.param({"gcp_infra_allowed_cidrs": ["all"]}, ["gcp_infra_allowed_cidrs", "all"], id="no range"),
        pytest.param(
            {"gcp_infra_network": "default", "gcp_infra_subnetwork_cidr": "10.80.0.0/24"},
            ['The network "default" belongs to the project'],
            id="the project's network made anew",
        ),
        pytest.param(
            {"gcp_infra_subnetwork_cidr": "198.51.100.0/24"},
            ['gcp_infra_subnetwork_cidr is "198.51.100.0/24"', "private range"],
            id="a range that is not private",
        ),
        pytest.param(
            {"gcp_infra_subnetwork_cidr": "10.80.0.1/24"},
            ['gcp_infra_subnetwork_cidr is "10.80.0.1/24"', "multiple of its size"],
            id="a range that begins in the middle",
        ),
        pytest.param({"gcp_infra_subnetwork_cidr": "10.80.0.0/30"}, ["at least 8 addresses"], id="a range of four"),
        pytest.param(
            {"gcp_infra_subnetwork_cidr": "172.16.0.0/12"}, ["172.17.0.0/16"], id="a range that the database ignores"
        ),
        pytest.param(
            {"gcp_infra_external_address": False},
            ["gcp_infra_allowed_cidrs is not set", "internal address"],
            id="nobody who reaches an internal address",
        ),
        pytest.param(
            {"gcp_infra_external_address": False, "gcp_infra_allowed_cidrs": ["198.51.100.0/24"]},
            ["gcp_infra_allowed_cidrs has public ranges alone"],
            id="SSH to an internal address from outside",
        ),
        pytest.param({"mlflow_name": "My_Server"}, ['mlflow_name is "My_Server"'], id="a name that cannot be"),
    ],
)
def test_bad_input_names_the_variable_before_anything_is_changed(
    empty: Sandbox, variables: dict[str, object], said: list[str]
) -> None:
    before = empty.state()
    run = empty.playbook("site", "--extra-vars", json.dumps(variables))
    assert run.status != 0
    assert [words for words in said if words not in flat(run.output)] == []
    assert empty.state() == before


@pytest.mark.parametrize("playbook", ["backup", "gc", "restore"])
def test_what_needs_a_deployment_says_that_there_is_none_and_makes_nothing(empty: Sandbox, playbook: str) -> None:
    before = empty.state()
    said = "mlflow_restore_confirm=mlflow mlflow_restore_backup=20260101T000000Z"
    run = empty.playbook(playbook, "--extra-vars", said)
    assert run.status != 0
    assert "There is no running VM mlflow" in flat(run.output)
    assert run.changed_tasks == []
    assert empty.state() == before


def test_a_refused_credential_is_named(empty: Sandbox, tmp_path: Path) -> None:
    key = json.loads(Path(empty.variables["GOOGLE_APPLICATION_CREDENTIALS"]).read_text())
    refused = tmp_path / "refused.json"
    refused.write_text(
        json.dumps(key | {"private_key_id": "0" * 40, "client_email": "nobody@nowhere.iam.gserviceaccount.com"})
    )
    run = empty.playbook("site", GOOGLE_APPLICATION_CREDENTIALS=str(refused))
    assert run.status != 0
    assert "GOOGLE_APPLICATION_CREDENTIALS" in run.output
    assert "nobody@nowhere.iam.gserviceaccount.com" in run.output


def test_an_api_that_does_not_answer_is_named(empty: Sandbox) -> None:
    allowed = '{"gcp_infra_allowed_cidrs": ["198.51.100.7/32"]}'
    dead = "http://127.0.0.1:9"
    run = empty.playbook("site", "--extra-vars", allowed, HTTPS_PROXY=dead, https_proxy=dead)
    assert run.status != 0
    assert "googleapis.com" in run.output
    assert "127.0.0.1" in run.output


def flat(output: str) -> str:
    """Ansible's output with the quotes of its JSON undone."""
    return output.replace('\\"', '"')
