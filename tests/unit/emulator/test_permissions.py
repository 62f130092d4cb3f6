# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Roles, members, conditions, and which permission a method needs."""

from __future__ import annotations

import typing as t

import pytest
from gcp_emulator import conditions, permissions
from gcp_emulator.discovery import Apis
from gcp_emulator.errors import ApiError
from gcp_emulator.store import Store

if t.TYPE_CHECKING:
    from pathlib import Path

ALICE = "alice@example.com"


@pytest.fixture
def store(tmp_path: Path) -> t.Iterator[Store]:
    made = Store(tmp_path / "state.db")
    made.put("projects", "p", {"projectId": "p", "projectNumber": "12345"})
    made.put("buckets", "open", {"projectNumber": "12345"})
    yield made
    made.close()


def grant(store: Store, resource: str, role: str, *members: str, **binding: t.Any) -> None:
    store.put("policies", resource, {"bindings": [{"role": role, "members": list(members)} | binding]})


@pytest.mark.parametrize(
    ("method", "permission"),
    [
        ("compute.firewalls.insert", "compute.firewalls.create"),
        ("compute.firewalls.patch", "compute.firewalls.update"),
        ("compute.instances.aggregatedList", "compute.instances.list"),
        ("compute.instances.setMachineType", "compute.instances.setMachineType"),
        ("compute.zoneOperations.wait", "compute.zoneOperations.get"),
        ("compute.imageFamilyViews.get", "compute.images.getFromFamily"),
        ("sql.instances.insert", "cloudsql.instances.create"),
        ("sql.users.update", "cloudsql.users.update"),
        ("sql.operations.get", "cloudsql.instances.get"),
        ("storage.buckets.patch", "storage.buckets.update"),
        ("storage.buckets.testIamPermissions", None),
        ("iam.projects.serviceAccounts.keys.create", "iam.serviceAccountKeys.create"),
        ("iamcredentials.projects.serviceAccounts.generateAccessToken", "iam.serviceAccounts.getAccessToken"),
        ("cloudresourcemanager.projects.setIamPolicy", "resourcemanager.projects.setIamPolicy"),
        ("secretmanager.projects.secrets.versions.access", "secretmanager.versions.access"),
        ("secretmanager.projects.secrets.addVersion", "secretmanager.versions.add"),
        ("serviceusage.services.batchEnable", "serviceusage.services.enable"),
        ("servicenetworking.services.connections.patch", "servicenetworking.services.addPeering"),
    ],
)
def test_a_method_needs_the_permission_that_google_names(apis: Apis, method: str, permission: str | None) -> None:
    api = {"sql": "sqladmin"}.get(method.partition(".")[0], method.partition(".")[0])
    assert any(method in version.methods for version in apis.named(api))
    assert permissions.permission_of(method) == permission


@pytest.mark.parametrize(
    ("role", "permission", "held"),
    [
        ("roles/owner", "compute.instances.delete", True),
        ("roles/owner", "resourcemanager.projects.setIamPolicy", True),
        ("roles/owner", "secretmanager.versions.access", True),
        ("roles/owner", "iam.serviceAccounts.getAccessToken", False),
        ("roles/owner", "storage.buckets.create", True),
        ("roles/owner", "storage.objects.get", False),
        ("roles/editor", "compute.instances.delete", True),
        ("roles/editor", "resourcemanager.projects.setIamPolicy", False),
        ("roles/editor", "secretmanager.versions.access", False),
        ("roles/editor", "servicenetworking.services.addPeering", False),
        ("roles/viewer", "compute.instances.list", True),
        ("roles/viewer", "compute.instances.start", False),
        ("roles/viewer", "secretmanager.versions.access", False),
        ("roles/compute.instanceAdmin.v1", "compute.instances.create", True),
        ("roles/compute.instanceAdmin.v1", "compute.firewalls.create", False),
        ("roles/compute.networkAdmin", "servicenetworking.services.addPeering", True),
        ("roles/compute.networkAdmin", "compute.firewalls.create", False),
        ("roles/compute.securityAdmin", "compute.firewalls.create", True),
        ("roles/cloudsql.client", "cloudsql.instances.connect", True),
        ("roles/cloudsql.client", "cloudsql.instances.update", False),
        ("roles/storage.objectUser", "storage.objects.delete", True),
        ("roles/storage.objectUser", "storage.objects.setIamPolicy", False),
        ("roles/storage.objectUser", "storage.buckets.get", False),
        ("roles/storage.objectViewer", "storage.objects.create", False),
        ("roles/storage.objectCreator", "storage.objects.create", True),
        ("roles/storage.objectCreator", "storage.objects.delete", False),
        ("roles/storage.legacyBucketReader", "storage.objects.list", True),
        ("roles/storage.legacyBucketReader", "storage.objects.get", False),
        ("roles/secretmanager.secretAccessor", "secretmanager.versions.access", True),
        ("roles/secretmanager.secretAccessor", "secretmanager.secrets.get", False),
        ("roles/iam.serviceAccountUser", "iam.serviceAccounts.actAs", True),
        ("roles/iam.serviceAccountUser", "iam.serviceAccounts.getAccessToken", False),
        ("roles/iam.serviceAccountTokenCreator", "iam.serviceAccounts.getAccessToken", True),
        ("roles/iam.serviceAccountAdmin", "iam.serviceAccounts.actAs", False),
        ("roles/nobody.knows", "compute.instances.get", False),
    ],
)
def test_a_role_holds_what_google_says(role: str, permission: str, held: bool) -> None:
    assert permissions.holds(role, permission) is held


