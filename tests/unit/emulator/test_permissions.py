# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Roles, members, conditions, and which permission a method needs."""

from __future__ import annotations

import typing as t

import pytest
from gcp_emulator import conditions, permissions, roles
from gcp_emulator.discovery import Apis
from gcp_emulator.errors import ApiError
from gcp_emulator.services.compute import permits
from gcp_emulator.store import Store

if t.TYPE_CHECKING:
    from pathlib import Path

    from harness import Emulator

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


# The permissions that Google publishes, of the services that the sandbox has, as far as their methods are here.
PUBLISHED = {
    "cloudsql.backupRuns": "create delete get list",
    "cloudsql.databases": "create delete get list update",
    "cloudsql.instances": "clone connect create delete demoteMaster export failover get import list listServerCas "
    "login promoteReplica resetSslConfig restart restoreBackup rotateServerCa startReplica stopReplica update",
    "cloudsql.users": "create delete get list update",
    "compute.addresses": "create delete get list setLabels use useInternal",
    "compute.diskTypes": "get list",
    "compute.disks": "addResourcePolicies create createSnapshot delete get list removeResourcePolicies resize "
    "setLabels update use useReadOnly",
    "compute.firewalls": "create delete get list update",
    "compute.globalAddresses": "create delete get list setLabels use",
    "compute.globalOperations": "delete get list",
    "compute.images": "create delete get getFromFamily list useReadOnly",
    "compute.instances": "addAccessConfig attachDisk create delete deleteAccessConfig detachDisk get "
    "getGuestAttributes getSerialPortOutput list reset resume setDeletionProtection setDiskAutoDelete setLabels "
    "setMachineType setMetadata setMinCpuPlatform setName setScheduling setServiceAccount "
    "setShieldedInstanceIntegrityPolicy setTags start stop suspend update updateAccessConfig updateNetworkInterface "
    "updateShieldedInstanceConfig",
    "compute.machineTypes": "get list",
    "compute.networks": "addPeering create delete get getEffectiveFirewalls list removePeering switchToCustomMode "
    "update updatePeering updatePolicy use useExternalIp",
    "compute.projects": "get setCommonInstanceMetadata",
    "compute.regionOperations": "delete get list",
    "compute.regions": "get list",
    "compute.reservations": "create delete get list resize update",
    "compute.routers": "create delete get list update use",
    "compute.routes": "create delete get list",
    "compute.subnetworks": "create delete expandIpCidrRange get getIamPolicy list setIamPolicy "
    "setPrivateIpGoogleAccess update use useExternalIp",
    "compute.zoneOperations": "delete get list",
    "compute.zones": "get list",
    "iam.serviceAccountKeys": "create delete disable enable get list",
    "iam.serviceAccounts": "actAs create delete disable enable get getAccessToken getIamPolicy getOpenIdToken "
    "implicitDelegation list setIamPolicy signBlob signJwt undelete update",
    "resourcemanager.projects": "delete get getIamPolicy list setIamPolicy undelete update",
    "secretmanager.secrets": "create delete get getIamPolicy list setIamPolicy update",
    "secretmanager.versions": "access add destroy disable enable get list",
    "servicenetworking.operations": "cancel delete get list",
    "servicenetworking.services": "addPeering deleteConnection get",
    "serviceusage.operations": "cancel delete get list",
    "serviceusage.services": "disable enable get list use",
    "storage.buckets": "create delete enableObjectRetention get getIamPolicy list restore setIamPolicy update",
    "storage.folders": "create delete get list rename",
    "storage.managedFolders": "create delete get getIamPolicy list setIamPolicy",
    "storage.objects": "create delete get getIamPolicy list restore setIamPolicy setRetention update",
}


def test_each_method_needs_a_permission_that_there_is_or_says_why_none(emulator: Emulator) -> None:
    methods = sorted(method for service in emulator.services for method in service.handlers)
    assert len(methods) > 100
    published = {f"{kind}.{verb}" for kind, verbs in PUBLISHED.items() for verb in verbs.split()}
    needed = {method: permissions.permission_of(method) for method in methods}
    free = {method for method, permission in needed.items() if permission is None}
    assert [m for m in free if not permissions.FREE.get(m) and not m.endswith(".testIamPermissions")] == []
    unknown = {method: needed[method] for method in methods if method not in free and needed[method] not in published}
    assert unknown == {}, "an exception of permissions.py is missing, or a permission that Google publishes is here"


ADDRESS = [{"accessConfigs": [{"natIP": "198.18.77.16"}]}]


@pytest.mark.parametrize(
    ("method", "body", "needed"),
    [
        ("attachDisk", {"source": "x"}, {"disks.use"}),
        ("addAccessConfig", {}, {"subnetworks.useExternalIp"}),
        ("addAccessConfig", {"natIP": "198.18.77.16"}, {"subnetworks.useExternalIp", "addresses.use"}),
        ("insert", {}, {"subnetworks.use"}),
        ("insert", {"disks": [{"initializeParams": {}}]}, {"subnetworks.use", "disks.create"}),
        (
            "insert",
            {"networkInterfaces": ADDRESS},
            {"subnetworks.use", "subnetworks.useExternalIp", "addresses.use"},
        ),
        ("setTags", {"items": ["web"]}, set()),
    ],
)
def test_a_request_needs_more_for_what_its_body_asks(method: str, body: dict[str, t.Any], needed: set[str]) -> None:
    found = permits.further_permissions(f"compute.instances.{method}", body)
    assert {permission.removeprefix("compute.") for permission in found} == needed


