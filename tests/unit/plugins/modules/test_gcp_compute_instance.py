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
API = "https://compute.googleapis.com"
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
            "diskSizeGb": "10",
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
REAL: dict[str, t.Any] = {
    "name": "vm",
    "sizeGb": "10",
    "type": f"{LINK}/zones/r-b/diskTypes/pd-balanced",
    "sourceImage": "https://www.googleapis.com/compute/v1/projects/debian-cloud/global/images/debian-12-bookworm-v1",
    "labels": {"a": "b"},
    "labelFingerprint": "disk=",
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
        http.when("GET", DISK, REAL)
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


@pytest.mark.parametrize("current", [None, NOW], ids=["new", "added"])
def test_a_disk_has_the_name_of_its_machine_and_device(http: t.Any, run: t.Any, done: t.Any, current: t.Any) -> None:
    disks = [BOOT, {"device_name": "data", "initialize_params": {}}]
    http.will_answer(404) if current is None else http.when("GET", ITEM, NOW)
    http.when("GET", ITEM, NOW).when("GET", DISK, REAL)
    for path in (ALL, f"{ZONE}/disks", f"{ITEM}/attachDisk"):
        http.when("POST", path, done())
    run(Instance, name="vm", zone="r-b", **{**NEW, "disks": disks})
    body = http.writes[0].body
    assert (body["name"] if current else body["disks"][1]["initializeParams"]["diskName"]) == "vm-data"


@pytest.mark.parametrize("current", [None, NOW], ids=["new", "added"])
def test_a_device_whose_name_no_disk_can_have_needs_another(http: t.Any, run: t.Any, current: t.Any) -> None:
    if current:
        http.when("GET", ITEM, current).when("GET", DISK, REAL)
    disks = [BOOT, {"device_name": "My_data", "initialize_params": {}}]
    with pytest.raises(GcpError, match=r"vm-My_data, which cannot be\. Give it an initialize_params\.disk_name"):
        run(Instance, name="vm", zone="r-b", **{**NEW, "disks": disks})
    assert http.writes == []


@pytest.mark.parametrize("missing", NEW)
def test_what_a_new_machine_needs_is_told_before_anything_is_sent(http: t.Any, run: t.Any, missing: str) -> None:
    with pytest.raises(GcpError, match=f"cannot be created without {missing}"):
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
        {"reservation_affinity": {"consume_reservation_type": "ANY_RESERVATION"}, "min_cpu_platform": ""},
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
        (
            {"fingerprint": "vm="},
            {"can_ip_forward": True},
            [(ITEM, {**NOW, "fingerprint": "vm=", "canIpForward": True}, {"mostDisruptiveAllowedAction": "REFRESH"})],
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
            {},
            {"disks": [{"boot": True, "initialize_params": {"labels": {}}}]},
            [(f"{DISK}/setLabels", {"labels": {}, "labelFingerprint": "disk="}, {})],
        ),
        (
            {},
            {
                "disks": [
                    {"boot": True},
                    {
                        "device_name": "data",
                        "auto_delete": True,
                        "initialize_params": {"disk_size_gb": 50, "disk_type": "pd-ssd", "labels": {"a": 1}},
                    },
                ]
            },
            [
                (
                    f"{ZONE}/disks",
                    {
                        "name": "vm-data",
                        "sizeGb": 50,
                        "type": f"{LINK}/zones/r-b/diskTypes/pd-ssd",
                        "labels": {"a": "1"},
                    },
                    {},
                ),
                ("attachDisk", {"deviceName": "data", "autoDelete": True, "source": f"{API}/{ZONE}/disks/vm-data"}, {}),
            ],
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
    pytest.param(
        {"min_cpu_platform": "Intel Ice Lake"},
        ("setMinCpuPlatform", {"minCpuPlatform": "Intel Ice Lake"}, {}),
        id="min_cpu_platform",
    ),
    pytest.param(
        {"scheduling": {"provisioning_model": "SPOT"}},
        (
            "setScheduling",
            {
                "provisioningModel": "SPOT",
                "preemptible": True,
                "automaticRestart": False,
                "onHostMaintenance": "TERMINATE",
            },
            {},
        ),
        id="scheduling.provisioning_model",
    ),
]


@pytest.mark.parametrize(("options", "write"), STOPPED_CHANGES)
def test_a_running_machine_is_stopped_only_if_it_may_be(http: t.Any, vm: t.Any, options: t.Any, write: t.Any) -> None:
    with pytest.raises(GcpError, match=f"{next(iter(options))}.* can only be changed.*allow_stopping_for_update: true"):
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


@pytest.mark.parametrize(("status", "writes"), [(None, ["stop"]), ("RUNNING", ["stop", "start"])])
def test_a_suspended_machine_is_stopped_for_a_change_and_started_if_it_is_to_run(
    http: t.Any, vm: t.Any, status: str | None, writes: list[str]
) -> None:
    with pytest.raises(GcpError, match="is SUSPENDED"):
        vm({"status": "SUSPENDED"}, machine_type="e2-medium", status=status)
    vm({"status": "SUSPENDED"}, machine_type="e2-medium", status=status, allow_stopping_for_update=True)
    assert [path for path, _body, _query in verbs(http) if path != "setMachineType"] == writes


def test_what_was_interrupted_between_stop_and_start_is_completed(http: t.Any, vm: t.Any) -> None:
    vm({"status": "TERMINATED"}, machine_type="e2-small", status="RUNNING")
    assert verbs(http) == [("start", None, {})]


SPOT = {"provisioningModel": "SPOT", "preemptible": True, "instanceTerminationAction": "STOP"}


def test_a_machine_that_may_no_longer_be_taken_away_lives_as_others_do(http: t.Any, vm: t.Any) -> None:
    vm(
        {"status": "TERMINATED", "scheduling": {**SPOT, "onHostMaintenance": "TERMINATE"}},
        scheduling={"provisioning_model": "STANDARD", "automatic_restart": False},
    )
    body = {
        "provisioningModel": "STANDARD",
        "preemptible": False,
        "automaticRestart": False,
        "onHostMaintenance": "MIGRATE",
        "instanceTerminationAction": None,
    }
    assert verbs(http) == [("setScheduling", body, {})]


def test_everything_that_needs_a_stop_happens_in_one(http: t.Any, vm: t.Any) -> None:
    vm(
        machine_type="e2-medium",
        min_cpu_platform="Intel Ice Lake",
        service_accounts=[],
        labels={},
        shielded_instance_config={"enable_secure_boot": True},
        allow_stopping_for_update=True,
    )
    assert [path for path, _body, _query in verbs(http)] == [
        "setLabels",
        "stop",
        "setMachineType",
        "setMinCpuPlatform",
        "setServiceAccount",
        "updateShieldedInstanceConfig",
        "start",
    ]


SECOND = {"deviceName": "data", "mode": "READ_WRITE", "source": f"{LINK}/zones/r-b/disks/data", "diskSizeGb": "50"}
AFFINITY = {"consumeReservationType": "SPECIFIC_RESERVATION", "key": "k", "values": ["v"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"disks": [{"boot": True, "initialize_params": {"disk_size_gb": 5}}]},
            "disk_size_gb .*from 10 to 5.*only grow",
        ),
        ({"disks": [{"boot": True, "initialize_params": {"disk_type": "pd-ssd"}}]}, "pd-balanced' to '.*pd-ssd"),
        ({"disks": [{"boot": True, "initialize_params": {"disk_name": "vm2"}}]}, "disk_name .*from 'vm' to 'vm2'"),
        ({"disks": [{"boot": True, "mode": "READ_ONLY"}]}, "mode .*from 'READ_WRITE' to 'READ_ONLY'"),
        ({"disks": [{"boot": True, "device_name": "b"}]}, "device_name .*from 'persistent-disk-0' to 'b'"),
        ({"disks": [{"boot": True, "source": "other"}]}, r"disks\[0\].source .*disks/vm' to '.*disks/other'"),
        ({"disks": [{"boot": True}, {"device_name": "new"}]}, r"disks\[1\]: none of the disks.*give its source"),
        ({"disks": [{"boot": True}, {"device_name": "new", "type": "SCRATCH"}]}, "no other local SSD"),
        ({"disks": [{"source": "data"}]}, "the boot disk of .* is not in it"),
        ({"network_interfaces": [{"network": "other"}]}, r"network_interfaces\[0\].network cannot be .*other'"),
        ({"network_interfaces": [{"network_ip": "10.0.0.3"}]}, "network_ip .*from '10.0.0.2' to '10.0.0.3'"),
        ({"network_interfaces": [{"nic_type": "GVNIC"}]}, "nic_type .*from None to 'GVNIC'"),
        ({"network_interfaces": [{"network": "default"}, {"network": "other"}]}, "their number .*from 1 to 2"),
        ({"reservation_affinity": {"key": "other"}}, "reservation_affinity.key cannot be changed from 'k' to 'other'"),
        ({"reservation_affinity": {"values": ["v", "w"]}}, "reservation_affinity.values cannot be changed"),
        ({"hostname": "vm.example.com"}, "hostname cannot be changed"),
        ({"description": "new"}, "description cannot be changed"),
    ],
)
def test_what_cannot_be_changed_is_an_error(http: t.Any, vm: t.Any, options: t.Any, message: str) -> None:
    for check in (True, False):
        with pytest.raises(GcpError, match=message):
            vm({"reservationAffinity": AFFINITY}, check, labels={}, **options)
    assert http.writes == []


