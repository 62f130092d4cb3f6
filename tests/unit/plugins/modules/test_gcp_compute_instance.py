# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.instance import image
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_instance import Instance

ZONE = "compute/v1/projects/p/zones/r-b"
ALL = f"{ZONE}/instances"
ITEM = f"{ALL}/vm"
DISK = f"{ZONE}/disks/vm"
LINK = "https://www.googleapis.com/compute/v1/projects/p"
NOW: dict[str, t.Any] = {
    "name": "vm",
    "status": "RUNNING",
    "machineType": f"{LINK}/zones/r-b/machineTypes/e2-small",
    "disks": [
        {
            "boot": True,
            "autoDelete": True,
            "deviceName": "persistent-disk-0",
            "mode": "READ_WRITE",
            "type": "PERSISTENT",
            "source": f"{LINK}/zones/r-b/disks/vm",
        }
    ],
    "networkInterfaces": [
        {
            "name": "nic0",
            "network": f"{LINK}/global/networks/default",
            "subnetwork": f"{LINK}/regions/r/subnetworks/default",
            "networkIP": "10.0.0.2",
            "accessConfigs": [
                {"name": "External NAT", "type": "ONE_TO_ONE_NAT", "natIP": "203.0.113.7", "networkTier": "PREMIUM"}
            ],
        }
    ],
    "tags": {"items": ["web"], "fingerprint": "tag="},
    "labels": {"a": "b"},
    "labelFingerprint": "label=",
    "metadata": {"items": [{"key": "x", "value": "1"}], "fingerprint": "meta=", "kind": "compute#metadata"},
    "serviceAccounts": [{"email": "sa@p.example", "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}],
    "scheduling": {"automaticRestart": True, "onHostMaintenance": "MIGRATE", "provisioningModel": "STANDARD"},
    "shieldedInstanceConfig": {"enableSecureBoot": False, "enableVtpm": True},
    "deletionProtection": False,
}
BOOT = {"boot": True, "initialize_params": {"source_image": "debian-cloud/debian-12", "disk_size_gb": 10}}
NEW: dict[str, t.Any] = {
    "machine_type": "e2-small",
    "disks": [BOOT],
    "network_interfaces": [{"network": "default"}],
}


@pytest.fixture
def vm(http: t.Any, run: t.Any, done: t.Any) -> t.Any:
    """Run the module for the machine as it is now, with overrides: ``vm(current, **options)``."""

    def ran(current: dict[str, t.Any] | None = None, check: bool = False, **options: t.Any) -> t.Any:
        http.when("GET", ITEM, {**NOW, **(current or {})})
        http.when("GET", DISK, {"name": "vm", "sizeGb": "10", "type": f"{LINK}/zones/r-b/diskTypes/pd-balanced"})
        answer = http.request

        def request(method: str, url: str, *arguments: t.Any, **more: t.Any) -> t.Any:
            if method != "GET":
                http.when(method, url.split(".googleapis.com/", 1)[1], done())
            return answer(method, url, *arguments, **more)

        http.request = request
        return run(Instance, check, name="vm", zone="r-b", **options)

    return ran


def verbs(http: t.Any) -> list[t.Any]:
    """The writes as (verb, body, query)."""
    return [(request.path.removeprefix(f"{ITEM}/"), request.body, request.query) for request in http.writes]


def test_a_machine_is_created(http: t.Any, run: t.Any, done: t.Any) -> None:
    http.will_answer(404).when("GET", ITEM, NOW).when("POST", ALL, done())
    result = run(
        Instance,
        name="vm",
        zone="r-b",
        machine_type="e2-small",
        disks=[BOOT],
        network_interfaces=[{"network": "default", "access_configs": [{"nat_ip": {"address": "203.0.113.7"}}]}],
        metadata={"y": True, "x": 1},
        service_accounts=[{"email": "sa@p.example", "scopes": ["cloud-platform"]}],
        tags={"items": ["web"]},
        status="RUNNING",
    )
    assert result["resource"] == NOW
    body = {
        "name": "vm",
        "machineType": f"{LINK}/zones/r-b/machineTypes/e2-small",
        "disks": [
            {
                "boot": True,
                "initializeParams": {
                    "sourceImage": "projects/debian-cloud/global/images/family/debian-12",
                    "diskSizeGb": 10,
                },
            }
        ],
        "networkInterfaces": [
            {"network": f"{LINK}/global/networks/default", "accessConfigs": [{"natIP": "203.0.113.7"}]}
        ],
        "metadata": {"items": [{"key": "x", "value": "1"}, {"key": "y", "value": "true"}]},
        "serviceAccounts": [{"email": "sa@p.example", "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}],
        "tags": {"items": ["web"]},
    }
    assert http.writes == [("POST", ALL, body, {})]


def test_a_machine_may_be_created_stopped(http: t.Any, run: t.Any, done: t.Any) -> None:
    http.will_answer(404).when("GET", ITEM, NOW).when("POST", ALL, done()).when("POST", f"{ITEM}/stop", done())
    run(Instance, name="vm", zone="r-b", status="TERMINATED", **NEW)
    assert [request.path for request in http.writes] == [ALL, f"{ITEM}/stop"]


@pytest.mark.parametrize("missing", NEW)
def test_what_a_new_machine_needs_is_told_before_anything_is_sent(http: t.Any, run: t.Any, missing: str) -> None:
    with pytest.raises(GcpError, match=f"{missing} must be given to create"):
        run(Instance, True, name="vm", zone="r-b", **{**NEW, missing: None})


@pytest.mark.parametrize(
    "options",
    [
        NEW,
        {"disks": [{"initialize_params": {"disk_name": "vm", "disk_size_gb": 10, "disk_type": "pd-balanced"}}]},
        {"disks": [{"source": "vm", "auto_delete": True}]},
        {"network_interfaces": [{"subnetwork": "default", "access_configs": [{"nat_ip": "203.0.113.7"}]}]},
        {"metadata": {"x": 1}, "labels": {"a": "b"}, "tags": {"items": ["web"]}},
        {"service_accounts": [{"email": "sa@p.example", "scopes": ["cloud-platform"]}]},
        {"scheduling": {"automatic_restart": True, "provisioning_model": "STANDARD"}},
        {"shielded_instance_config": {"enable_secure_boot": False}},
        {"status": "RUNNING", "deletion_protection": False},
    ],
)
def test_the_same_machine_stays(http: t.Any, vm: t.Any, options: t.Any) -> None:
    assert not vm(**options)["changed"]
    assert http.writes == []


@pytest.mark.parametrize(
    ("current", "options", "writes"),
    [
        ({}, {"tags": {"items": []}}, [("setTags", {"items": [], "fingerprint": "tag="}, {})]),
        ({}, {"labels": {}}, [("setLabels", {"labels": {}, "labelFingerprint": "label="}, {})]),
        (
            {},
            {"metadata": {"y": 2}},
            [("setMetadata", {"items": [{"key": "y", "value": "2"}], "fingerprint": "meta="}, {})],
        ),
        (
            {},
            {"scheduling": {"automatic_restart": False}},
            [("setScheduling", {**NOW["scheduling"], "automaticRestart": False}, {})],
        ),
        ({}, {"deletion_protection": True}, [("setDeletionProtection", None, {"deletionProtection": "true"})]),
        ({}, {"status": "TERMINATED"}, [("stop", None, {})]),
        ({"status": "TERMINATED"}, {"status": "RUNNING"}, [("start", None, {})]),
        ({"status": "SUSPENDED"}, {"status": "RUNNING"}, [("resume", None, {})]),
        (
            {},
            {"disks": [{"boot": True, "auto_delete": False}]},
            [("setDiskAutoDelete", None, {"autoDelete": "false", "deviceName": "persistent-disk-0"})],
        ),
        (
            {},
            {"disks": [{"boot": True, "initialize_params": {"disk_size_gb": 20}}]},
            [(f"{DISK}/resize", {"sizeGb": "20"}, {})],
        ),
        (
            {},
            {"disks": [{"boot": True}, {"source": "data"}]},
            [("attachDisk", {"source": f"{LINK}/zones/r-b/disks/data"}, {})],
        ),
        (
            {"disks": [*NOW["disks"], {"deviceName": "data", "source": f"{LINK}/zones/r-b/disks/data"}]},
            {"disks": [{"boot": True}]},
            [("detachDisk", None, {"deviceName": "data"})],
        ),
        (
            {},
            {"network_interfaces": [{"network": "default", "access_configs": []}]},
            [("deleteAccessConfig", None, {"accessConfig": "External NAT", "networkInterface": "nic0"})],
        ),
        (
            {},
            {"network_interfaces": [{"network": "default", "access_configs": [{"nat_ip": "203.0.113.8"}]}]},
            [
                ("deleteAccessConfig", None, {"accessConfig": "External NAT", "networkInterface": "nic0"}),
                (
                    "addAccessConfig",
                    {"name": "External NAT", "type": "ONE_TO_ONE_NAT", "natIP": "203.0.113.8"},
                    {"networkInterface": "nic0"},
                ),
            ],
        ),
    ],
)
def test_what_can_be_changed_is_changed_while_it_runs(
    http: t.Any, vm: t.Any, current: t.Any, options: t.Any, writes: t.Any
) -> None:
    assert vm(current, **options)["changed"]
    assert verbs(http) == writes


E2 = f"{LINK}/zones/r-b/machineTypes/e2-medium"
STOPPED_CHANGES = [
    pytest.param({"machine_type": "e2-medium"}, ("setMachineType", {"machineType": E2}, {}), id="machine_type"),
    pytest.param(
        {"service_accounts": [{"email": "new@p.example", "scopes": []}]},
        ("setServiceAccount", {"email": "new@p.example", "scopes": []}, {}),
        id="service_accounts",
    ),
    pytest.param(
        {"service_accounts": []}, ("setServiceAccount", {"email": "", "scopes": []}, {}), id="service_accounts"
    ),
    pytest.param(
        {"shielded_instance_config": {"enable_secure_boot": True}},
        ("updateShieldedInstanceConfig", {"enableSecureBoot": True}, {}),
        id="shielded_instance_config",
    ),
]


@pytest.mark.parametrize(("options", "write"), STOPPED_CHANGES)
def test_a_running_machine_is_stopped_only_if_it_may_be(
    http: t.Any, vm: t.Any, request: pytest.FixtureRequest, options: t.Any, write: t.Any
) -> None:
    with pytest.raises(GcpError, match=f"{next(iter(options))} can only be changed.*allow_stopping_for_update: true"):
        vm(check=True, **options)
    assert http.writes == []


@pytest.mark.parametrize(("options", "write"), STOPPED_CHANGES)
def test_a_running_machine_is_stopped_changed_and_started(http: t.Any, vm: t.Any, options: t.Any, write: t.Any) -> None:
    vm(allow_stopping_for_update=True, **options)
    assert verbs(http) == [("stop", None, {}), write, ("start", None, {})]


@pytest.mark.parametrize(("options", "write"), STOPPED_CHANGES)
@pytest.mark.parametrize("status", ["TERMINATED", "STOPPED"])
def test_a_stopped_machine_is_changed_and_stays_stopped(
    http: t.Any, vm: t.Any, status: str, options: t.Any, write: t.Any
) -> None:
    vm({"status": status}, **options)
    assert verbs(http) == [write]


def test_what_was_interrupted_between_stop_and_start_is_completed(http: t.Any, vm: t.Any) -> None:
    vm({"status": "TERMINATED"}, machine_type="e2-small", status="RUNNING")
    assert verbs(http) == [("start", None, {})]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"disks": [{"boot": True, "initialize_params": {"disk_size_gb": 5}}]}, "disk_size_gb of vm is 10.*only grow"),
        ({"disks": [{"boot": True, "initialize_params": {"disk_type": "pd-ssd"}}]}, "pd-balanced to pd-ssd"),
        ({"disks": [BOOT, {"initialize_params": {"disk_name": "new"}}]}, "give its source"),
        ({"network_interfaces": [{"network": "other"}]}, "network_interfaces: network"),
        ({"network_interfaces": [{"network": "default"}, {"network": "other"}]}, "nor the number of interfaces"),
        ({"scheduling": {"provisioning_model": "SPOT"}}, "scheduling.provisioning_model cannot be changed"),
        ({"description": "new"}, "description cannot be changed"),
    ],
)
def test_what_cannot_be_changed_is_an_error(vm: t.Any, options: t.Any, message: str) -> None:
    with pytest.raises(GcpError, match=message):
        vm(**options)