@pytest.mark.parametrize(
    ("method", "body", "accounts"),
    [
        ("insert", {"serviceAccounts": [{"email": "a@b"}]}, ["a@b"]),
        ("insert", {"serviceAccounts": [{}]}, ["default"]),
        ("insert", {}, []),
        ("setServiceAccount", {"email": "a@b"}, ["a@b"]),
        ("setServiceAccount", {"email": "", "scopes": []}, []),
        ("setTags", {}, []),
    ],
)
def test_whoever_gives_a_machine_an_account_must_be_allowed_to_act_as_it(
    method: str, body: dict[str, t.Any], accounts: list[str]
) -> None:
    assert permits.accounts_of(f"compute.instances.{method}", body) == accounts


@pytest.mark.parametrize(
    ("role", "resource", "grantable"),
    [
        ("roles/viewer", "projects/p", True),
        ("roles/appengine.deployer", "projects/p", True),
        ("roles/storage.objectReader", "projects/p", False),
        ("roles/storage.legacyBucketReader", "projects/p", False),
        ("roles/storage.legacyBucketReader", "b/open", True),
        ("roles/storage.objectCreator", "b/open", True),
        ("roles/iam.securityAdmin", "b/open", True),
        ("roles/viewer", "b/open", False),
        ("roles/storage.hmacKeyAdmin", "b/open", False),
        ("roles/compute.admin", "b/open", False),
        ("roles/iam.serviceAccountUser", "projects/p/serviceAccounts/a", True),
        ("roles/editor", "projects/p/serviceAccounts/a", True),
        ("roles/appengine.deployer", "projects/p/serviceAccounts/a", False),
        ("roles/secretmanager.secretAccessor", "projects/p/secrets/s", True),
        ("roles/cloudsql.client", "projects/p/secrets/s", False),
    ],
)
def test_a_role_is_granted_where_it_means_something(role: str, resource: str, grantable: bool) -> None:
    assert roles.is_grantable(role, resource) is grantable


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
    assert roles.holds(role, permission) is held


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
        ('resource.type in ["storage.googleapis.com/Object", "storage.googleapis.com/Bucket"]', True),
        ('request.time.getFullYear() > 2020 && request.time.getMonth("Europe/Berlin") < 12', True),
        ('request.time.getDayOfWeek("Europe/Berlin") > 6', False),
        ('timestamp("2024-03-10T01:30:00Z").getHours("America/Los_Angeles") == 17', True),
        ('request.time < timestamp("2020-01-01T00:00:00Z") + duration("1h30m")', False),
        ('request.time - timestamp("2020-01-01T00:00:00Z") > duration("3600s")', True),
    ],
)
def test_a_condition_is_decided(expression: str, value: bool) -> None:
    assert conditions.evaluate(expression, OBJECT) is value


@pytest.mark.parametrize(
    "expression",
    [
        *("", "resource.name", "resource.tags == 1", "__import__('os')", "request.time <", "1 < 'a'"),
        *("resource.name < 1", "resource.name && true", 'request.time < timestamp("2020-01-01")'),
        *('request.time.getHours("Nowhere/None") > 1', 'duration("soon") > duration("1s")', "true || resource.name"),
    ],
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


CONDITION = {"title": "mine", "expression": 'resource.name.startsWith("projects/_/buckets/open/objects/mine/")'}


@pytest.mark.parametrize(
    ("condition", "role", "member", "code", "words"),
    [
        pytest.param({"expression": "request.time <"}, "", "", 400, "cannot be compiled", id="half an expression"),
        pytest.param({"expression": "resource.nam == 'x'"}, "", "", 400, "cannot be compiled", id="an unknown name"),
        pytest.param({"expression": ""}, "", "", 400, "cannot be compiled", id="no expression"),
        pytest.param({"expression": "size(resource.name) > 3"}, "", "", 501, "cannot decide", id="a function"),
        pytest.param({"expression": "true ? false : true"}, "", "", 501, "cannot decide", id="a choice"),
        pytest.param(
            {"expression": 'resource.name.extract("a/{b}/c") == "x"'}, "", "", 501, "cannot decide", id="a method"
        ),
        pytest.param({"expression": "resource.nam == '?'"}, "", "", 400, "cannot be compiled", id="a mark in a text"),
        pytest.param({"expression": " && ".join(["true"] * 14)}, "", "", 400, "at most 12 logical", id="too much"),
        pytest.param({"title": ""}, "", "", 400, "needs a title", id="no title"),
        pytest.param({"title": "x" * 101}, "", "", 400, "at most 100 characters", id="a long title"),
        pytest.param({}, "roles/viewer", "", 400, "takes no condition", id="a basic role"),
        pytest.param({}, "", "allUsers", 400, "take no condition", id="everybody"),
    ],
)
def test_a_condition_that_cannot_be_is_refused(
    condition: dict[str, str], role: str, member: str, code: int, words: str
) -> None:
    conditions.check(CONDITION, "roles/storage.objectViewer", [f"user:{ALICE}"])
    with pytest.raises(ApiError, match=words) as raised:
        conditions.check(CONDITION | condition, role or "roles/storage.objectViewer", [member or f"user:{ALICE}"])
    assert raised.value.code == code