@pytest.mark.parametrize(
    ("given", "family", "refused"),
    [
        ("debian-cloud/debian-12", None, False),
        ("projects/debian-cloud/zones/-/imageFamilyViews/debian-12", None, False),
        ("projects/debian-cloud/global/images/debian-12-bookworm-v1", None, False),
        ("debian-cloud/debian-13", "debian-12", True),
        ("debian-cloud/named-otherwise", "named-otherwise", False),
        ("debian-cloud/debian-13", None, False),
        ("projects/debian-cloud/global/images/debian-12-bookworm-v2", None, True),
        ("global/images/debian-12-bookworm-v1", None, True),
        ("family/debian-12", None, True),
    ],
    ids=[
        "its family",
        "a view of its family",
        "itself",
        "another family",
        "its family, under another name",
        "its image is gone",
        "another image",
        "an image of this project",
        "a family of this project",
    ],
)
def test_an_image_is_compared_with_that_of_the_disk(
    http: t.Any, vm: t.Any, given: str, family: str | None, refused: bool
) -> None:
    if family:
        path = "compute/v1/projects/debian-cloud/global/images/debian-12-bookworm-v1"
        http.when("GET", path, {"name": "debian-12-bookworm-v1", "family": family})
    options = {"disks": [{"boot": True, "initialize_params": {"source_image": given}}]}
    if refused:
        with pytest.raises(GcpError, match=r"source_image cannot be changed from '.*debian-12-bookworm-v1' to '"):
            vm(**options)
    else:
        assert not vm(**options)["changed"]
    assert http.writes == []


