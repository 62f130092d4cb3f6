# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the table of the instance cannot show: disks one by one, the order of verbs, and runs that were interrupted."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_address import Address
from ansible_collections.mlops.mlflow.plugins.modules.gcp_compute_instance import Instance
from gcp_emulator.faults import Fault

from .cloud import Cloud

Json = dict[str, t.Any]

ZONE = "https://compute.googleapis.com/compute/v1/projects/test-project/zones/europe-west1-b"
PLACE = {"name": "one", "zone": "europe-west1-b"}
BOOT = {"boot": True, "auto_delete": True, "initialize_params": {"source_image": "debian-cloud/debian-12"}}
DATA = {"device_name": "data", "initialize_params": {"disk_name": "one-data", "disk_size_gb": 20}}
OUTSIDE = {"network": "default", "access_configs": [{}]}
NEW = {**PLACE, "machine_type": "e2-small", "disks": [BOOT], "network_interfaces": [{"network": "default"}]}
STAYING = {"scheduling": {"on_host_maintenance": "TERMINATE"}}
MOVING = {"scheduling": {"on_host_maintenance": "MIGRATE"}}


def run(cloud: Cloud, **options: t.Any) -> Json:
    """Bring the machine to what the options say; check mode foretells it, and a second run does nothing."""
    promise = cloud.run(Instance, PLACE | options, check_mode=True)
    result = cloud.run(Instance, PLACE | options)
    assert (promise["changed"], promise["diff"]) == (result["changed"], result["diff"])
    assert not cloud.run(Instance, PLACE | options)["changed"]
    return result


def verbs(cloud: Cloud, **options: t.Any) -> list[str]:
    """The last parts of what a run writes."""
    with cloud.recorded() as sent:
        assert cloud.run(Instance, PLACE | options)["changed"]
    return [r.path.rsplit("/", 1)[1] for r in sent if r.method != "GET" and not r.path.endswith("/wait")]


def ask(cloud: Cloud, path: str, method: str = "GET", body: Json | None = None) -> Json:
    """Ask the cloud itself, and let what that begins come to its end."""
    answer = cloud.emulator.ok(method, f"{ZONE}/{path}", body)
    cloud.emulator.finish()
    return answer


@pytest.fixture
def vm(cloud: Cloud) -> Cloud:
    """A cloud with a machine that runs."""
    cloud.run(Instance, NEW)
    return cloud


def test_a_disk_is_added_grown_labelled_and_taken_away(vm: Cloud) -> None:
    assert run(vm, disks=[BOOT, DATA])["diff"]["before"]["disks"] != []
    disk = ask(vm, "disks/one-data")
    assert (disk["sizeGb"], disk["users"][0].rsplit("/", 1)[1]) == ("20", "one")
    parameters = {"disk_name": "one-data", "disk_size_gb": 30, "labels": {"a": "b"}}
    larger = {"device_name": "data", "auto_delete": True, "initialize_params": parameters}
    diff = run(vm, disks=[BOOT, larger])["diff"]
    assert diff["before"]["disks"][0] == diff["after"]["disks"][0]
    disk = ask(vm, "disks/one-data")
    assert (disk["sizeGb"], disk["labels"]) == ("30", {"a": "b"})
    run(vm, disks=[BOOT])
    assert "users" not in ask(vm, "disks/one-data"), "it stays"


@pytest.mark.parametrize("known", [{"device_name": "data"}, {"source": "one-data"}], ids=str)
def test_a_disk_is_known_again_by_any_of_its_names(vm: Cloud, known: Json) -> None:
    run(vm, disks=[BOOT, DATA])
    assert not vm.run(Instance, {**PLACE, "disks": [BOOT, known]})["changed"]


def test_disks_may_be_told_in_any_order(vm: Cloud) -> None:
    run(vm, disks=[BOOT, DATA])
    assert not vm.run(Instance, {**PLACE, "disks": [DATA, BOOT]})["changed"]


def test_a_run_without_a_change_asks_twice_however_many_disks_there_are(vm: Cloud) -> None:
    def typed(disk: Json) -> Json:
        return {**disk, "initialize_params": {**disk["initialize_params"], "disk_type": "pd-standard"}}

    more = {"device_name": "more", "initialize_params": {"disk_size_gb": 10}}
    disks = [BOOT, typed(DATA), typed(more)]
    run(vm, disks=disks)
    with vm.recorded() as sent:
        assert not vm.run(Instance, {**PLACE, "disks": disks})["changed"]
    assert [request.method for request in sent] == ["GET", "GET"]


def test_a_disk_that_was_made_but_not_attached_is_attached_by_the_next_run(vm: Cloud) -> None:
    ask(vm, "disks", "POST", {"name": "one-data", "sizeGb": "20"})
    assert verbs(vm, disks=[BOOT, DATA]) == ["attachDisk"]


def test_a_newer_image_of_the_family_is_no_difference_and_another_family_an_error(vm: Cloud) -> None:
    def boot(image: str) -> Json:
        return {**PLACE, "disks": [{"boot": True, "initialize_params": {"source_image": image}}]}

    assert not vm.run(Instance, boot("debian-cloud/debian-12"))["changed"]
    with pytest.raises(GcpError, match=r"source_image cannot be changed from '.*debian-12-.*' to '.*family/debian-13'"):
        vm.run(Instance, boot("debian-cloud/debian-13"))


