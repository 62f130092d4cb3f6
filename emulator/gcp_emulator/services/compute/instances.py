#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Instances. What they look like is decided at the call; what runs follows in an action."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

from gcp_emulator.errors import ApiError, Json, invalid, not_found
from gcp_emulator.services.base import Call, applies, handles
from gcp_emulator.services.compute import addressing, blueprint, fabric, metadata
from gcp_emulator.services.compute.base import Collection, bad_value, relative, same_bytes, timestamp

LOG = logging.getLogger(__name__)


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
            blueprint.release(self, user)
            raise
        if error := blueprint.missing_account(self, plan.instance.get("serviceAccounts", [])):
            blueprint.release(self, user)
            return self.operate(call, "insert", plan.path, error=error)
        for path, disk in plan.disks.items():
            self.store.put("compute.disks", path, disk)
        self.store.put(self.kind, plan.path, plan.instance)
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
        self.store.put(self.kind, path, instance | {"status": "STOPPING"})
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
            disk = relative(attached["source"])
            document = self.store.get("compute.disks", disk)
            if attached["autoDelete"]:
                self.store.delete("compute.disks", disk)
            elif document is not None:
                document.pop("users", None)
                self.store.put("compute.disks", disk, document | {"lastDetachTimestamp": timestamp()})
        blueprint.release(self, instance["selfLink"])
        fabric.forget_addresses(self.store, path)
        self.store.delete(self.kind, path)
        return instance

    # Running

    @handles("compute.instances.start")
    def start(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        if instance["status"] == "TERMINATED":
            instance["status"] = "STAGING"
            for nic in addressing.interfaces(instance):
                for access in nic.get("accessConfigs", []):
                    if "natIP" not in access:
                        access["natIP"] = addressing.free_external(self.store, self.cloud.settings)
            self.store.put(self.kind, path, instance)
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
            self.store.put(self.kind, path, instance | {"status": "STOPPING"})
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
            self.store.put(self.kind, path, instance)
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
        self.store.put(self.kind, path, instance | {"tags": blueprint.tags(call.body)})
        return self.operate(call, "setTags", path, "compute.instances.configure")

    @handles("compute.instances.setLabels")
    def set_labels(self, call: Call) -> Json:
        return self.change_labels(call)

    @handles("compute.instances.setMetadata")
    def set_metadata(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        items = metadata.changed(instance["metadata"], call.body)
        self.store.put(self.kind, path, instance | {"metadata": items})
        return self.operate(call, "setMetadata", path)

    @handles("compute.instances.setMachineType")
    def set_machine_type(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        if instance["status"] != "TERMINATED":
            raise self._not_in_state(path, "change the machine type of", "TERMINATED")
        kind = blueprint.machine_type(self, call, call.body.get("machineType", ""), "resource.machineType")
        self.store.put(self.kind, path, instance | {"machineType": kind})
        return self.operate(call, "setMachineType", path)

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
        self.store.put(self.kind, path, instance | ({"serviceAccounts": accounts} if accounts else {}))
        return self.operate(call, "setServiceAccount", path, "compute.instances.configure")

    @handles("compute.instances.setDeletionProtection")
    def set_deletion_protection(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        protected = call.first("deletionProtection", "true").lower() == "true"  # true: discovery
        self.store.put(self.kind, path, instance | {"deletionProtection": protected})
        return self.operate(call, "setDeletionProtection", path)

    @handles("compute.instances.setScheduling")
    def set_scheduling(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        changed = blueprint.scheduling(instance["scheduling"] | call.body)
        model = ("preemptible", "provisioningModel")
        if instance["status"] != "TERMINATED" and any(changed[key] != instance["scheduling"][key] for key in model):
            raise self._not_in_state(path, "change the provisioning model of", "TERMINATED")
        self.store.put(self.kind, path, instance | {"scheduling": changed})
        return self.operate(call, "setScheduling", path)

    @handles("compute.instances.updateShieldedInstanceConfig")
    def update_shielded_instance_config(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        if instance["status"] != "TERMINATED":
            raise self._not_in_state(path, "change the shielded configuration of", "TERMINATED")
        shielded = instance["shieldedInstanceConfig"] | call.body
        self.store.put(self.kind, path, instance | {"shieldedInstanceConfig": shielded})
        return self.operate(call, "updateShieldedInstanceConfig", path)

    @handles("compute.instances.setDiskAutoDelete")
    def set_disk_auto_delete(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        for attached in instance["disks"]:
            if attached["deviceName"] == call.first("deviceName"):
                attached["autoDelete"] = call.first("autoDelete").lower() == "true"
                self.store.put(self.kind, path, instance)
                return self.operate(call, "setDiskAutoDelete", path)
        raise bad_value("disk", call.first("deviceName"), "No attached disk found.")

    @handles("compute.instances.addAccessConfig")
    def add_access_config(self, call: Call) -> Json:
        path, instance = self.load_settled(call)
        nic = self._interface(call, instance)
        if nic.get("accessConfigs"):
            # unverified wording
            raise bad_value("resource.accessConfigs", "", "At most one access config is supported.")
        access = blueprint.access_config(self, call, call.body, instance["selfLink"], "resource")
        nic["accessConfigs"] = [access]
        self.store.put(self.kind, path, instance)
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
        self.store.put(self.kind, path, instance)
        if address := found[0].get("natIP"):
            blueprint.release(self, instance["selfLink"], address)
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
                self.store.put(self.kind, path, instance | values)

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

    def _not_in_state(self, path: str, verb: str, state: str) -> ApiError:
        # unverified wording; that it is refused with 400: recording
        message = f"Invalid resource usage: 'To {verb} instance {path}, it must be {state}.'."
        return ApiError(400, message, "invalidResourceUsage")