@pytest.mark.parametrize(
    ("parameters", "reads"),
    [
        ({"disk_size_gb": 10}, 1),
        ({"disk_name": "vm", "disk_size_gb": 10}, 1),
        ({"disk_type": "pd-balanced"}, 2),
        ({"source_image": "debian-cloud/debian-12", "disk_size_gb": 10, "labels": {"a": "b"}}, 2),
    ],
)
def test_a_disk_is_asked_only_for_what_the_machine_does_not_tell(
    http: t.Any, vm: t.Any, parameters: t.Any, reads: int
) -> None:
    assert not vm(disks=[{"boot": True, "initialize_params": parameters}])["changed"]
    assert len(http.requests) == reads


def test_a_disk_that_has_grown_meanwhile_is_not_resized_again(http: t.Any, vm: t.Any) -> None:
    grown = {**NOW["disks"][0], "diskSizeGb": "5"}
    assert not vm({"disks": [grown]}, disks=[{"boot": True, "initialize_params": {"disk_size_gb": 10}}])["changed"]


def test_several_disks_are_asked_for_at_once(http: t.Any, vm: t.Any) -> None:
    second = {"deviceName": "data", "source": f"{LINK}/zones/r-b/disks/data", "diskSizeGb": "10"}
    http.when("GET", f"{ZONE}/disks", {"items": [REAL, {**REAL, "name": "data"}]})
    parameters = {"disk_type": "pd-balanced"}
    disks = [{"boot": True, "initialize_params": parameters}, {"source": "data", "initialize_params": parameters}]
    assert not vm({"disks": [*NOW["disks"], second]}, disks=disks)["changed"]
    assert [(request.path, request.query.get("filter")) for request in http.requests] == [
        (ITEM, None),
        (f"{ZONE}/disks", '(name = "vm") OR (name = "data")'),
    ]