def test_a_machine_that_was_stopped_for_a_change_is_started_although_it_was_planned_again(
    http: t.Any, run: t.Any, done: t.Any
) -> None:
    stopped = {**NOW, "status": "TERMINATED"}
    changed = {**stopped, "machineType": E2}
    http.when("GET", ITEM, NOW, stopped, changed, NOW)
    for verb in ("stop", "start"):
        http.when("POST", f"{ITEM}/{verb}", done())
    failed = {"errors": [{"code": "RESOURCE_NOT_READY", "message": "It is not ready"}]}
    http.when("POST", f"{ITEM}/setMachineType", done(error=failed), done(error=failed))
    run(Instance, name="vm", zone="r-b", machine_type="e2-medium", allow_stopping_for_update=True)
    assert [path for path, _body, _query in verbs(http)] == ["stop", "setMachineType", "setMachineType", "start"]


def test_the_diff_shows_what_the_task_speaks_of(vm: t.Any) -> None:
    diff = vm(check=True, disks=[{"boot": True, "auto_delete": False}], metadata={"x": 2}, status="RUNNING")["diff"]
    assert diff["before"] == {
        "name": "vm",
        "disks": [{"boot": True, "autoDelete": True}],
        "metadata": {"items": [{"key": "x", "value": "1"}]},
        "status": "RUNNING",
    }


