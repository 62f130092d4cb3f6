# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Compute knows of a project: its metadata, which all its instances see."""

from __future__ import annotations

from gcp_emulator.accounts import default_compute_account
from gcp_emulator.errors import Json, not_found
from gcp_emulator.services.base import Call, handles
from gcp_emulator.services.compute import quotas
from gcp_emulator.services.compute.base import Collection, link
from gcp_emulator.services.compute.metadata import changed


class Projects(Collection):
    """The ``projects`` collection."""

    collection, item = "projects", "project"

    @handles("compute.projects.get")
    def get(self, call: Call) -> Json:
        path, project, document = self._load(call)
        number = str(project["projectNumber"])
        return {
            "kind": "compute#project",
            "id": number,
            "name": project["projectId"],
            "selfLink": link(path),
            "defaultServiceAccount": default_compute_account(project),
            "defaultNetworkTier": "PREMIUM",
            "xpnProjectStatus": "UNSPECIFIED_XPN_PROJECT_STATUS",
            "quotas": quotas.view(self.cloud, call.path["project"]),
            **document,
        }

    @handles("compute.projects.setCommonInstanceMetadata")
    def set_common_instance_metadata(self, call: Call) -> Json:
        path, _project, document = self._load(call)
        metadata = changed(document["commonInstanceMetadata"], call.body)
        self.store.put(self.kind, path, document | {"commonInstanceMetadata": metadata})
        return self.operate(call, "setMetadata", path)

    def _load(self, call: Call) -> tuple[str, Json, Json]:
        path = "projects/" + call.path["project"]
        project, document = self.store.get("projects", call.path["project"]), self.store.get(self.kind, path)
        if project is None or document is None:
            raise not_found(path)
        return path, project, document
