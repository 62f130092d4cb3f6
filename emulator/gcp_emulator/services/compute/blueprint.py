#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the body of ``instances.insert`` to the documents of instance and disks, or to the error that it gets."""

from __future__ import annotations

import json
import re

from gcp_emulator.errors import ApiError, Json, not_found
from gcp_emulator.services.base import Call
from gcp_emulator.services.compute import addressing, catalogue, metadata
from gcp_emulator.services.compute.base import (
    NAME,
    Collection,
    bad_value,
    check_labels,
    fingerprint,
    in_use,
    link,
    new_id,
    relative,
    timestamp,
)
from gcp_emulator.services.compute.projects import default_service_account


def machine_type(collection: Collection, call: Call, value: str, field: str) -> str:
    """The link of a machine type in the zone of the call."""
    zone = call.path["zone"]
    name = collection.reference(call, value, field).rsplit("/", 1)[1]
    if name not in catalogue.MACHINE_TYPES or f"zones/{zone}/machineTypes/" not in value:
        # issue: terratest#1132
        message = f"Machine type with name '{name}' does not exist in zone '{zone}'."
        raise bad_value(field, value, message)
    return link(f"projects/{call.path['project']}/zones/{zone}/machineTypes/{name}")


def tags(body: Json) -> Json:
    """Network tags with their fingerprint."""
    items = body.get("items") or []
    for number, tag in enumerate(items):
        if not NAME.fullmatch(tag):
            pattern = "(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)"
            field = f"resource.tags.items[{number}]"
            raise bad_value(field, tag, f"Must be a match of regex '{pattern}'")
    return {"fingerprint": fingerprint(items)} | ({"items": items} if items else {})


def scheduling(body: Json) -> Json:
    """How the machine lives and dies (defaults: documentation)."""
    spot = body.get("provisioningModel") == "SPOT" or body.get("preemptible") is True
    defaults: Json = {"onHostMaintenance": "MIGRATE", "automaticRestart": True, "preemptible": False}
    if spot:
        defaults = {"onHostMaintenance": "TERMINATE", "automaticRestart": False, "preemptible": True}
    result = defaults | {"provisioningModel": "SPOT" if spot else "STANDARD"} | body
    if spot and result["automaticRestart"]:
        # unverified wording
        message = "Scheduling must have automatic restart be false when preemptible is true."
        raise bad_value("resource.scheduling.automaticRestart", "true", message)
    return result


def service_accounts(collection: Collection, call: Call, accounts: list[Json]) -> list[Json]:
    """The account of the machine, ``default`` resolved."""
    if len(accounts) > 1:
        raise bad_value("resource.serviceAccounts", "", "At most one service account is supported.")
    project = collection.store.get("projects", call.path["project"]) or {}
    default = default_service_account(str(project.get("projectNumber")))
    return [
        {"email": default if account.get("email", "default") == "default" else account["email"],
         "scopes": account.get("scopes", [])}
        for account in accounts
    ]  # fmt: skip


def missing_account(collection: Collection, accounts: list[Json]) -> ApiError | None:
    """How the operation ends when the account is not there (issue; seen with Terraform)."""
    for account in accounts:
        email = account["email"]
        if email.endswith(".iam.gserviceaccount.com") and collection.store.get("serviceAccounts", email) is None:
            return ApiError(
                404, f"The resource '{email}' of type 'serviceAccount' was not found.", "RESOURCE_NOT_FOUND"
            )
    return None