def test_a_fingerprint_that_is_old_leads_to_another_plan(http: t.Any, run: t.Any, done: t.Any) -> None:
    newer = {**NOW, "tags": {"items": ["web"], "fingerprint": "newer="}}
    http.will_answer(200, NOW).will_answer(412, {"error": {"message": "Supplied fingerprint does not match"}})
    http.when("GET", ITEM, newer).when("POST", f"{ITEM}/setTags", done())
    run(Instance, name="vm", zone="r-b", tags={"items": ["db"]})
    assert [request.body["fingerprint"] for request in http.writes] == ["tag=", "newer="]


@pytest.mark.parametrize("status", ["PROVISIONING", "STAGING", "STOPPING"])
def test_a_machine_that_an_earlier_run_began_is_waited_for(http: t.Any, run: t.Any, status: str) -> None:
    http.when("GET", ITEM, {**NOW, "status": status}, NOW)
    assert not run(Instance, name="vm", zone="r-b", status="RUNNING")["changed"]


def test_a_disk_that_is_left_over_is_named_at_once(http: t.Any, run: t.Any) -> None:
    text = "The resource 'projects/p/zones/r-b/disks/vm' already exists"
    http.when("POST", ALL, {"error": {"message": text, "errors": [{"reason": "alreadyExists"}]}}, status_code=409)
    with pytest.raises(GcpError, match="disks/vm is in the way: delete it, or use another name"):
        run(Instance, name="vm", zone="r-b", **NEW)
    assert len(http.writes) == 1


