# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Public images, by name and by family."""

from __future__ import annotations

import zlib

from gcp_emulator.errors import Json, not_found
from gcp_emulator.services.base import Call, handles
from gcp_emulator.services.compute import catalogue
from gcp_emulator.services.compute.base import Collection, fingerprint, link


def present(image: catalogue.Image) -> Json:
    """An image as it is answered."""
    return {
        "kind": "compute#image",
        "id": str(10**18 + zlib.crc32(image.name.encode())),
        "creationTimestamp": "2025-06-10T15:33:24.000-07:00",
        "name": image.name,
        "family": image.family,
        "description": image.description,
        "selfLink": link(image.path),
        "status": "READY",
        "sourceType": "RAW",
        "diskSizeGb": str(image.size_gb),
        "archiveSizeBytes": str(image.size_gb * 2**27),
        "architecture": "X86_64",
        "labelFingerprint": fingerprint({}),
        "licenses": [link(image.license)],
        "guestOsFeatures": [{"type": feature} for feature in catalogue.GUEST_OS_FEATURES],
    }


class Images(Collection):
    """The ``images`` collection; ``imageFamilyViews`` answers the same by zone."""

    collection, item = "images", "image"

    @handles("compute.images.get")
    def get(self, call: Call) -> Json:
        return self._find(f"projects/{call.path['project']}/global/images/{call.path['image']}")

    @handles("compute.images.getFromFamily")
    def get_from_family(self, call: Call) -> Json:
        return self._find(self._family(call))

    @handles("compute.imageFamilyViews.get")
    def get_family_view(self, call: Call) -> Json:
        if call.path["zone"] != "-":
            self.parent(call)
        return {"image": self._find(self._family(call))}

    @handles("compute.images.list")
    def list_all(self, call: Call) -> Json:
        found = [present(image) for image in catalogue.IMAGES if image.project == call.path["project"]]
        return self.answer_list(call, found)

    def _family(self, call: Call) -> str:
        return f"projects/{call.path['project']}/global/images/family/{call.path['family']}"

    def _find(self, path: str) -> Json:
        image = catalogue.image(path)
        if image is None:
            raise not_found(path)
        return present(image)
