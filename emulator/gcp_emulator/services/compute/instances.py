# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Instances. What they look like is decided at the call; what runs follows in an action."""

from __future__ import annotations

import logging
import typing as t
from concurrent.futures import ThreadPoolExecutor

from gcp_emulator.errors import ApiError, Json, invalid, not_found
from gcp_emulator.services.base import Call, applies, handles
from gcp_emulator.services.compute import addressing, blueprint, disks, fabric, metadata
from gcp_emulator.services.compute.base import (
    Collection,
    bad_value,
    fingerprint,
    not_ready,
    relative,
    timestamp,
)
from gcp_emulator.values import same_bytes

# What of an instance is no part of its fingerprint: it changes by itself.
LIFE = frozenset({"fingerprint", "status", "cpuPlatform", "lastStartTimestamp", "lastStopTimestamp"})
# What the body of an update must have, as it is.
WHOLE = frozenset({"machineType", "disks", "networkInterfaces", "metadata", "tags", "labels", "scheduling"})
WHOLE |= {"description", "deletionProtection", "serviceAccounts", "shieldedInstanceConfig", "minCpuPlatform"}
LOG = logging.getLogger(__name__)


def agree(given: t.Any, known: t.Any) -> bool:
    """Whether a document says the same as another, as far as it goes: output-only fields have been taken out."""
    if isinstance(given, dict) and isinstance(known, dict):
        return all(agree(value, known.get(key)) for key, value in given.items())
    if isinstance(given, list) and isinstance(known, list):
        return len(given) == len(known) and all(map(agree, given, known))
    return bool(given == known) or not (given or known)


