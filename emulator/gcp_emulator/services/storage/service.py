# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the methods of buckets and those of objects both work with."""

from __future__ import annotations

from gcp_emulator.cloud import Cloud
from gcp_emulator.services.base import Call, Service
from gcp_emulator.services.storage.objects import Catalogue
from gcp_emulator.services.storage.uploads import Uploads


class StorageService(Service):
    """The catalogue of objects, and what is on its way into it."""

    api = "storage"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.catalogue = Catalogue(cloud.store, cloud.objects)
        self.uploads = Uploads(self.catalogue)

    def project(self, call: Call) -> str | None:
        """The project of the bucket, or the one that is named where there is none."""
        bucket = self.store.get("buckets", call.path.get("bucket", ""))
        return bucket["projectNumber"] if bucket else call.first("project") or super().project(call)

    def subject(self, call: Call, project: str) -> str:
        """The bucket or object, or the project that has, or gets, the buckets."""
        return super().subject(call, project) if call.resource.startswith("b/") else f"projects/{project}"
