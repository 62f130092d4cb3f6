#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Disks, which are made with their instance."""

from __future__ import annotations

from gcp_emulator.errors import Json
from gcp_emulator.services.base import Call, applies, handles
from gcp_emulator.services.compute.base import Collection, bad_value, in_use, relative


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
        return self.operate(call, "delete", path, "compute.disks.delete")

    @applies("compute.disks.delete")
    def apply_delete(self, path: str) -> None:
        """Remove it."""
        self.store.delete(self.kind, path)