class Blueprint:
    """What one ``insert`` makes. Read ``instance`` and ``disks`` after ``draw``."""

    def __init__(self, collection: Collection, call: Call) -> None:
        self.collection, self.call, self.store = collection, call, collection.store
        self.project, self.zone = call.path["project"], call.path["zone"]
        self.path, self.instance = collection.new(call)
        self.disks: dict[str, Json] = {}
        self.made: list[str] = []  # those of the disks that were not there before

    def draw(self) -> None:
        """Check the body and fill in what Google fills in (defaults: recording).

        :raises ApiError: as Google refuses it.
        """
        body, instance = self.call.body, self.instance
        if not body.get("machineType"):
            raise bad_value("resource.machineType", "", "The URL is malformed.")
        check_labels(body.get("labels", {}))
        accounts = service_accounts(self.collection, self.call, body.get("serviceAccounts") or [])
        shielded = {"enableSecureBoot": False, "enableVtpm": True, "enableIntegrityMonitoring": True}
        instance |= {
            "machineType": machine_type(self.collection, self.call, body["machineType"], "resource.machineType"),
            "status": "PROVISIONING",
            "tags": tags(body.get("tags", {})),
            "metadata": metadata.made(body.get("metadata", {})),
            "labelFingerprint": fingerprint(body.get("labels", {})),
            "scheduling": scheduling(body.get("scheduling", {})),
            "shieldedInstanceConfig": shielded | body.get("shieldedInstanceConfig", {}),
            "shieldedInstanceIntegrityPolicy": {"updateAutoLearnPolicy": True},
            "canIpForward": body.get("canIpForward", False),
            "deletionProtection": body.get("deletionProtection", False),
            "startRestricted": False,
            "cpuPlatform": "Unknown CPU Platform",
            "fingerprint": fingerprint(instance["id"]),
            "disks": self._attached(body.get("disks") or []),
            "networkInterfaces": self._interfaces(body.get("networkInterfaces") or []),
        }
        if accounts:
            instance["serviceAccounts"] = accounts

    # Disks

    def _attached(self, wanted: list[Json]) -> list[Json]:
        if not wanted:
            raise bad_value("resource.disks", "", "No disks are specified.")
        if not wanted[0].get("boot", True):
            raise bad_value("resource.disks[0]", "", "Boot disk must be the first disk.")
        return [self._attach(number, disk) for number, disk in enumerate(wanted)]

    def _attach(self, number: int, wanted: Json) -> Json:
        field = f"resource.disks[{number}]"
        parameters = wanted.get("initializeParams")
        if bool(wanted.get("source")) == (parameters is not None):
            raise bad_value(field, "", "One of source or initializeParams must be specified.")
        if parameters is not None:
            path, disk = self._make_disk(number, parameters, field + ".initializeParams")
        else:
            path, disk = self._existing_disk(wanted["source"], field + ".source")
        disk["users"] = [self.instance["selfLink"]]
        disk["lastAttachTimestamp"] = timestamp()
        self.disks[path] = disk
        attached = {
            "kind": "compute#attachedDisk",
            "type": "PERSISTENT",
            "mode": "READ_WRITE",
            "deviceName": f"persistent-disk-{number}",
            "autoDelete": False,
            "interface": "SCSI",
            "architecture": "X86_64",
            **{key: value for key, value in wanted.items() if key != "initializeParams" and value is not None},
            "index": number,
            "boot": number == 0,
            "source": link(path),
            "diskSizeGb": disk["sizeGb"],
        }
        for key in ("licenses", "guestOsFeatures"):
            if key in disk:
                attached[key] = disk[key]
        return attached

    def _make_disk(self, number: int, parameters: Json, field: str) -> tuple[str, Json]:
        name = parameters.get("diskName") or (self.instance["name"] + (f"-{number}" if number else ""))
        zone = f"projects/{self.project}/zones/{self.zone}"
        path = f"{zone}/disks/{name}"
        if self.store.get("compute.disks", path) or path in self.disks:
            raise ApiError(409, f"The resource '{path}' already exists", "alreadyExists")
        kind = (parameters.get("diskType") or "pd-standard").rsplit("/", 1)[-1]
        if kind not in catalogue.DISK_TYPES:
            message = "The referenced diskType resource cannot be found."
            raise bad_value(f"{field}.diskType", parameters["diskType"], message)
        disk: Json = {
            "kind": "compute#disk",
            "id": new_id(),
            "creationTimestamp": timestamp(),
            "name": name,
            "selfLink": link(path),
            "zone": link(zone),
            "status": "READY",
            "type": link(f"{zone}/diskTypes/{kind}"),
            "labelFingerprint": fingerprint(parameters.get("labels", {})),
            "physicalBlockSizeBytes": "4096",
            "architecture": "X86_64",
        }
        size = int(parameters.get("diskSizeGb") or 0)
        smallest = self._fill_disk(number, disk, parameters.get("sourceImage"), field)
        if size and size < smallest:
            # issue; unverified wording
            message = f"Requested disk size cannot be smaller than the image size ({smallest} GB)"
            raise bad_value(f"{field}.diskSizeGb", size, message)
        disk["sizeGb"] = str(size or smallest)
        if labels := parameters.get("labels"):
            disk["labels"] = labels
        self.made.append(path)
        return path, disk

    def _fill_disk(self, number: int, disk: Json, source: str | None, field: str) -> int:
        """Write down the image of a disk; the size that it needs at least, in GB."""
        if not source:
            if number == 0:
                message = "A boot disk needs a source image."
                raise bad_value(f"{field}.sourceImage", "", message)
            return 10
        image_path = self.collection.reference(self.call, source, field + ".sourceImage")
        image = catalogue.image(image_path)
        if image is None and re.search("/images/family/|/imageFamilyViews/", image_path):
            raise not_found(image_path)  # issue
        if image is None:
            # issue: infrakit.gcp#1
            message = "The referenced image resource cannot be found."
            raise bad_value(f"{field}.sourceImage", source, message)
        disk |= {
            "sourceImage": link(image.path),
            "licenses": [link(f"projects/{image.project}/global/licenses/{'-'.join(image.name.split('-')[:3])}")],
            "guestOsFeatures": [{"type": "UEFI_COMPATIBLE"}, {"type": "VIRTIO_SCSI_MULTIQUEUE"}, {"type": "GVNIC"}],
        }
        return image.size_gb

    def _existing_disk(self, source: str, field: str) -> tuple[str, Json]:
        path = self.collection.reference(self.call, source, field)
        disk = self.store.get("compute.disks", path)
        if disk is None:
            # issue: fastai-shell#5
            raise bad_value(field, source, "The referenced disk resource cannot be found.")
        if users := disk.get("users"):
            raise in_use("disk", path, relative(users[0]))
        return path, disk

    # Network

    def _interfaces(self, wanted: list[Json]) -> list[Json]:
        if not wanted:
            # recording
            message = "At least one network interface is required."
            raise bad_value("resource.networkInterfaces", "", message)
        if len(wanted) > 1:
            raise ApiError(501, "A machine of the sandbox has one network interface.", "notImplemented")
        return [self._interface(wanted[0], "resource.networkInterfaces[0]")]

    def _interface(self, wanted: Json, field: str) -> Json:
        network, subnetwork, cidr = self._subnetwork(wanted, field)
        interface: Json = {
            "kind": "compute#networkInterface",
            "name": "nic0",
            "stackType": "IPV4_ONLY",
            "network": link(network),
            "subnetwork": link(subnetwork),
            "networkIP": self._internal(wanted.get("networkIP"), subnetwork, cidr, field),
        }
        accesses = wanted.get("accessConfigs") or []
        if len(accesses) > 1:
            raise bad_value(f"{field}.accessConfigs", "", "At most one access config is supported.")
        if accesses:
            access = self._access(accesses[0], f"{field}.accessConfigs[0]")
            interface["accessConfigs"] = [access]
        return interface | {"fingerprint": fingerprint(interface)}

    def _subnetwork(self, wanted: Json, field: str) -> tuple[str, str, str]:
        region = catalogue.ZONES[self.zone]
        if value := wanted.get("subnetwork"):
            path = self.collection.reference(self.call, value, field + ".subnetwork")
            document = self.store.get("compute.subnetworks", path)
            if document is None:
                raise not_found(path)
            if f"/regions/{region}/" not in path:
                # unverified wording
                raise bad_value(f"{field}.subnetwork", value, f"It is not in region '{region}'.")
            network = relative(document["network"])
            asked = wanted.get("network")
            if asked and self.collection.reference(self.call, asked, field + ".network") != network:
                message = "Network and subnetwork do not belong together."
                raise bad_value(f"{field}.network", asked, message)
            return network, path, document["ipCidrRange"]
        value = str(wanted.get("network") or "global/networks/default")
        network = self.collection.reference(self.call, value, field + ".network")
        document = self.store.get("compute.networks", network)
        if document is None:
            raise not_found(network)
        if not document.get("autoCreateSubnetworks"):
            # documentation; wording seen in issues
            message = "Subnetwork should be specified for custom subnetmode network"
            raise bad_value(field, json.dumps({"network": value}), message)
        path = f"projects/{network.split('/')[1]}/regions/{region}/subnetworks/{network.rsplit('/', 1)[1]}"
        return network, path, catalogue.auto_range(region)

    def _internal(self, wanted: str | None, subnetwork: str, cidr: str, field: str) -> str:
        if not wanted:
            return addressing.free_internal(self.store, subnetwork, cidr)
        for path, address in self.store.items("compute.addresses", f"projects/{self.project}/regions/"):
            if address["address"] == wanted and relative(address.get("subnetwork", "")) == subnetwork:
                if address.get("users"):
                    break
                claim(self.collection, path, self.instance["selfLink"])
                return wanted
        else:
            if not addressing.is_usable(cidr, wanted):
                message = f"IP address is out of range of subnetwork '{subnetwork}'."
                raise bad_value(f"{field}.networkIP", wanted, message)
            if wanted not in addressing.internal_taken(self.store, subnetwork):
                return wanted
        # issue: terraform#18998
        message = f"IP '{wanted}' is already being used by another resource."
        raise ApiError(400, message, "IP_IN_USE_BY_ANOTHER_RESOURCE")

    def _access(self, wanted: Json, field: str) -> Json:
        return access_config(self.collection, self.call, wanted, self.instance["selfLink"], field)


