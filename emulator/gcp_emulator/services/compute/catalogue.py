# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Google offers and nobody creates: regions, zones, machine types, disk types, public images. Plain tables."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Second octet of the /20 that an auto mode network has in the region, and the letters of its zones
# (documentation: "IP ranges for auto mode VPC networks", "Regions and zones").
REGIONS: dict[str, tuple[int, str]] = {
    "africa-south1": (218, "abc"),
    "asia-east1": (140, "abc"),
    "asia-east2": (170, "abc"),
    "asia-northeast1": (146, "abc"),
    "asia-northeast2": (174, "abc"),
    "asia-northeast3": (178, "abc"),
    "asia-south1": (160, "abc"),
    "asia-south2": (190, "abc"),
    "asia-southeast1": (148, "abc"),
    "asia-southeast2": (184, "abc"),
    "australia-southeast1": (152, "abc"),
    "australia-southeast2": (192, "abc"),
    "europe-central2": (186, "abc"),
    "europe-north1": (166, "abc"),
    "europe-north2": (226, "abc"),
    "europe-southwest1": (204, "abc"),
    "europe-west1": (132, "bcd"),
    "europe-west10": (214, "abc"),
    "europe-west12": (210, "abc"),
    "europe-west2": (154, "abc"),
    "europe-west3": (156, "abc"),
    "europe-west4": (164, "abc"),
    "europe-west6": (172, "abc"),
    "europe-west8": (198, "abc"),
    "europe-west9": (200, "abc"),
    "me-central1": (212, "abc"),
    "me-central2": (216, "abc"),
    "me-west1": (208, "abc"),
    "northamerica-northeast1": (162, "abc"),
    "northamerica-northeast2": (188, "abc"),
    "northamerica-south1": (224, "abc"),
    "southamerica-east1": (158, "abc"),
    "southamerica-west1": (194, "abc"),
    "us-central1": (128, "abcf"),
    "us-east1": (142, "bcd"),
    "us-east4": (150, "abc"),
    "us-east5": (202, "abc"),
    "us-south1": (206, "abc"),
    "us-west1": (138, "abc"),
    "us-west2": (168, "abc"),
    "us-west3": (180, "abc"),
    "us-west4": (182, "abc"),
}
ZONES: dict[str, str] = {f"{region}-{letter}": region for region, (_, letters) in REGIONS.items() for letter in letters}


def auto_range(region: str) -> str:
    """The primary range of an auto mode network in the region."""
    return f"10.{REGIONS[region][0]}.0.0/20"


@dataclass(frozen=True)
class MachineType:
    """A shape of VM. ``share``: CPUs' worth of time it may use, which shared-core types have less of than vCPUs."""

    cpus: int
    memory_mb: int
    share: float


# Machine types (documentation: "General-purpose machine family" and "Shared-core machine types").
MACHINE_TYPES: dict[str, MachineType] = {
    "e2-micro": MachineType(2, 1024, 0.25),
    "e2-small": MachineType(2, 2048, 0.5),
    "e2-medium": MachineType(2, 4096, 1),
    **{f"e2-standard-{cpus}": MachineType(cpus, cpus * 4096, cpus) for cpus in (2, 4, 8)},
    **{f"n1-standard-{cpus}": MachineType(cpus, cpus * 3840, cpus) for cpus in (1, 2, 4)},
    **{f"n2-standard-{cpus}": MachineType(cpus, cpus * 4096, cpus) for cpus in (2, 4)},
}

# Processors by family of machine types; e2 takes none (documentation: "CPU platforms").
CPU_PLATFORMS: dict[str, tuple[str, ...]] = {
    "n1": ("Intel Sandy Bridge", "Intel Ivy Bridge", "Intel Haswell", "Intel Broadwell", "Intel Skylake"),
    "n2": ("Intel Cascade Lake", "Intel Ice Lake"),
}

DISK_TYPES: dict[str, str] = {
    "pd-standard": "Standard Persistent Disk",
    "pd-balanced": "Balanced Persistent Disk",
    "pd-ssd": "SSD Persistent Disk",
}


GUEST_OS_FEATURES = ("UEFI_COMPATIBLE", "VIRTIO_SCSI_MULTIQUEUE", "GVNIC")


@dataclass(frozen=True)
class Image:
    """A public image. ``guest``: the image of ours that plays it."""

    project: str
    name: str
    family: str
    guest: str
    description: str
    size_gb: int = 10

    @property
    def path(self) -> str:
        """The resource's path."""
        return f"projects/{self.project}/global/images/{self.name}"

    @property
    def license(self) -> str:
        """The path of its license."""
        return f"projects/{self.project}/global/licenses/{'-'.join(self.name.split('-')[:3])}"


IMAGES = tuple(
    Image(
        "debian-cloud",
        f"debian-{number}-{name}-v20250610",
        f"debian-{number}",
        f"debian-{number}",
        f"Debian, Debian GNU/Linux, {number} ({name}), amd64 built on 20250610",
    )
    for number, name in ((11, "bullseye"), (12, "bookworm"), (13, "trixie"))
)


def image(path: str) -> Image | None:
    """The image of a path by name or family; None if there is none.

    :param path: ``projects/P/global/images/I``, ``.../global/images/family/F`` or, as gcloud has it,
        ``projects/P/zones/-/imageFamilyViews/F``.
    """
    whole = re.sub(r"/zones/[^/]+/imageFamilyViews/", "/global/images/family/", path)
    project, _, rest = whole.removeprefix("projects/").partition("/global/images/")
    family = rest.removeprefix("family/") if rest.startswith("family/") else None
    for candidate in IMAGES:
        if candidate.project == project and (family or rest) == (candidate.family if family else candidate.name):
            return candidate
    return None