def test_a_machine_is_deleted(http: t.Any, vm: t.Any) -> None:
    assert vm(state="absent")["changed"]
    assert [request[:2] for request in http.writes] == [("DELETE", ITEM)]


def test_a_protected_machine_is_not_deleted_by_accident(http: t.Any, vm: t.Any) -> None:
    with pytest.raises(GcpError, match="deletion_protection: false"):
        vm({"deletionProtection": True}, state="absent")
    assert http.writes == []


def test_a_protected_machine_is_deleted_if_that_is_said(http: t.Any, vm: t.Any) -> None:
    vm({"deletionProtection": True}, state="absent", deletion_protection=False)
    assert [request.path for request in http.writes] == [f"{ITEM}/setDeletionProtection", ITEM]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("debian-cloud/debian-12", "projects/debian-cloud/global/images/family/debian-12"),
        ("family/mine", "global/images/family/mine"),
        ("projects/debian-cloud/global/images/family/debian-12",) * 2,
        ("global/images/mine",) * 2,
        (f"{LINK}/global/images/mine",) * 2,
    ],
)
def test_an_image_may_be_given_as_a_family(given: str, sent: str) -> None:
    assert image(given) == sent


def test_the_default_account_is_the_same_by_its_address(vm: t.Any) -> None:
    accounts = [{"email": "42-compute@developer.gserviceaccount.com", "scopes": []}]
    assert not vm({"serviceAccounts": accounts}, service_accounts=[{"email": "default"}])["changed"]