def test_of_a_local_ssd_nobody_tells_more_than_its_machine(http: t.Any, vm: t.Any) -> None:
    ssd = {"deviceName": "local-ssd-0", "type": "SCRATCH", "diskSizeGb": "375", "mode": "READ_WRITE"}
    wanted = {"device_name": "local-ssd-0", "type": "SCRATCH", "initialize_params": {"disk_type": "local-ssd"}}
    assert not vm({"disks": [*NOW["disks"], ssd]}, disks=[{"boot": True}, wanted])["changed"]
    assert len(http.requests) == 1


def test_a_disk_that_is_not_seen_yet_is_looked_for(http: t.Any, run: t.Any) -> None:
    http.will_answer(200, NOW).will_answer(404).when("GET", DISK, REAL)
    disks = [{"boot": True, "initialize_params": {"disk_type": "pd-balanced"}}]
    assert not run(Instance, name="vm", zone="r-b", disks=disks)["changed"]


def test_a_disk_that_cannot_be_read_is_an_error(http: t.Any, run: t.Any) -> None:
    http.when("GET", ITEM, NOW)
    with pytest.raises(GcpError, match=r"The disk vm of .* cannot be read\. Run again"):
        run(Instance, name="vm", zone="r-b", disks=[{"boot": True, "initialize_params": {"labels": {}}}])


FREE = {"name": "data", "sizeGb": "50", "type": f"{LINK}/zones/r-b/diskTypes/pd-ssd", "status": "READY"}


@pytest.mark.parametrize(
    ("there", "parameters", "writes"),
    [
        pytest.param(FREE, {}, ["attachDisk"], id="as it should be"),
        pytest.param(FREE, {"disk_size_gb": 60}, [f"{ZONE}/disks/data/resize", "attachDisk"], id="smaller"),
        pytest.param(FREE, {"disk_type": "pd-balanced"}, "disk_type .*pd-ssd' to '.*pd-balanced'", id="another type"),
        pytest.param({**FREE, "users": [f"{LINK}/zones/r-b/instances/other"]}, {}, "used by .*other", id="in use"),
    ],
)
def test_a_disk_that_an_earlier_run_has_made_is_attached(
    http: t.Any, vm: t.Any, there: t.Any, parameters: t.Any, writes: t.Any
) -> None:
    http.when("GET", f"{ZONE}/disks/data", there)
    options = {"disks": [{"boot": True}, {"initialize_params": {"disk_name": "data", **parameters}}]}
    if isinstance(writes, str):
        with pytest.raises(GcpError, match=writes):
            vm(**options)
        assert http.writes == []
    else:
        assert vm(**options)["changed"]
        assert [path for path, _body, _query in verbs(http)] == writes


def test_a_disk_that_nothing_names_is_refused_before_anything_is_asked(make: t.Any) -> None:
    options = {"name": "vm", "zone": "r-b", "disks": [{"boot": True}, {"initialize_params": {"disk_size_gb": 10}}]}
    with pytest.raises(GcpError, match=r"disks\[1\] has no name.*device_name"):
        Instance.check(make(Instance, **options).params)


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "Vm"}, "The option name is 'Vm'"),
        ({"metadata": {"a b": 1}}, "metadata .*a map whose keys"),
        ({"metadata": {"a": [1]}}, "metadata .*a map whose values"),
        ({"tags": {"items": ["Web"]}}, r"tags.items\[0\] is 'Web'"),
        ({"disks": [{"boot": True, "initialize_params": {"disk_size_gb": 0}}]}, r"disks\[0\].*disk_size_gb is 0"),
        ({"network_interfaces": [{"network_ip": "10.0.0.0/8"}]}, "network_ip is '10.0.0.0/8'"),
        ({"service_accounts": [{"email": "runner"}]}, r"service_accounts\[0\].email is 'runner'"),
        ({"labels": {"App": "x"}}, "labels .*lower-case letters"),
    ],
)
def test_a_machine_that_cannot_be_is_refused_before_anything_is_asked(
    make: t.Any, options: t.Any, message: str
) -> None:
    with pytest.raises(GcpError, match=message):
        Instance.check(make(Instance, **{"name": "vm", "zone": "r-b", **options}).params)
