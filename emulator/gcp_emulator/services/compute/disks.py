# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Disks, made with their instance or by themselves.

Behind a disk from which no machine boots is nothing but its document: a machine of the sandbox does not see it.
"""

from __future__ import annotations

import re

from gcp_emulator.errors import ApiError, Json, not_found
from gcp_emulator.services.base import Call, applies, handles
from gcp_emulator.services.compute import catalogue
from gcp_emulator.services.compute.base import (
    Collection,
    bad_value,
    check_labels,
    fingerprint,
    in_use,
    link,
    relative,
    timestamp,
)

SMALLEST, LARGEST = 10, 65536  # sizes of a persistent disk in GB (documentation)
EMPTY_SIZE = 500  # GB of a disk without an image, if nothing is said (discovery)
# Other sources of a disk, which the sandbox does not have.
WITHOUT = (
    *("sourceSnapshot", "sourceDisk", "sourceInstantSnapshot", "sourceMachineImage", "sourceStorageObject"),
    *("storagePool", "replicaZones", "asyncPrimaryDisk"),
)
# What of a new disk is called otherwise in ``initializeParams``.
IN_INSTANCE = {"sizeGb": "diskSizeGb", "type": "diskType"}


def draw(collection: Collection, call: Call, path: str, wanted: Json, field: str, names: Json, boot: bool) -> Json:
    """The document of a new disk.

    :param wanted: what a Disk has, such as ``sizeGb``.
    :param field: where the request has it, such as ``resource``.
    :param names: what the request calls a part of it otherwise.
    :raises ApiError: 400 for what cannot be.
    """

    def named(part: str) -> str:
        return f"{field}.{names.get(part, part)}"

    for part in WITHOUT:
        if wanted.get(part):
            raise ApiError(501, f"The sandbox has no disks with {part}.", "notImplemented")
    check_labels(wanted.get("labels") or {})
    zone = path.partition("/disks/")[0]
    kind = disk_type(collection, call, wanted.get("type") or f"{zone}/diskTypes/pd-standard", named("type"))
    disk = collection.described(
        path,
        {
            "status": "READY",
            "type": kind,
            "labelFingerprint": fingerprint(wanted.get("labels") or {}),
            "physicalBlockSizeBytes": "4096",
            "architecture": "X86_64",
        }
        | {key: wanted[key] for key in ("labels", "description") if wanted.get(key)},
    )
    disk |= {"kind": "compute#disk"}
    smallest = SMALLEST
    if source := wanted.get("sourceImage"):
        smallest = fill(collection, call, disk, source, named("sourceImage"))
    elif boot:
        # discovery; unverified wording
        raise bad_value(named("sourceImage"), "", "A boot disk needs a source image.")
    size = int(wanted.get("sizeGb") or (smallest if source else EMPTY_SIZE))
    if source and size < smallest:
        # issue; unverified wording
        message = f"Requested disk size cannot be smaller than the image size ({smallest} GB)"
        raise bad_value(named("sizeGb"), size, message)
    if not SMALLEST <= size <= LARGEST:
        # documentation; unverified wording
        message = f"Disk size must be between {SMALLEST} GB and {LARGEST} GB."
        raise bad_value(named("sizeGb"), size, message)
    return disk | {"sizeGb": str(size)}


def disk_type(collection: Collection, call: Call, value: str, field: str) -> str:
    """The link of a disk type in the zone of the call."""
    zone, name = collection.reference(call, value, field).rsplit("/diskTypes/", 1)
    if name not in catalogue.DISK_TYPES or not zone.endswith(f"/zones/{call.path['zone']}"):
        # unverified wording
        raise bad_value(field, value, "The referenced diskType resource cannot be found.")
    return link(f"{zone}/diskTypes/{name}")


def fill(collection: Collection, call: Call, disk: Json, source: str, field: str) -> int:
    """Write down the image of a disk; the size that it needs at least, in GB."""
    path = collection.reference(call, source, field)
    image = catalogue.image(path)
    if image is None and re.search("/images/family/|/imageFamilyViews/", path):
        raise not_found(path)  # a family without an image is 404, another image that is not there 400 (issue)
    if image is None:
        # issue: infrakit.gcp#1
        raise bad_value(field, source, "The referenced image resource cannot be found.")
    disk |= {
        "sourceImage": link(image.path),
        "licenses": [link(image.license)],
        "guestOsFeatures": [{"type": feature} for feature in catalogue.GUEST_OS_FEATURES],
    }
    return image.size_gb


def existing(collection: Collection, call: Call, source: str, field: str) -> tuple[str, Json]:
    """Path and document of a disk that nobody uses."""
    path = collection.reference(call, source, field)
    disk = collection.store.get("compute.disks", path)
    if disk is None:
        # issue: fastai-shell#5
        raise bad_value(field, source, "The referenced disk resource cannot be found.")
    if users := disk.get("users"):
        raise in_use("disk", path, relative(users[0]))  # a disk has one user (recording)
    collection.required("compute.disks", path)
    return path, disk


def attach(instance: Json, wanted: Json, disk: Json, field: str) -> Json:
    """A disk as its instance shows it, and the instance noted in its document."""
    if wanted.get("type", "PERSISTENT") != "PERSISTENT":
        raise ApiError(501, "A machine of the sandbox has no local SSDs.", "notImplemented")
    taken = {other["deviceName"] for other in instance.get("disks", [])}
    numbers = {other["index"] for other in instance.get("disks", [])}
    number = next(free for free in range(len(numbers) + 1) if free not in numbers)
    name = wanted.get("deviceName") or f"persistent-disk-{number}"
    if name in taken:
        # documentation: unique; unverified wording
        raise bad_value(f"{field}.deviceName", name, "The device name is already used by another disk.")
    disk |= {"users": [instance["selfLink"]], "lastAttachTimestamp": timestamp()}
    shown = {
        "kind": "compute#attachedDisk",
        "type": "PERSISTENT",
        "mode": "READ_WRITE",
        "autoDelete": False,
        "interface": "SCSI",
        "architecture": "X86_64",
        **{key: value for key, value in wanted.items() if key != "initializeParams" and value is not None},
        "deviceName": name,
        "index": number,
        "boot": number == 0,
        "source": disk["selfLink"],
        "diskSizeGb": disk["sizeGb"],
    }
    return shown | {key: disk[key] for key in ("licenses", "guestOsFeatures") if key in disk}


class Disks(Collection):
    """The ``disks`` collection."""

    collection, item = "disks", "disk"

    @handles("compute.disks.get")
    def get(self, call: Call) -> Json:
        return self.load(call)[1]

    @handles("compute.disks.list")
    def list_all(self, call: Call) -> Json:
        return self.answer_list(call)

    @handles("compute.disks.aggregatedList")
    def aggregated_list(self, call: Call) -> Json:
        return self.answer_aggregated(call)

    @handles("compute.disks.insert")
    def insert(self, call: Call) -> Json:
        path, _ = self.new(call)
        wanted = call.body | ({"sourceImage": image} if (image := call.first("sourceImage")) else {})
        disk = draw(self, call, path, wanted, "resource", {}, boot=False)
        self.store.put(self.kind, path, disk | {"status": "CREATING"})
        return self.operate(call, "insert", path, "compute.disks.create")

    @applies("compute.disks.create")
    def apply_create(self, path: str) -> None:
        """It can be used."""
        with self.store.lock:
            disk = self.store.get(self.kind, path)
            if disk is not None:
                self.store.put(self.kind, path, disk | {"status": "READY"})

    @handles("compute.disks.setLabels")
    def set_labels(self, call: Call) -> Json:
        return self.change_labels(call)

    @handles("compute.disks.resize")
    def resize(self, call: Call) -> Json:
        path, disk = self.load_settled(call)
        size = int(call.body.get("sizeGb", 0))
        if size <= int(disk["sizeGb"]):
            # documentation: disks only grow; unverified wording
            message = f"New disk size '{size}' GiB must be larger than existing size '{disk['sizeGb']}' GiB."
            raise bad_value("sizeGb", size, message)
        if size > LARGEST:
            raise bad_value("sizeGb", size, f"Disk size must be between {SMALLEST} GB and {LARGEST} GB.")
        self.store.put(self.kind, path, disk | {"sizeGb": str(size)})
        for user in disk.get("users", []):
            instance = self.store.get("compute.instances", relative(user))
            if instance is not None:
                for attached in instance["disks"]:
                    if attached["source"] == disk["selfLink"]:
                        attached["diskSizeGb"] = str(size)
                self.store.put("compute.instances", relative(user), instance)
        return self.operate(call, "resizeDisk", path)

    @handles("compute.disks.delete")
    def delete(self, call: Call) -> Json:
        path, disk = self.load_settled(call)
        if users := disk.get("users"):
            raise in_use("disk", path, relative(users[0]))
        self.store.put(self.kind, path, disk | {"status": "DELETING"})
        return self.operate(call, "delete", path, "compute.disks.delete")

    @applies("compute.disks.delete")
    def apply_delete(self, path: str) -> None:
        """Remove it."""
        self.store.delete(self.kind, path)
