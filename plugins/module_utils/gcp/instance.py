# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a virtual machine is changed: each of its parts has a verb of its own. Its options are in the module."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.compute import ComputeResource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import dig, resource_path, text
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import Plan

DEFAULT_ACCOUNT = re.compile(r"\d+-compute@developer\.gserviceaccount\.com")
# What Google changes only while the machine is stopped: path of the API and option.
NEEDS_STOP = {
    "machineType": "machine_type",
    "serviceAccounts": "service_accounts",
    "shieldedInstanceConfig": "shielded_instance_config",
}
SIZES = "diskSizeGb"  # where a plan keeps the disks that grow: {name: GB}


def image(value: str) -> str:
    """An image as the API takes it; ``project/family`` is short for the newest image of a family."""
    if match := re.fullmatch(r"([a-z][a-z0-9.:-]+)/([a-z0-9-]+)", value):
        owner, family = match.groups()
        where = "" if owner == "family" else f"projects/{owner}/"
        return f"{where}global/images/family/{family}"
    return value


def scope(value: str) -> str:
    """An OAuth scope in full."""
    return value if "://" in value else f"https://www.googleapis.com/auth/{value}"


def account(value: t.Any) -> str:
    """The project's default account by one name."""
    return "default" if DEFAULT_ACCOUNT.fullmatch(str(value)) else str(value)


def metadata_items(values: Json) -> Json:
    """Metadata as the API has it."""
    return {"items": [{"key": str(key), "value": text(value)} for key, value in sorted(values.items())]}


def metadata_values(value: Json | None) -> Json:
    """Metadata as a map, which has no order."""
    return {item["key"]: item.get("value", "") for item in (value or {}).get("items", [])}


def external_address(value: t.Any) -> str:
    """An address, or the result of a module that reserved it."""
    return str(value.get("address", "")) if isinstance(value, dict) else str(value)