class Instances(Collection):
    """The ``instances`` collection."""

    collection, item = "instances", "instance"

    def wake(self) -> None:
        """Boot again what ran when the sandbox stopped; operations that were under way resume by themselves."""
        running = [path for path, instance in self.store.items(self.kind) if instance["status"] == "RUNNING"]
        with ThreadPoolExecutor(4, thread_name_prefix="wake") as pool:
            for path in running:
                pool.submit(self._heal, path)

    def _heal(self, path: str) -> None:
        try:
            fabric.start(self.cloud, path)
        except Exception:
            # One machine that cannot be had is no reason to leave the others off.
            LOG.exception("%s does not start", path)

    def save(self, path: str, resource: Json) -> None:
        """Write it, with the fingerprint of what it is now (discovery: each update changes it)."""
        content = {key: value for key, value in resource.items() if key not in LIFE}
        super().save(path, resource | {"fingerprint": fingerprint(content)})

    # Reading

    @handles("compute.instances.get")
    def get(self, call: Call) -> Json:
        return self.load(call)[1]

    @handles("compute.instances.list")
    def list_all(self, call: Call) -> Json:
        return self.answer_list(call)

    @handles("compute.instances.aggregatedList")
    def aggregated_list(self, call: Call) -> Json:
        return self.answer_aggregated(call)

    @handles("compute.instances.getSerialPortOutput")
    def get_serial_port_output(self, call: Call) -> Json:
        path, instance = self.load(call)
        text = self.cloud.machines.serial_output(path)
        start = int(call.first("start", "0"))
        return {
            "kind": "compute#serialPortOutput",
            "selfLink": instance["selfLink"] + "/serialPort",
            "contents": text[start:],
            "start": str(start),
            "next": str(max(start, len(text))),
        }

    # Coming and going

    @handles("compute.instances.insert")
    def insert(self, call: Call) -> Json:
        plan = blueprint.Blueprint(self, call)
        user = plan.instance["selfLink"]
        try:
            plan.draw()
        except ApiError:
            addressing.release(self.store, user)
            raise
        if error := blueprint.missing_account(self, plan.instance.get("serviceAccounts", [])):
            addressing.release(self.store, user)
            return self.operate(call, "insert", plan.path, error=error)
        for path, disk in plan.disks.items():
            self.store.put("compute.disks", path, disk)
        self.save(plan.path, plan.instance)
        return self.operate(call, "insert", plan.path, "compute.instances.create", made=plan.made)

    @applies("compute.instances.create")
    def apply_create(self, path: str, made: list[str]) -> None:
        """Boot it for the first time; what cannot be made leaves nothing behind."""
        if self.store.get(self.kind, path) is None:
            raise not_found(path)
        try:
            self._boot(path)
        except Exception:
            with self.store.lock:
                self._forget(path)
                for disk in made:
                    self.store.delete("compute.disks", disk)
            self.cloud.machines.delete(path)
            raise
        self._tell_peers(path)

    @handles("compute.instances.delete")
    def delete(self, call: Call) -> Json:
        path, instance = self.load(call)
        if instance.get("deletionProtection"):
            # issue: terraform-provider-google#1211
            message = "Invalid resource usage: 'Resource cannot be deleted if it's protected against deletion.'."
            raise ApiError(400, message, "invalidResourceUsage")
        self.save(path, instance | {"status": "STOPPING"})
        return self.operate(call, "delete", path, "compute.instances.delete")

    @applies("compute.instances.delete")
    def apply_delete(self, path: str) -> None:
        """Remove the machine, then the documents: a repeat finds what is left."""
        self.cloud.machines.delete(path)
        with self.store.lock:
            instance = self._forget(path)
        if instance is not None:
            fabric.configure_peers(self.cloud, self._network(instance), path)

    def _forget(self, path: str) -> Json | None:
        """Remove the document, and what hangs on it."""
        instance = self.store.get(self.kind, path)
        if instance is None:
            return None
        for attached in instance["disks"]:
            if attached["autoDelete"]:
                self.store.delete("compute.disks", relative(attached["source"]))
            else:
                self._let_go(attached)
        addressing.release(self.store, instance["selfLink"])
        fabric.forget_addresses(self.store, path)
        self.store.delete(self.kind, path)
        return instance

    # Running

    @handles("compute.instances.start")
    def start(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        if instance["status"] == "STOPPING":
            raise not_ready(path)  # only what is stopped starts (documentation; unverified wording)
        if instance["status"] == "TERMINATED":
            instance["status"] = "STAGING"
            for nic in addressing.interfaces(instance):
                for access in nic.get("accessConfigs", []):
                    if "natIP" not in access:
                        access["natIP"] = addressing.free_external(self.store, self.cloud.settings)
            self.save(path, instance)
        return self.operate(call, "start", path, "compute.instances.start")

    @applies("compute.instances.start")
    def apply_start(self, path: str) -> None:
        """Boot it; one that cannot stays off."""
        try:
            self._boot(path)
        except Exception:
            self._update(path, status="TERMINATED")
            raise

    @handles("compute.instances.stop")
    def stop(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        if instance["status"] != "TERMINATED":
            self.save(path, instance | {"status": "STOPPING"})
        return self.operate(call, "stop", path, "compute.instances.stop")

    @applies("compute.instances.stop")
    def apply_stop(self, path: str) -> None:
        """Shut it down; an address that is not reserved goes back (documentation)."""
        self.cloud.machines.stop(path)
        with self.store.lock:
            instance = self.store.get(self.kind, path)
            if instance is None or instance["status"] != "STOPPING":
                return
            reserved = {
                address["address"]
                for _key, address in self.store.items("compute.addresses")
                if address.get("users") == [instance["selfLink"]]
            }
            for nic in addressing.interfaces(instance):
                for access in nic.get("accessConfigs", []):
                    if access.get("natIP") not in reserved:
                        access.pop("natIP", None)
            instance |= {"status": "TERMINATED", "lastStopTimestamp": timestamp()}
            self.save(path, instance)
            fabric.forget_addresses(self.store, path)

    @handles("compute.instances.reset")
    def reset(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        if instance["status"] != "RUNNING":
            raise self._not_in_state(path, "reset", "RUNNING")
        return self.operate(call, "reset", path, "compute.instances.reset")

    @applies("compute.instances.reset")
    def apply_reset(self, path: str) -> None:
        """Power it off and on."""
        self.cloud.machines.reset(path)

    # Changing

    @handles("compute.instances.setTags")
    def set_tags(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        if not same_bytes(call.body.get("fingerprint"), instance["tags"].get("fingerprint")):
            # recording
            raise ApiError(412, "Supplied fingerprint does not match current tags fingerprint.", "conditionNotMet")
        self.save(path, instance | {"tags": blueprint.tags(call.body)})
        return self.operate(call, "setTags", path, "compute.instances.configure")

    @handles("compute.instances.setLabels")
    def set_labels(self, call: Call) -> Json:
        return self.change_labels(call)

    @handles("compute.instances.setMetadata")
    def set_metadata(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        items = metadata.changed(instance["metadata"], call.body)
        self.save(path, instance | {"metadata": items})
        return self.operate(call, "setMetadata", path)

    @handles("compute.instances.setMachineType")
    def set_machine_type(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        if instance["status"] != "TERMINATED":
            raise self._not_in_state(path, "change the machine type of", "TERMINATED")
        kind = blueprint.machine_type(self, call, call.body.get("machineType", ""), "resource.machineType")
        blueprint.scheduling(instance["scheduling"], kind)  # unverified: it has to fit the new type too
        self.save(path, instance | {"machineType": kind})
        return self.operate(call, "setMachineType", path)

    @handles("compute.instances.setMinCpuPlatform")
    def set_min_cpu_platform(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        if instance["status"] != "TERMINATED":
            raise self._not_in_state(path, "change the CPU platform of", "TERMINATED")
        platform = call.body.get("minCpuPlatform", "")
        instance.pop("minCpuPlatform", None)
        if platform:
            blueprint.check_platform(platform, instance["machineType"], "minCpuPlatform")
            instance["minCpuPlatform"] = platform
        self.save(path, instance)
        return self.operate(call, "setMinCpuPlatform", path)

    @handles("compute.instances.update")
    def update(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        if not same_bytes(call.body.get("fingerprint"), instance["fingerprint"]):
            # discovery; unverified wording
            raise ApiError(412, "Supplied fingerprint does not match current fingerprint.", "conditionNotMet")
        wanted = {key: value for key, value in call.body.items() if key != "canIpForward"}
        other = sorted(key for key, value in wanted.items() if key not in LIFE and not agree(value, instance.get(key)))
        # documentation: what is missing is taken for deleted
        other += sorted(key for key in WHOLE if instance.get(key) and key not in wanted)
        if other:
            message = f"The sandbox updates canIpForward of an instance, and not {', '.join(other)}."
            raise ApiError(501, message, "notImplemented")
        self.save(path, instance | {"canIpForward": call.body.get("canIpForward", False)})
        return self.operate(call, "update", path)

    @handles("compute.instances.setServiceAccount")
    def set_service_account(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        if instance["status"] != "TERMINATED":
            # documentation
            raise invalid("The instance must be stopped before the service account can be changed.")
        wanted = [call.body] if call.body.get("email") else []
        accounts = blueprint.service_accounts(self, call, wanted)
        if error := blueprint.missing_account(self, accounts):
            return self.operate(call, "setServiceAccount", path, error=error)
        instance.pop("serviceAccounts", None)
        self.save(path, instance | ({"serviceAccounts": accounts} if accounts else {}))
        return self.operate(call, "setServiceAccount", path, "compute.instances.configure")

    @handles("compute.instances.setDeletionProtection")
    def set_deletion_protection(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        protected = call.first("deletionProtection", "true").lower() == "true"  # true if not said (discovery)
        self.save(path, instance | {"deletionProtection": protected})
        return self.operate(call, "setDeletionProtection", path)

    @handles("compute.instances.setScheduling")
    def set_scheduling(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        changed = blueprint.scheduling(instance["scheduling"] | call.body, instance["machineType"])
        model = ("preemptible", "provisioningModel")
        if instance["status"] != "TERMINATED" and any(changed[key] != instance["scheduling"][key] for key in model):
            raise self._not_in_state(path, "change the provisioning model of", "TERMINATED")
        self.save(path, instance | {"scheduling": changed})
        return self.operate(call, "setScheduling", path)

    @handles("compute.instances.updateShieldedInstanceConfig")
    def update_shielded_instance_config(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        if instance["status"] != "TERMINATED":
            raise self._not_in_state(path, "change the shielded configuration of", "TERMINATED")
        shielded = instance["shieldedInstanceConfig"] | call.body
        self.save(path, instance | {"shieldedInstanceConfig": shielded})
        return self.operate(call, "updateShieldedInstanceConfig", path)

    @handles("compute.instances.attachDisk")
    def attach_disk(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        if call.body.get("initializeParams") or not call.body.get("source"):
            # discovery: what is attached is there already; unverified wording
            raise bad_value("resource.source", call.body.get("source", ""), "An existing disk must be specified.")
        where, disk = disks.existing(self, call, call.body["source"], "resource.source")
        if call.body.get("boot") and any(attached["boot"] for attached in instance["disks"]):
            # unverified wording
            raise bad_value("resource.boot", "true", "The instance already has a boot disk.")
        instance["disks"].append(disks.attach(instance, call.body, disk, "resource"))
        self.store.put("compute.disks", where, disk)
        self.save(path, instance)
        return self.operate(call, "attachDisk", path)

    @handles("compute.instances.detachDisk")
    def detach_disk(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        attached = self._attached(call, instance)
        if attached["boot"] and instance["status"] != "TERMINATED":
            # The boot disk of a machine that runs stays (documentation).
            raise self._not_in_state(path, "detach the boot disk of", "TERMINATED")
        if attached["boot"]:
            raise ApiError(501, "A machine of the sandbox keeps its boot disk.", "notImplemented")
        instance["disks"].remove(attached)
        self._let_go(attached)
        self.save(path, instance)
        return self.operate(call, "detachDisk", path)

    @handles("compute.instances.setDiskAutoDelete")
    def set_disk_auto_delete(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        self._attached(call, instance)["autoDelete"] = call.first("autoDelete").lower() == "true"
        self.save(path, instance)
        return self.operate(call, "setDiskAutoDelete", path)

    @handles("compute.instances.addAccessConfig")
    def add_access_config(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        nic = self._interface(call, instance)
        if nic.get("accessConfigs"):
            # unverified wording
            raise bad_value("resource.accessConfigs", "", "At most one access config is supported.")
        access = blueprint.access_config(self, call, call.body, instance["selfLink"], "resource")
        nic["accessConfigs"] = [access]
        self.save(path, instance)
        return self.operate(call, "addAccessConfig", path, "compute.instances.configure")

    @handles("compute.instances.deleteAccessConfig")
    def delete_access_config(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        nic, name = self._interface(call, instance), call.first("accessConfig")
        found = [access for access in nic.get("accessConfigs", []) if access["name"] == name]
        if not found:
            # unverified wording
            raise bad_value("accessConfig", name, "The specified access config does not exist.")
        del nic["accessConfigs"]
        self.save(path, instance)
        if address := found[0].get("natIP"):
            addressing.release(self.store, instance["selfLink"], address)
        return self.operate(call, "deleteAccessConfig", path, "compute.instances.configure")

    @applies("compute.instances.configure")
    def apply_configure(self, path: str) -> None:
        """Bring the machine in line, and those whose rules speak of its tags or account."""
        fabric.configure(self.cloud, path)
        self._tell_peers(path)

    # Helpers

    def _boot(self, path: str) -> None:
        self._update(path, status="STAGING", lastStartTimestamp=timestamp(), cpuPlatform="Intel Broadwell")
        fabric.start(self.cloud, path)

    def _update(self, path: str, **values: str) -> None:
        with self.store.lock:
            instance = self.store.get(self.kind, path)
            if instance is not None and instance["status"] != "STOPPING":
                self.save(path, instance | values)

    def _tell_peers(self, path: str) -> None:
        instance = self.store.get(self.kind, path)
        if instance is not None:
            fabric.configure_peers(self.cloud, self._network(instance), path)

    def _network(self, instance: Json) -> str:
        return relative(instance["networkInterfaces"][0]["network"])

    def _interface(self, call: Call, instance: Json) -> Json:
        wanted = call.first("networkInterface")
        for nic in addressing.interfaces(instance):
            if nic["name"] == wanted:
                return nic
        raise bad_value("networkInterface", wanted, "The network interface does not exist.")

    @staticmethod
    def _attached(call: Call, instance: Json) -> Json:
        wanted = call.first("deviceName")
        for attached in instance["disks"]:
            if attached["deviceName"] == wanted:
                return t.cast(Json, attached)
        # unverified wording
        raise bad_value("deviceName", wanted, f"No attached disk found with device name '{wanted}'")

    def _let_go(self, attached: Json) -> None:
        """Note in a disk that nobody uses it any more."""
        path = relative(attached["source"])
        disk = self.store.get("compute.disks", path)
        if disk is not None:
            disk.pop("users", None)
            self.store.put("compute.disks", path, disk | {"lastDetachTimestamp": timestamp()})

    def _not_in_state(self, path: str, verb: str, state: str) -> ApiError:
        # unverified wording; that it is refused with 400: recording
        message = f"Invalid resource usage: 'To {verb} instance {path}, it must be {state}.'."
        return ApiError(400, message, "invalidResourceUsage")