@pytest.mark.parametrize("interrupted", [["stop"], ["stop", "setMachineType"]], ids=["stopped", "changed"])
def test_a_resize_that_was_interrupted_is_completed_by_the_next_run(vm: Cloud, interrupted: list[str]) -> None:
    larger = {"machine_type": "e2-medium", "allow_stopping_for_update": True, "status": "RUNNING"}
    bodies = {"setMachineType": {"machineType": "zones/europe-west1-b/machineTypes/e2-medium"}}
    for verb in interrupted:
        ask(vm, f"instances/one/{verb}", "POST", bodies.get(verb))
    assert verbs(vm, **larger) == [verb for verb in ("setMachineType", "start") if verb not in interrupted]
    now = ask(vm, "instances/one")
    assert (now["status"], now["machineType"].rsplit("/", 1)[1]) == ("RUNNING", "e2-medium")


def test_a_machine_that_is_being_stopped_is_waited_for_and_started(vm: Cloud) -> None:
    vm.emulator.ok("POST", f"{ZONE}/instances/one/stop")
    assert vm.run(Instance, {**PLACE, "status": "RUNNING"})["changed"]
    assert ask(vm, "instances/one")["status"] == "RUNNING"


def test_a_reserved_address_replaces_one_that_is_not(vm: Cloud) -> None:
    run(vm, network_interfaces=[OUTSIDE])
    address = vm.run(Address, {"name": "a", "region": "europe-west1"})["resource"]
    reserved = {"network": "default", "access_configs": [{"nat_ip": address}]}
    assert verbs(vm, network_interfaces=[reserved]) == ["deleteAccessConfig", "addAccessConfig"]
    assert ask(vm, "instances/one")["networkInterfaces"][0]["accessConfigs"][0]["natIP"] == address["address"]
    assert not vm.run(Instance, {**PLACE, "network_interfaces": [reserved]})["changed"]


def test_forwarding_is_changed_together_with_what_has_verbs_of_its_own(vm: Cloud) -> None:
    sent = verbs(vm, can_ip_forward=True, labels={"a": "b"}, tags={"tag_values": ["web"]})
    assert sent == ["setTags", "setLabels", "one"]
    now = ask(vm, "instances/one")
    assert (now["canIpForward"], now["labels"], now["tags"]["items"]) == (True, {"a": "b"}, ["web"])


def test_a_refusal_comes_before_any_change(vm: Cloud) -> None:
    before = ask(vm, "instances/one")
    options = {"labels": {"a": "b"}, "tags": {"items": ["web"]}, "machine_type": "e2-medium", "hostname": "a.b"}
    with pytest.raises(GcpError):
        vm.run(Instance, PLACE | options | {"allow_stopping_for_update": True})
    assert ask(vm, "instances/one") == before


@pytest.mark.parametrize("kind", ["reset-after", "503", "operation-error"])
@pytest.mark.parametrize(
    "method", ["disks.insert", "instances.attachDisk", "instances.stop", "instances.setMachineType"]
)
def test_a_change_of_several_steps_is_completed_whatever_fails(vm: Cloud, method: str, kind: str) -> None:
    options = {"disks": [BOOT, DATA], "machine_type": "e2-medium", "allow_stopping_for_update": True}
    options["status"] = "RUNNING"
    vm.emulator.faults.add(Fault(method=f"compute.{method}", kind=kind, call=1))
    try:
        vm.run(Instance, PLACE | options)
    except GcpError:
        assert kind == "operation-error", "anything else is asked again"
        assert vm.run(Instance, PLACE | options)["changed"]
    assert vm.emulator.faults.met
    now = ask(vm, "instances/one")
    assert (now["status"], now["machineType"].rsplit("/", 1)[1]) == ("RUNNING", "e2-medium")
    assert [disk["deviceName"] for disk in now["disks"]] == ["persistent-disk-0", "data"]
    assert not vm.run(Instance, PLACE | options)["changed"]


@pytest.mark.parametrize("check_mode", [True, False], ids=["check", "run"])
@pytest.mark.parametrize("there", [True, False], ids=["changed", "new"])
def test_what_an_e2_machine_cannot_be_is_refused_before_anything_is_changed(
    cloud: Cloud, there: bool, check_mode: bool
) -> None:
    if there:
        cloud.run(Instance, NEW)
    options = NEW | STAYING | {"tags": {"items": ["web"]}, "labels": {"a": "b"}}
    with cloud.recorded() as sent, pytest.raises(GcpError, match="on_host_maintenance cannot be TERMINATE"):
        cloud.run(Instance, options, check_mode)
    assert {request.method for request in sent} == {"GET"}


def test_a_machine_that_does_not_move_is_refused_as_e2_unless_it_may_move_then(cloud: Cloud) -> None:
    n2 = {**STAYING, "machine_type": "n2-standard-2", "allow_stopping_for_update": True}
    e2 = {"machine_type": "e2-small", "allow_stopping_for_update": True}
    cloud.run(Instance, NEW | n2)
    with pytest.raises(GcpError, match=r"Set scheduling\.on_host_maintenance to MIGRATE"):
        cloud.run(Instance, PLACE | e2)
    run(cloud, **e2, **MOVING)
    run(cloud, **n2)
    assert ask(cloud, "instances/one")["status"] == "RUNNING"


@pytest.mark.parametrize("short", [{"preemptible": True}, {"provisioning_model": "SPOT"}], ids=str)
def test_an_e2_machine_that_google_may_take_away_does_not_move(vm: Cloud, short: Json) -> None:
    scheduling = {**short, "automatic_restart": False, "on_host_maintenance": "TERMINATE"}
    run(vm, scheduling=scheduling, allow_stopping_for_update=True)
    run(vm, **STAYING, labels={"a": "b"})
    assert not vm.run(Instance, PLACE | {"machine_type": "e2-small"})["changed"]
