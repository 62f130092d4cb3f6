# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What check mode foretells of resources that are not there yet, and what later tasks of the same check make of it."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.references import name_of
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_address import Address
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_instance import Instance
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_network import Network
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_subnetwork import Subnetwork
from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account import IamServiceAccount
from ansible_collections.mlops.mlflow.plugins.modules.gcp_project_iam_member import ProjectIamMember
from ansible_collections.mlops.mlflow.plugins.modules.gcp_serviceusage_service import ServiceusageService
from ansible_collections.mlops.mlflow.plugins.modules.gcp_sql_instance import SqlInstance
from gcp_emulator import accounts, policies
from harness import OWNER

from .cases import Case, all_cases
from .cloud import Cloud

Json = dict[str, t.Any]

BOOT = {"boot": True, "initialize_params": {"source_image": "debian-cloud/debian-12"}}
MACHINE = {"name": "one", "zone": "europe-west1-b", "machine_type": "e2-small", "disks": [BOOT]}
ADDRESS = {"name": "one", "region": "europe-west1"}
NAMED = [
    pytest.param(case, id=name)
    for name, case in all_cases().items()
    if "name" in case.base and case.kind is not ServiceusageService  # an API is never new
]


@pytest.mark.parametrize("case", NAMED)
def test_what_is_foretold_of_a_new_resource_comes_true(cloud: Cloud, case: Case) -> None:
    for needed in case.needs:
        cloud.run(needed.kind, needed.options)
    foretold = cloud.resource(case.kind, case.task()).foretold()
    promise = cloud.run(case.kind, case.task(), check_mode=True)["resource"]
    made = cloud.run(case.kind, case.task())["resource"]
    assert foretold.items() <= promise.items()
    # The names of some resources have the number of the project in them, which nobody is asked for.
    assert {key: name_of(value) for key, value in foretold.items()} == {key: name_of(made[key]) for key in foretold}


def test_nothing_is_foretold_of_what_is_to_be_gone(cloud: Cloud) -> None:
    absent = {"name": "robot-one", "state": "absent"}
    assert cloud.run(IamServiceAccount, absent, check_mode=True)["resource"] == {}
    cloud.run(IamServiceAccount, {"name": "robot-one"})
    assert cloud.run(IamServiceAccount, absent, check_mode=True)["resource"] == {}


def test_later_tasks_use_a_new_account_by_its_address(cloud: Cloud) -> None:
    account = cloud.run(IamServiceAccount, {"name": "robot-one"}, check_mode=True)["resource"]
    assert account.items() <= cloud.run(IamServiceAccount, {"name": "robot-one"})["resource"].items()
    options = {"role": "roles/viewer", "member": f"serviceAccount:{account['email']}"}
    assert cloud.run(ProjectIamMember, options)["changed"]


def test_later_tasks_use_a_new_network_of_another_project_by_its_link(cloud: Cloud) -> None:
    store = cloud.emulator.cloud.store
    accounts.create_project(store, "other-project")
    policies.grant(store, "projects/other-project", "roles/owner", f"serviceAccount:{OWNER}")
    other = {"name": "one", "project": "other-project", "auto_create_subnetworks": False}
    network = cloud.run(Network, other, check_mode=True)["resource"]
    options = {"name": "one", "region": "europe-west1", "ip_cidr_range": "10.9.0.0/24", "network": network}
    diff = cloud.run(Subnetwork, options, check_mode=True)["diff"]
    assert diff["after"]["network"].endswith("/projects/other-project/global/networks/one")


def test_later_tasks_use_a_new_database_by_its_connection_name(cloud: Cloud) -> None:
    options: Json = {"name": "one", "region": "europe-west1", "database_version": "POSTGRES_16"}
    options |= {"settings": {"tier": "db-custom-1-3840", "edition": "ENTERPRISE"}}
    promise = cloud.run(SqlInstance, options, check_mode=True)["resource"]
    assert promise["connectionName"] == cloud.run(SqlInstance, options)["resource"]["connectionName"]


@pytest.mark.parametrize("there", [False, True], ids=["a new machine", "a machine that has another address"])
def test_a_machine_gets_the_address_that_an_earlier_task_would_reserve(cloud: Cloud, there: bool) -> None:
    if there:
        cloud.run(Instance, MACHINE | {"network_interfaces": [{"network": "default", "access_configs": [{}]}]})

    def machine(check_mode: bool) -> Json:
        address = cloud.run(Address, ADDRESS, check_mode)["resource"]
        interface = {"network": "default", "access_configs": [{"nat_ip": address}]}
        return cloud.run(Instance, MACHINE | {"network_interfaces": [interface]}, check_mode)

    def given(result: Json) -> str:
        (interface,) = result["diff"]["after"]["networkInterfaces"]
        return str(interface["accessConfigs"][0]["natIP"])

    promise, result = machine(True), machine(False)
    assert (promise["changed"], result["changed"]) == (True, True)
    assert given(promise).endswith("/projects/test-project/regions/europe-west1/addresses/one")
    assert given(result) == cloud.run(Address, ADDRESS)["resource"]["address"]
    assert not machine(True)["changed"]
