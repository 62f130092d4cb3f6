# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the methods of buckets and those of objects both work with."""

from __future__ import annotations

from gcp_emulator.cloud import Cloud
from gcp_emulator.services.base import Service
from gcp_emulator.services.storage.objects import Catalogue
from gcp_emulator.services.storage.uploads import Uploads


class StorageService(Service):
    """The catalogue of objects, and what is on its way into it."""

    api = "storage"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.catalogue = Catalogue(cloud.store, cloud.objects)
        self.uploads = Uploads(self.catalogue)