def access_config(collection: Collection, call: Call, wanted: Json, user: str, field: str) -> Json:
    """An access configuration with an address; a reserved one is claimed.

    :raises ApiError: 400 for an address that is not reserved in the region, or that another has.
    """
    access = {
        "kind": "compute#accessConfig",
        "type": "ONE_TO_ONE_NAT",
        "name": "External NAT",
        "networkTier": "PREMIUM",
        **{key: value for key, value in wanted.items() if value not in (None, "")},
    }
    address = access.get("natIP")
    if not address:
        return access | {"natIP": addressing.free_external(collection.store, collection.cloud.settings)}
    region = catalogue.ZONES[call.path["zone"]]
    prefix = f"projects/{call.path['project']}/regions/{region}/addresses/"
    for path, reserved in collection.store.items("compute.addresses", prefix):
        if reserved["address"] == address and reserved["addressType"] == "EXTERNAL":
            if reserved.get("users") not in (None, [], [user]):
                # unverified wording
                message = f"External IP address: {address} is already in-use."
                raise bad_value(f"{field}.natIP", address, message)
            claim(collection, path, user)
            return access
    # issue: terraform-provider-google#435
    message = f"The specified external IP address '{address}' was not found in region '{region}'."
    raise bad_value(f"{field}.natIP", address, message)


def claim(collection: Collection, path: str, user: str) -> None:
    """Note who uses a reserved address."""
    address = collection.store.get("compute.addresses", path) or {}
    collection.store.put("compute.addresses", path, address | {"users": [user], "status": "IN_USE"})


def release(collection: Collection, user: str, only: str | None = None) -> None:
    """Give back the reserved addresses of a user, or one of them."""
    for path, address in list(collection.store.items("compute.addresses")):
        if address.get("users") == [user] and only in (None, address["address"]):
            address.pop("users")
            collection.store.put("compute.addresses", path, address | {"status": "RESERVED"})
