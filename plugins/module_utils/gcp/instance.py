# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a virtual machine is changed: each of its parts has a verb of its own. Its options are in the module."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.compute import ComputeResource
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError, Json
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.fields import Field, dig, path_of
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.references import resource_path
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.resource import LOOKS, Action, Plan
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.rules import RESOURCE_NAME, text
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.session import backoff

DEFAULT_ACCOUNT = re.compile(r"\d+-compute@developer\.gserviceaccount\.com")
IMAGE = re.compile(r"projects/([^/]+)/(?:global/images/family|zones/[^/]+/imageFamilyViews)/([^/]+)")
# What Google changes only while the machine is stopped: path of the API and option.
NEEDS_STOP = {
    "machineType": "machine_type",
    "minCpuPlatform": "min_cpu_platform",
    "serviceAccounts": "service_accounts",
    "shieldedInstanceConfig": "shielded_instance_config",
    "scheduling.preemptible": "scheduling.preemptible",
    "scheduling.provisioningModel": "scheduling.provisioning_model",
}
# What follows from the model where the task does not say: a machine that Google may take away cannot move or restart.
MODELS: dict[bool, Json] = {
    True: {"preemptible": True, "automaticRestart": False, "onHostMaintenance": "TERMINATE"},
    False: {"preemptible": False, "automaticRestart": True, "onHostMaintenance": "MIGRATE"},
}
# What of a disk its machine does not tell.
TOLD_BY_DISK = {"diskType", "labels", "sourceImage"}
WAY_OUT = "Leave it as it is, or delete the machine first (state: absent) and create it anew."


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
    """An address, or the result of a module that reserved it; check mode knows only the link of a new one."""
    return str(value.get("address") or value.get("selfLink", "")) if isinstance(value, dict) else str(value)