class InstanceResource(ComputeResource):
    """What can be changed is changed in place, part by part; each part is protected by its own fingerprint."""

    collection = "compute/v1/projects/{project}/zones/{zone}/instances"
    state_path = "status"
    pending = frozenset({"PENDING", "PROVISIONING", "STAGING", "REPAIRING"})
    leaving = frozenset({"PENDING_STOP", "STOPPING", "SUSPENDING", "DEPROVISIONING"})
    stopped_by_us = False  # it ran before, so it is to run after, even if something makes us plan again in between

    def plan(self, current: Json | None) -> Plan:
        plan = super().plan(current)
        if self.params["state"] == "absent":
            return plan
        before, after, changes = {**plan.before}, {**plan.after}, {**plan.changes}
        status = self._wanted_status
        if current is not None:
            self._refuse_new_disks(current)
            if sizes := self._growth(current):
                before[SIZES] = {name: old for name, (old, _new) in sizes.items()}
                after[SIZES] = changes[SIZES] = {name: new for name, (_old, new) in sizes.items()}
            if status:
                before["status"] = after["status"] = status
                if run_state(current) != status:
                    before["status"], changes["status"] = current.get("status"), status
            if "networkInterfaces" in changes:
                self._refuse_other_networks(current, changes["networkInterfaces"])
            self._refuse_running(current, changes)
        else:
            self._refuse_incomplete()
            after |= {"status": status} if status else {}
        action = plan.action if current is None else "update" if changes else "none"
        return dataclasses.replace(plan, action=action, before=before, after=after, changes=changes)

    def create(self, plan: Plan) -> Json:
        answer = super().create(plan)
        if self.params["status"] == "TERMINATED":
            self.finish(answer, "create")
            return self._verb("stop")
        return answer

    def update(self, plan: Plan) -> Json:
        running = run_state(plan.current) == "RUNNING"
        for path, change in self.live_changes.items():
            if path in plan.body:
                change(self, plan)
        stopped = [path for path in NEEDS_STOP if path in plan.body]
        if (running and stopped) or plan.changes.get("status") == "TERMINATED":
            self.stopped_by_us = "status" not in plan.changes
            self._step("stop")
        for path in stopped:
            self._change_stopped(path, plan)
        if (self._wanted_status or run_state(plan.current)) == "RUNNING" and (stopped or not running):
            return self._verb("resume" if run_state(plan.current) == "SUSPENDED" else "start")
        return {}

    def delete(self, plan: Plan) -> Json:
        protected = plan.current.get("deletionProtection")
        if protected and self.params["deletion_protection"] is False:
            self._protect(False)
        elif protected:
            raise GcpError(
                f"{self.title} is protected from deletion. Set deletion_protection: false in this task to delete it."
            )
        return super().delete(plan)

    @property
    def _wanted_status(self) -> str | None:
        return "RUNNING" if self.stopped_by_us else self.params["status"]

    def _verb(self, verb: str, body: Json | None = None, query: Json | None = None, method: str = "POST") -> Json:
        return self.request(method, f"{self.url}/{verb}", body, query)

    def _step(self, verb: str, body: Json | None = None, query: Json | None = None, method: str = "POST") -> None:
        self.finish(self._verb(verb, body, query, method), verb)

    def _refuse_incomplete(self) -> None:
        missing = [name for name in ("machine_type", "disks", "network_interfaces") if not self.params[name]]
        if missing:
            raise GcpError(f"{', '.join(missing)} must be given to create {self.title}.")

    def _refuse_running(self, current: Json, changes: Json) -> None:
        options = sorted({NEEDS_STOP[path.split(".")[0]] for path in changes if path.split(".")[0] in NEEDS_STOP})
        may_stop = self.params["allow_stopping_for_update"] or self.params["status"] == "TERMINATED"
        if options and run_state(current) == "RUNNING" and not may_stop:
            raise GcpError(
                f"{' and '.join(options)} can only be changed while the machine is stopped, and {self.title} is "
                "running. Set allow_stopping_for_update: true to have it stopped, changed and started again."
            )

    # What changes while the machine runs.

    def _set_tags(self, plan: Plan) -> None:
        fingerprint = dig(plan.current, "tags.fingerprint")
        self._step("setTags", {"items": plan.changes["tags.items"], "fingerprint": fingerprint})

    def _set_labels(self, plan: Plan) -> None:
        self.finish(self.set_labels(plan.after["labels"], plan.current), "setLabels")

    def _set_metadata(self, plan: Plan) -> None:
        fingerprint = dig(plan.current, "metadata.fingerprint")
        self._step("setMetadata", {**plan.changes["metadata"], "fingerprint": fingerprint})

    def _set_scheduling(self, plan: Plan) -> None:
        self._step("setScheduling", {**plan.current.get("scheduling", {}), **plan.body["scheduling"]})

    def _set_protection(self, plan: Plan) -> None:
        self._protect(plan.changes["deletionProtection"])

    def _protect(self, protected: bool) -> None:
        self._step("setDeletionProtection", query={"deletionProtection": text(protected)})

    def _set_disks(self, plan: Plan) -> None:
        """Attach, detach, and set whether a disk goes with the machine."""
        left = list(plan.current.get("disks", []))
        for disk in plan.changes["disks"]:
            there = matching(disk, left)
            if there is not None:
                left.remove(there)
                if disk.get("autoDelete") not in {None, bool(there.get("autoDelete"))}:
                    query = {"autoDelete": text(disk["autoDelete"]), "deviceName": there["deviceName"]}
                    self._step("setDiskAutoDelete", query=query)
            else:
                self._step("attachDisk", {key: value for key, value in disk.items() if key != "initializeParams"})
        for disk in left:
            self._step("detachDisk", query={"deviceName": disk["deviceName"]})

    def _grow_disks(self, plan: Plan) -> None:
        zone = self.url.split("/instances/", 1)[0]
        for name, size in plan.changes[SIZES].items():
            url = f"{zone}/disks/{name}/resize"
            self.finish(self.request("POST", url, {"sizeGb": str(size)}), f"resize the disk {name} of")

    def _set_access_configs(self, plan: Plan) -> None:
        """Give the interfaces their external addresses; an interface has one at most."""
        field = self.fields["network_interfaces"].options["access_configs"]
        for wanted, there in zip(plan.changes["networkInterfaces"], plan.current["networkInterfaces"], strict=True):
            configs = wanted.get("accessConfigs")
            if configs is None or field.same(configs, there.get("accessConfigs")):
                continue
            for old in there.get("accessConfigs", []):
                query = {"accessConfig": old["name"], "networkInterface": there["name"]}
                self._step("deleteAccessConfig", query=query)
            for new in configs:
                body = {"name": "External NAT", "type": "ONE_TO_ONE_NAT", **new}
                self._step("addAccessConfig", body, {"networkInterface": there["name"]})

    live_changes: t.ClassVar[dict[str, t.Callable[[InstanceResource, Plan], None]]] = {
        "tags": _set_tags,
        "labels": _set_labels,
        "metadata": _set_metadata,
        "scheduling": _set_scheduling,
        "deletionProtection": _set_protection,
        "disks": _set_disks,
        SIZES: _grow_disks,
        "networkInterfaces": _set_access_configs,
    }

    # What changes while it is stopped.

    def _change_stopped(self, path: str, plan: Plan) -> None:
        if path == "machineType":
            self._step("setMachineType", {"machineType": plan.changes[path]})
        elif path == "serviceAccounts":
            first = next(iter(plan.changes[path]), {"email": "", "scopes": []})
            self._step("setServiceAccount", first)
        else:
            self._step("updateShieldedInstanceConfig", plan.body[path], method="PATCH")

    # What a machine does not tell by itself.

    def _growth(self, current: Json) -> dict[str, tuple[int, int]]:
        """Disks that are to be larger, by name, with what they have and what they shall have, in GB.

        :raises GcpError: if a disk would have to be smaller or of another type.
        """
        found = {}
        for disk in self._disks:
            wanted = disk.get("initializeParams", {})
            attached = matching(disk, current.get("disks", []))
            if attached is None or not wanted.keys() & {"diskSizeGb", "diskType"}:
                continue
            path = resource_path(attached["source"])
            real = self.session.get(f"{self.host}/compute/v1/{path}") or {}
            name, size = path.rsplit("/", 1)[1], int(real.get("sizeGb") or 0)
            kind, wanted_kind = real.get("type", ""), wanted.get("diskType")
            if kind and wanted_kind and resource_path(kind) != resource_path(wanted_kind):
                raise GcpError(
                    f"disks: disk_type of {name} cannot be changed from {kind.rsplit('/', 1)[-1]} to "
                    f"{wanted_kind.rsplit('/', 1)[-1]} in place. Leave it as it is, or create the machine anew."
                )
            if (wanted_size := wanted.get("diskSizeGb", size)) < size:
                raise GcpError(
                    f"disks: disk_size_gb of {name} is {size} and cannot become {wanted_size}: disks only grow. "
                    f"Give {size} or more, or create the machine anew."
                )
            if wanted_size > size:
                found[name] = (size, wanted_size)
        return found

    @property
    def _disks(self) -> list[Json]:
        """The disks that the task names, in the words of the API."""
        return t.cast("list[Json]", self.fields["disks"].to_api(self.params["disks"] or [], self.params))

    def _refuse_new_disks(self, current: Json) -> None:
        """Only a disk that exists can be added."""
        for disk in self._disks:
            if not disk.get("source") and matching(disk, current.get("disks", [])) is None:
                raise GcpError(
                    f"disks: none of the disks of {self.title} is {disk}. To add one to a machine that exists, make it "
                    "first and give its source."
                )

    def _refuse_other_networks(self, current: Json, wanted: list[Json]) -> None:
        """Only the external addresses of an interface can change."""
        there = current.get("networkInterfaces", [])
        bare = [{key: value for key, value in interface.items() if key != "accessConfigs"} for interface in wanted]
        if not self.fields["network_interfaces"].same(bare, there):
            raise GcpError(
                f"network_interfaces: network, subnetwork and network_ip of {self.title} cannot be changed in place, "
                "nor the number of interfaces. Leave them as they are, or delete the machine first (state: absent)."
            )


def run_state(current: Json) -> str:
    """The status, in the one of two words for a stopped machine that the option has."""
    return str(current.get("status", "")).replace("STOPPED", "TERMINATED")


def matching(disk: Json, attached: list[Json]) -> Json | None:
    """The attached disk that a task speaks of: the boot disk, or the one with the same device name, source or name."""
    name = dig(disk, "initializeParams.diskName")
    for other in attached:
        source = resource_path(other.get("source", ""))
        if (
            (disk.get("boot") and other.get("boot"))
            or (disk.get("deviceName") and disk["deviceName"] == other.get("deviceName"))
            or (disk.get("source") and resource_path(disk["source"]) == source)
            or (name and source.endswith(f"/disks/{name}"))
        ):
            return other
    return None