@pytest.mark.parametrize(
    ("member", "principal", "is_member"),
    [
        (f"user:{ALICE}", ALICE, True),
        (f"user:{ALICE}", ALICE.upper(), True),
        (f"serviceAccount:{ALICE}", ALICE, True),
        (f"user:{ALICE}", "bob@example.com", False),
        (f"deleted:serviceAccount:{ALICE}?uid=1", ALICE, False),
        ("domain:example.com", ALICE, True),
        ("domain:example.org", ALICE, False),
        ("allUsers", None, True),
        ("allAuthenticatedUsers", None, False),
        ("allAuthenticatedUsers", ALICE, True),
        ("projectOwner:p", ALICE, False),
    ],
)
def test_a_member_is_whom_it_names(store: Store, member: str, principal: str | None, is_member: bool) -> None:
    grant(store, "b/open", "roles/storage.objectViewer", member)
    assert permissions.allowed(store, principal, "storage.objects.get", "b/open/o/x") is is_member


def test_a_bucket_knows_the_owners_of_its_project(store: Store) -> None:
    grant(store, "projects/p", "roles/owner", f"user:{ALICE}")
    grant(store, "b/open", "roles/storage.legacyObjectOwner", "projectOwner:p")
    assert permissions.allowed(store, ALICE, "storage.objects.get", "b/open/o/x")
    assert not permissions.allowed(store, "bob@example.com", "storage.objects.get", "b/open/o/x")


@pytest.mark.parametrize(
    ("at", "resource", "allowed"),
    [
        ("projects/p", "projects/p/secrets/s/versions/1", True),
        ("projects/p/secrets/s", "projects/p/secrets/s/versions/1", True),
        ("projects/p/secrets/s", "projects/p/secrets/other/versions/1", False),
        ("projects/other", "projects/p/secrets/s/versions/1", False),
    ],
)
def test_a_binding_holds_for_what_lies_below(store: Store, at: str, resource: str, allowed: bool) -> None:
    grant(store, at, "roles/secretmanager.secretAccessor", f"user:{ALICE}")
    assert permissions.allowed(store, ALICE, "secretmanager.versions.access", resource) is allowed


def test_a_binding_on_the_project_holds_for_its_buckets(store: Store) -> None:
    grant(store, "projects/p", "roles/storage.objectViewer", f"user:{ALICE}")
    permissions.check(store, ALICE, "storage.objects.get", "b/open/o/x")


def test_an_anonymous_caller_is_told_to_say_who_it_is(store: Store) -> None:
    with pytest.raises(ApiError, match=r"Anonymous caller does not have storage.objects.get access") as raised:
        permissions.check(store, None, "storage.objects.get", "b/open/o/x")
    assert raised.value.code == 401


def test_a_bucket_that_is_not_there_is_left_to_the_service(store: Store) -> None:
    permissions.check(store, ALICE, "storage.buckets.get", "b/none")


OBJECT = conditions.context("b/open/o/folder/file.txt")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('resource.name.startsWith("projects/_/buckets/open/objects/folder/")', True),
        ('resource.name.startsWith("projects/_/buckets/open/objects/other/")', False),
        ('resource.name.endsWith(".txt") && resource.type == "storage.googleapis.com/Object"', True),
        ('resource.type == "storage.googleapis.com/Bucket" || resource.service == "storage.googleapis.com"', True),
        ('!(resource.type == "storage.googleapis.com/Object")', False),
        ('request.time < timestamp("2020-01-01T00:00:00Z")', False),
        ("request.time > timestamp('2020-01-01T00:00:00Z')", True),
        ('resource.name.contains("&& !x ||")', False),
        ("true", True),
    ],
)
def test_a_condition_is_decided(expression: str, value: bool) -> None:
    assert conditions.evaluate(expression, OBJECT) is value


@pytest.mark.parametrize(
    "expression",
    ["", "resource.name", "resource.tags == 1", "__import__('os')", "request.time <", "1 < 'a'", "resource.name < 1"],
)
def test_a_condition_that_cannot_be_decided_lets_nobody_in(expression: str) -> None:
    with pytest.raises(conditions.UnsupportedError):
        conditions.evaluate(expression, OBJECT)
    assert conditions.hold({"expression": expression}, OBJECT) is False


def test_a_binding_whose_condition_fails_grants_nothing(store: Store) -> None:
    expression = 'resource.name.startsWith("projects/_/buckets/open/objects/mine/")'
    grant(store, "b/open", "roles/storage.objectViewer", f"user:{ALICE}", condition={"expression": expression})
    assert permissions.allowed(store, ALICE, "storage.objects.get", "b/open/o/mine/x")
    assert not permissions.allowed(store, ALICE, "storage.objects.get", "b/open/o/yours/x")
