# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is new is not known everywhere at once: the modules wait for it, and say so if it takes too long."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Resource
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_instance import Instance
from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account import IamServiceAccount
from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account_iam_member import (
    IamServiceAccountIamMember,
)
from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account_key import IamServiceAccountKey
from ansible_collections.mlops.mlflow.plugins.modules.gcp_project_iam_member import ProjectIamMember
from ansible_collections.mlops.mlflow.plugins.modules.gcp_secret_manager import SecretManager
from ansible_collections.mlops.mlflow.plugins.modules.gcp_secret_manager_iam_member import SecretManagerIamMember
from ansible_collections.mlops.mlflow.plugins.modules.gcp_serviceusage_service import ServiceusageService
from ansible_collections.mlops.mlflow.plugins.modules.gcp_storage_bucket import StorageBucket
from ansible_collections.mlops.mlflow.plugins.modules.gcp_storage_bucket_iam_member import StorageBucketIamMember

from .cloud import Cloud

Json = dict[str, t.Any]
EMAIL = "robot-1@test-project.iam.gserviceaccount.com"
MEMBER = f"serviceAccount:{EMAIL}"
VALUE = {"name": "one", "value": "secret"}
USES = [
    pytest.param(ProjectIamMember, {"role": "roles/viewer", "member": MEMBER}, id="member of the project"),
    pytest.param(
        StorageBucketIamMember,
        {"bucket": "one", "role": "roles/storage.objectViewer", "member": MEMBER},
        id="member of a bucket",
    ),
    pytest.param(
        SecretManagerIamMember,
        {"secret": "one", "role": "roles/secretmanager.secretAccessor", "member": MEMBER},
        id="member of a secret",
    ),
    pytest.param(
        IamServiceAccountIamMember,
        {"service_account": "robot-1", "role": "roles/iam.serviceAccountUser", "member": MEMBER},
        id="member of itself",
    ),
    pytest.param(IamServiceAccountKey, {"service_account": "robot-1"}, id="key"),
    pytest.param(
        Instance,
        {
            "name": "one",
            "zone": "us-central1-a",
            "machine_type": "e2-small",
            "disks": [{"boot": True, "initialize_params": {"source_image": "debian-cloud/debian-12"}}],
            "network_interfaces": [{"network": {"selfLink": "global/networks/default"}}],
            "service_accounts": [{"email": EMAIL, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}],
        },
        id="instance",
    ),
]


@pytest.fixture
def slow(cloud: Cloud) -> Cloud:
    """A cloud in which an account is unknown for 40 s, and an API off for 100 s."""
    cloud.run(StorageBucket, {"name": "one", "location": "europe-west1"})
    cloud.run(SecretManager, VALUE)
    propagation = cloud.emulator.cloud.propagation
    propagation.account_seconds, propagation.service_seconds = 40, 100
    return cloud


def test_a_new_account_is_made_once(slow: Cloud) -> None:
    made = slow.run(IamServiceAccount, {"name": "robot-1"})
    assert (made["changed"], made["resource"]["email"]) == (True, EMAIL)
    again = slow.run(IamServiceAccount, {"name": "robot-1"})
    assert (again["changed"], again["resource"]["email"]) == (False, EMAIL)


@pytest.mark.parametrize(("kind", "options"), USES)
def test_what_needs_a_new_account_waits_until_it_is_known(
    slow: Cloud, tmp_path: Path, kind: type[Resource], options: Json
) -> None:
    begin = slow.time
    slow.run(IamServiceAccount, {"name": "robot-1"})
    if kind is IamServiceAccountKey:
        options = options | {"path": str(tmp_path / "key.json")}
    assert slow.run(kind, options)["changed"]
    assert 40 <= slow.time - begin < 80
    assert not slow.run(kind, options)["changed"]


def test_an_account_that_stays_unknown_is_named(slow: Cloud) -> None:
    slow.emulator.cloud.propagation.account_seconds = 10_000
    with pytest.raises(GcpError, match=f"{EMAIL} does not exist"):
        slow.run(ProjectIamMember, {"role": "roles/viewer", "member": MEMBER})


def test_an_api_that_was_just_enabled_is_waited_for(slow: Cloud) -> None:
    service = {"name": "secretmanager.googleapis.com"}
    slow.run(ServiceusageService, service | {"state": "absent", "disable_dependent_services": True})
    slow.run(ServiceusageService, service)
    begin = slow.time
    assert slow.run(SecretManager, {"name": "two", "value": "secret"})["changed"]
    assert 100 <= slow.time - begin < 150
