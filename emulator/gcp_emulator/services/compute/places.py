# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Regions, zones and the machine and disk types in them: what is only read."""

from __future__ import annotations

import zlib

from gcp_emulator.errors import Json, not_found
from gcp_emulator.services.base import Call, handles
from gcp_emulator.services.compute import catalogue, quotas
from gcp_emulator.services.compute.base import Collection, link

EPOCH = "1969-12-31T16:00:00.000-08:00"  # creation time of what was always there (recording)


def _document(path: str, kind: str, **values: object) -> Json:
    name = path.rsplit("/", 1)[1]
    number = str(1000 + zlib.crc32(name.encode()) % 9000)
    common = {"kind": "compute#" + kind, "id": number, "name": name, "selfLink": link(path)}
    return common | {"creationTimestamp": EPOCH} | values


class Regions(Collection):
    """The ``regions`` collection."""

    collection, item = "regions", "region"

    @handles("compute.regions.get")
    def get(self, call: Call) -> Json:
        if call.path["region"] not in catalogue.REGIONS:
            raise not_found(f"projects/{call.path['project']}/regions/{call.path['region']}")
        return self._region(call, call.path["region"])

    @handles("compute.regions.list")
    def list_all(self, call: Call) -> Json:
        return self.answer_list(call, [self._region(call, region) for region in catalogue.REGIONS])

    def _region(self, call: Call, region: str) -> Json:
        project = "projects/" + call.path["project"]
        zones = [link(f"{project}/zones/{region}-{letter}") for letter in catalogue.REGIONS[region][1]]
        return _document(
            f"{project}/regions/{region}",
            "region",
            description=region,
            status="UP",
            zones=zones,
            quotas=quotas.view(self.cloud, call.path["project"], region),
        )


class Zones(Collection):
    """The ``zones`` collection."""

    collection, item = "zones", "zone"

    @handles("compute.zones.get")
    def get(self, call: Call) -> Json:
        if call.path["zone"] not in catalogue.ZONES:
            raise not_found(f"projects/{call.path['project']}/zones/{call.path['zone']}")
        return self._zone(call, call.path["zone"])

    @handles("compute.zones.list")
    def list_all(self, call: Call) -> Json:
        return self.answer_list(call, [self._zone(call, zone) for zone in catalogue.ZONES])

    def _zone(self, call: Call, zone: str) -> Json:
        project = "projects/" + call.path["project"]
        region = link(f"{project}/regions/{catalogue.ZONES[zone]}")
        return _document(f"{project}/zones/{zone}", "zone", description=zone, status="UP", region=region)


class MachineTypes(Collection):
    """The ``machineTypes`` collection."""

    collection, item = "machineTypes", "machineType"

    @handles("compute.machineTypes.get")
    def get(self, call: Call) -> Json:
        path = self.path(call)
        if call.path["machineType"] not in catalogue.MACHINE_TYPES:
            raise not_found(path)
        return self._machine_type(path)

    @handles("compute.machineTypes.list")
    def list_all(self, call: Call) -> Json:
        parent = self.parent(call)
        names = sorted(catalogue.MACHINE_TYPES)
        return self.answer_list(call, [self._machine_type(f"{parent}/machineTypes/{name}") for name in names])

    @handles("compute.machineTypes.aggregatedList")
    def aggregated_list(self, call: Call) -> Json:
        project = "projects/" + call.path["project"]
        paths = [f"{project}/zones/{z}/machineTypes/{n}" for z in catalogue.ZONES for n in catalogue.MACHINE_TYPES]
        return self.answer_aggregated(call, [self._machine_type(path) for path in paths])

    def _machine_type(self, path: str) -> Json:
        name, zone = path.rsplit("/", 1)[1], path.split("/")[3]
        kind = catalogue.MACHINE_TYPES[name]
        shared = " (shared)" if kind.share < kind.cpus else ""
        return _document(
            path,
            "machineType",
            zone=zone,
            description=f"{kind.cpus} vCPU{shared}, {kind.memory_mb / 1024:g} GB RAM",
            guestCpus=kind.cpus,
            memoryMb=kind.memory_mb,
            isSharedCpu=bool(shared),
            imageSpaceGb=0,
            maximumPersistentDisks=128,
            maximumPersistentDisksSizeGb="263168",
            architecture="X86_64",
        )


class DiskTypes(Collection):
    """The ``diskTypes`` collection."""

    collection, item = "diskTypes", "diskType"

    @handles("compute.diskTypes.get")
    def get(self, call: Call) -> Json:
        path = self.path(call)
        if call.path["diskType"] not in catalogue.DISK_TYPES:
            raise not_found(path)
        return self._disk_type(path)

    @handles("compute.diskTypes.list")
    def list_all(self, call: Call) -> Json:
        parent = self.parent(call)
        return self.answer_list(call, [self._disk_type(f"{parent}/diskTypes/{name}") for name in catalogue.DISK_TYPES])

    def _disk_type(self, path: str) -> Json:
        zone, name = path.rsplit("/diskTypes/", 1)
        description = catalogue.DISK_TYPES[name]
        size = "10GB-65536GB"
        return _document(
            path, "diskType", zone=link(zone), description=description, validDiskSize=size, defaultDiskSizeGb="100"
        )