class InstanceResource(ComputeResource):
    """What can be changed is changed in place, part by part; each part is protected by its own fingerprint.

    A plan knows of each disk what the task asks about it: ``disks[].initializeParams`` of its ``current`` is what the
    disk has, in the words of the task where both mean the same.
    """

    collection = "compute/v1/projects/{project}/zones/{zone}/instances"
    state_path = "status"
    pending = frozenset({"PENDING", "PROVISIONING", "STAGING", "REPAIRING"})
    leaving = frozenset({"PENDING_STOP", "STOPPING", "SUSPENDING", "DEPROVISIONING"})
    needed = ("machine_type", "disks", "network_interfaces")
    stopped_by_us = False  # it ran before, so it is to run after, even if something makes us plan again in between

    @classmethod
    def check(cls, params: Json) -> None:
        """Refuse a disk that a later run would not know again."""
        super().check(params)
        for index, disk in enumerate(params["disks"] or []):
            names = (disk.get("source"), disk.get("device_name"), dig(disk, "initialize_params.disk_name"))
            if not disk.get("boot") and not any(names):
                raise GcpError(
                    f"disks[{index}] has no name by which a later run knows it. Give it a device_name, an "
                    "initialize_params.disk_name or a source, or say boot: true if it is the boot disk."
                )

    def plan(self, current: Json | None) -> Plan:
        """Plan the machine with what its disks tell and whether it runs; refuse what cannot be changed."""
        if current is not None and self.params["state"] == "present":
            current = {**current, "disks": self._disks_with_details(current)}
        plan = super().plan(current)
        if self.params["state"] == "absent":
            return plan
        self._refuse_fixed_e2(plan)
        before, after, changes = {**plan.before}, {**plan.after}, {**plan.changes}
        status = self._wanted_status
        if current is None:
            self._refuse_bad_names(plan.changes.get("disks", []))
            after |= {"status": status} if status else {}
            return dataclasses.replace(plan, after=after)
        if "disks" in changes:
            self._refuse_other_disks(current, changes["disks"])
        if "networkInterfaces" in changes:
            self._refuse_other_networks(current, changes["networkInterfaces"])
        if status:
            before["status"] = after["status"] = status
            if run_state(current) != status:
                before["status"], changes["status"] = current.get("status"), status
        self._refuse_running(current, changes)
        action: Action = "update" if changes else "none"
        return dataclasses.replace(plan, action=action, before=before, after=after, changes=changes)

    def create(self, plan: Plan) -> Json:
        """Make the machine, and stop it if that is asked, because Google starts what it makes."""
        disks = [self._named(disk) for disk in plan.changes["disks"]]
        answer = super().create(dataclasses.replace(plan, changes={**plan.changes, "disks": disks}))
        if self.params["status"] == "TERMINATED":
            self.finish(answer, "create")
            return self._verb("stop")
        return answer

    def update(self, plan: Plan) -> Json:
        """Change it part by part, first what it can run with; stop it once for all that needs that."""
        before = state = run_state(plan.current)
        while_stopped = {path.split(".")[0] for path in needing_stop(plan.changes)}
        if "machineType" in while_stopped and plan.changes.get("scheduling.onHostMaintenance") == "TERMINATE":
            while_stopped.add("scheduling")  # not every type may have it: the new one comes first
        for path, change in self.live_changes.items():
            if path in plan.body and path not in while_stopped:
                change(self, plan)
        to_be_stopped = plan.changes.get("status") == "TERMINATED"
        if to_be_stopped or (while_stopped and state != "TERMINATED"):
            self.stopped_by_us = before == "RUNNING" and not to_be_stopped
            self._step("stop")
            state = "TERMINATED"
        for path, change in self.stopped_changes.items():
            if path in while_stopped:
                change(self, plan)
        if self._wanted_status == "RUNNING" and state != "RUNNING":
            return self._verb("resume" if state == "SUSPENDED" else "start")
        return {}

    def delete(self, plan: Plan) -> Json:
        """Delete it, and lift its protection first if the task says so."""
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

    @property
    def _zone(self) -> str:
        """URL of the zone."""
        return self.url.split("/instances/", 1)[0]

    def _verb(self, verb: str, body: Json | None = None, query: Json | None = None, method: str = "POST") -> Json:
        return self.request(method, f"{self.url}/{verb}", body, query)

    def _step(self, verb: str, body: Json | None = None, query: Json | None = None, method: str = "POST") -> None:
        self.finish(self._verb(verb, body, query, method), verb)

    def _refuse_running(self, current: Json, changes: Json) -> None:
        options = [NEEDS_STOP[path] for path in needing_stop(changes)]
        may_stop = self.params["allow_stopping_for_update"] or self.params["status"] == "TERMINATED"
        if options and run_state(current) != "TERMINATED" and not may_stop:
            raise GcpError(
                f"{' and '.join(options)} can only be changed while the machine is stopped, and {self.title} is "
                f"{run_state(current)}. Set allow_stopping_for_update: true to have it stopped and changed, and "
                "started again if it runs now."
            )

    def _refuse_fixed_e2(self, plan: Plan) -> None:
        """E2 machines have to move from a host that is maintained, unless Google may take them away."""
        if not plan.body.keys() & {"machineType", "scheduling"}:
            return
        machine = plan.after.get("machineType") or plan.current.get("machineType", "")
        scheduling = self._scheduling(plan)
        short = scheduling.get("preemptible") or scheduling.get("provisioningModel") == "SPOT"
        if "/e2-" in machine and scheduling.get("onHostMaintenance") == "TERMINATE" and not short:
            raise GcpError(
                f"scheduling.on_host_maintenance cannot be TERMINATE for {self.title}, which is to be of the type "
                f"{machine.rsplit('/', 1)[1]}, unless it is preemptible. Set scheduling.on_host_maintenance to "
                "MIGRATE, or choose a machine_type of another series."
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
        self._step("setScheduling", self._scheduling(plan))

    @staticmethod
    def _scheduling(plan: Plan) -> Json:
        """All of it, as it is to be."""
        body, wanted = {**plan.current.get("scheduling", {})}, plan.after.get("scheduling", {})
        if plan.body.get("scheduling", {}).keys() & {"preemptible", "provisioningModel"}:
            body |= dict.fromkeys(body.keys() & {"instanceTerminationAction"})  # null takes it away
            body |= MODELS[wanted.get("provisioningModel") == "SPOT" or bool(wanted.get("preemptible"))]
            body["provisioningModel"] = "STANDARD"
        return {**body, **wanted}

    def _set_protection(self, plan: Plan) -> None:
        self._protect(plan.changes["deletionProtection"])

    def _protect(self, protected: bool) -> None:
        self._step("setDeletionProtection", query={"deletionProtection": text(protected)})

    def _set_forwarding(self, plan: Plan) -> None:
        """The one part without a verb of its own: the whole machine is sent, as it is now but for this."""
        now = self.read() or {}
        body = {**now, "canIpForward": plan.changes["canIpForward"]}
        query = {"mostDisruptiveAllowedAction": "RESTART" if self.params["allow_stopping_for_update"] else "REFRESH"}
        self.finish(self.request("PUT", self.url, body, query), "update")

    def _set_disks(self, plan: Plan) -> None:
        """Detach, grow, label, create and attach, and set whether a disk goes with the machine."""
        left = list(plan.current.get("disks", []))
        new = []
        for disk in plan.changes["disks"]:
            there = matching(disk, left)
            if there is None:
                new.append(disk)
                continue
            left.remove(there)
            self._fit_disk(self._disk_url(there), disk.get("initializeParams", {}), there["initializeParams"])
            if disk.get("autoDelete") not in {None, bool(there.get("autoDelete"))}:
                query = {"autoDelete": text(disk["autoDelete"]), "deviceName": there["deviceName"]}
                self._step("setDiskAutoDelete", query=query)
        for disk in left:
            self._step("detachDisk", query={"deviceName": disk["deviceName"]})
        for disk in new:
            self._step("attachDisk", self._made(disk))

    def _made(self, disk: Json) -> Json:
        """What attaches a new disk, which is made first unless it is there: an earlier run may have come so far."""
        body = {key: value for key, value in disk.items() if key != "initializeParams"}
        if disk.get("source"):
            return body
        url, wanted = self._url_of_new(disk), disk.get("initializeParams", {})
        name = url.rsplit("/", 1)[1]
        if (there := self._free_disk(disk)) is None:
            made = {"name": name, "sizeGb": wanted.get("diskSizeGb"), "type": wanted.get("diskType")}
            made |= {key: wanted.get(key) for key in ("sourceImage", "labels")}
            made = {key: value for key, value in made.items() if value is not None}
            self.finish(self.request("POST", f"{self._zone}/disks", made), f"create the disk {name} of")
        else:
            self._fit_disk(url, wanted, there)
        return {**body, "source": url}

    def _fit_disk(self, url: str, wanted: Json, there: Json) -> None:
        """Let a disk grow, and label it."""
        name = there["diskName"]
        if wanted.get("diskSizeGb", 0) > there.get("diskSizeGb", 0):
            answer = self.request("POST", f"{url}/resize", {"sizeGb": str(wanted["diskSizeGb"])})
            self.finish(answer, f"resize the disk {name} of")
        if "labels" in wanted and wanted["labels"] != there.get("labels"):
            body = {"labels": wanted["labels"], "labelFingerprint": there.get("labelFingerprint", "")}
            self.finish(self.request("POST", f"{url}/setLabels", body), f"label the disk {name} of")

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
        "networkInterfaces": _set_access_configs,
        "canIpForward": _set_forwarding,
    }

    # What changes while it is stopped.

    def _set_machine_type(self, plan: Plan) -> None:
        self._step("setMachineType", {"machineType": plan.changes["machineType"]})

    def _set_platform(self, plan: Plan) -> None:
        self._step("setMinCpuPlatform", {"minCpuPlatform": plan.changes["minCpuPlatform"]})

    def _set_account(self, plan: Plan) -> None:
        self._step("setServiceAccount", next(iter(plan.changes["serviceAccounts"]), {"email": "", "scopes": []}))

    def _set_shielding(self, plan: Plan) -> None:
        self._step("updateShieldedInstanceConfig", plan.body["shieldedInstanceConfig"], method="PATCH")

    stopped_changes: t.ClassVar[dict[str, t.Callable[[InstanceResource, Plan], None]]] = {
        "machineType": _set_machine_type,
        "minCpuPlatform": _set_platform,
        "serviceAccounts": _set_account,
        "shieldedInstanceConfig": _set_shielding,
        "scheduling": _set_scheduling,
    }

    # Disks.

    def _disks_with_details(self, current: Json) -> list[Json]:
        """The attached disks, each with what the task asks of it as ``initializeParams``."""
        detailed = [{**disk, "initializeParams": self._told(disk)} for disk in current.get("disks", [])]
        left, silent = list(detailed), {}
        for disk in self._wanted_disks:
            if (there := matching(disk, left)) is not None:
                left.remove(there)
                wanted, told = disk.get("initializeParams", {}), there["initializeParams"]
                if not there.get("source"):  # a local SSD, of which nobody tells more
                    told |= wanted
                elif wanted.keys() & TOLD_BY_DISK or wanted.get("diskSizeGb") not in {None, told.get("diskSizeGb")}:
                    silent[self._disk_url(there)] = (wanted, there)
        for url, real in self._real_disks(list(silent)).items():
            wanted, there = silent[url]
            there["initializeParams"] |= self._details(wanted, real)
        return detailed

    @property
    def _wanted_disks(self) -> list[Json]:
        """The disks that the task names, in the words of the API."""
        return t.cast("list[Json]", self.fields["disks"].to_api(self.params["disks"] or [], self.params))

    @staticmethod
    def _told(disk: Json) -> Json:
        """What the machine tells of a disk."""
        told: Json = {"diskName": resource_path(disk.get("source", "")).rsplit("/", 1)[-1]}
        return told | ({"diskSizeGb": int(disk["diskSizeGb"])} if disk.get("diskSizeGb") else {})

    def _real_disks(self, urls: list[str]) -> dict[str, Json]:
        """Attached disks by URL. They are there, because the machine says so, though not seen everywhere at once."""
        attempt, found = 0, self._seen_disks(urls)
        while missing := [url for url in urls if url not in found]:
            if attempt == LOOKS or not self.session.deadline.pause(backoff(attempt)):
                raise GcpError(f"The disk {missing[0].rsplit('/', 1)[1]} of {self.title} cannot be read. Run again.")
            attempt, found = attempt + 1, self._seen_disks(urls)
        return found

    def _seen_disks(self, urls: list[str]) -> dict[str, Json]:
        """The disks that can be read: one by itself, several of the zone by one list."""
        if len(urls) > 1 and all(url.startswith(f"{self._zone}/disks/") for url in urls):
            names = " OR ".join(f'(name = "{url.rsplit("/", 1)[1]}")' for url in urls)
            found = self.session.listed(f"{self._zone}/disks", "items", {"filter": names})
            return {f"{self._zone}/disks/{disk['name']}": disk for disk in found}
        return {url: disk for url in urls if (disk := self.session.get(url)) is not None}

    def _disk_url(self, disk: Json) -> str:
        """URL of an attached disk."""
        return f"{self.host}/compute/v1/{resource_path(disk['source'])}"

    def _details(self, wanted: Json, real: Json) -> Json:
        """A disk as ``initializeParams``."""
        return {
            "diskName": real["name"],
            "diskSizeGb": int(real.get("sizeGb") or 0),
            "diskType": real.get("type", ""),
            "labels": real.get("labels", {}),
            "labelFingerprint": real.get("labelFingerprint", ""),
            "sourceImage": self._image(wanted.get("sourceImage", ""), real.get("sourceImage", "")),
        }

    def _image(self, wanted: str, real: str) -> str:
        """The image of a disk: as the task says it, if it is that image or one of that family, whichever is newest.

        An image that is gone tells nothing, and changes nothing.
        """
        mine, its = resource_path(wanted), resource_path(real)
        if not mine.startswith("projects/"):
            mine = f"projects/{self.params['project']}/{mine}"
        if not (wanted and real) or mine == its:
            return wanted
        if (family := IMAGE.fullmatch(mine)) and its.startswith(f"projects/{family[1]}/global/images/"):
            if its.rsplit("/", 1)[1].startswith(f"{family[2]}-"):  # as Google names its own
                return wanted
            found = self.session.get(f"{self.host}/compute/v1/{its}")
            if found is None or found.get("family") == family[2]:
                return wanted
        return real

    def _named(self, disk: Json) -> Json:
        """A disk that is to be made with a name by which it is found again; Google names boot disks and local SSDs."""
        if disk.get("boot") or disk.get("source") or disk.get("type") == "SCRATCH":
            return disk
        wanted = disk.get("initializeParams", {})
        name = wanted.get("diskName") or f"{self.params['name']}-{disk['deviceName']}"
        return {**disk, "initializeParams": {**wanted, "diskName": name}}

    def _refuse_bad_names(self, disks: list[Json]) -> None:
        """A name that the task leaves to us has to be one."""
        for disk in map(self._named, disks):
            name = dig(disk, "initializeParams.diskName")
            if name and not RESOURCE_NAME.holds(name):
                raise GcpError(
                    f"disks: a disk would be called {name}, which cannot be. Give it an initialize_params.disk_name, "
                    f"which must be {RESOURCE_NAME.words}."
                )

    def _url_of_new(self, disk: Json) -> str:
        """URL of a disk that is to be made for a machine that exists."""
        return f"{self._zone}/disks/{self._named(disk)['initializeParams']['diskName']}"

    def _free_disk(self, disk: Json) -> Json | None:
        """The disk that is to be made and attached, if it is there already.

        :raises GcpError: if somebody else has it.
        """
        real = self.session.get(self._url_of_new(disk))
        if real is None:
            return None
        if users := real.get("users"):
            raise GcpError(
                f"disks: the disk {real['name']} is there and used by {resource_path(users[0])}. Use another name."
            )
        return self._details(disk.get("initializeParams", {}), real)

    def _refuse_other_disks(self, current: Json, wanted: list[Json]) -> None:
        """Disks can be added, taken away, and grow; what else they are is for good."""
        left = list(current["disks"])
        self._refuse_bad_names([disk for disk in wanted if matching(disk, left) is None])
        for index, disk in enumerate(wanted):
            there = matching(disk, left)
            if there is not None:
                left.remove(there)
                self._refuse_differences("disks", index, disk, there)
            elif disk.get("type") == "SCRATCH" or disk.get("boot"):
                kind = "boot disk" if disk.get("boot") else "local SSD"
                raise GcpError(f"disks[{index}]: a machine that exists gets no other {kind}. {WAY_OUT}")
            elif not disk.get("source"):
                self._refuse_other_disk(index, disk)
        if any(disk.get("boot") for disk in left):
            raise GcpError(
                f"disks is the whole list, and the boot disk of {self.title} is not in it. Add a disk with boot: true."
            )

    def _refuse_other_disk(self, index: int, disk: Json) -> None:
        """A disk that is to be made may be there already, as an earlier run left it, but not another of its name."""
        if "initializeParams" not in disk:
            raise GcpError(
                f"disks[{index}]: none of the disks of {self.title} is {disk}. To add one, give its source if it is "
                "there already, or initialize_params if it is to be made."
            )
        if (there := self._free_disk(disk)) is not None:
            wanted = {"initializeParams": disk["initializeParams"]}
            self._refuse_differences("disks", index, wanted, {"initializeParams": there})

    def _refuse_other_networks(self, current: Json, wanted: list[Json]) -> None:
        """Only the external addresses of an interface can change."""
        there = current.get("networkInterfaces", [])
        if len(there) != len(wanted):
            raise GcpError(
                f"network_interfaces: their number cannot be changed from {len(there)} to {len(wanted)}. {WAY_OUT}"
            )
        for index, interface in enumerate(wanted):
            self._refuse_differences("network_interfaces", index, interface, there[index])

    def _refuse_differences(self, option: str, index: int, wanted: Json, there: Json) -> None:
        for name, old, new in fixed_differences(self.fields[option].options, wanted, there):
            if name == "initialize_params.disk_size_gb":
                hint = f"Disks only grow: give {old} or more, or create the machine anew."
            else:
                hint = WAY_OUT
            raise GcpError(f"{option}[{index}].{name} cannot be changed from {old!r} to {new!r} in place. {hint}")


CHANGEABLE = {"auto_delete", "labels", "access_configs"}


def fixed_differences(
    options: dict[str, Field], wanted: Json, there: Json, prefix: str = ""
) -> t.Iterator[tuple[str, t.Any, t.Any]]:
    """What a task asks of an element of a list that nobody can change: option, what there is, and what is asked."""
    for name, field in options.items():
        path = path_of(name, field)
        new, old = dig(wanted, path), dig(there, path)
        if new is None or name in CHANGEABLE:
            continue
        if field.is_group:
            yield from fixed_differences(field.options, new, old or {}, f"{prefix}{name}.")
        elif new < (old or 0) if name == "disk_size_gb" else not field.same(new, old):
            yield f"{prefix}{name}", old, new


def needing_stop(changes: Json) -> list[str]:
    """What of the changes is done while the machine is stopped."""
    return [path for path in NEEDS_STOP if any(f"{change}.".startswith(f"{path}.") for change in changes)]


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
