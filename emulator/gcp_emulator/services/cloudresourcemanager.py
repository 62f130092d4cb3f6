# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cloud Resource Manager: projects and their policies."""

from __future__ import annotations

from gcp_emulator import policies
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.permissions import allowed
from gcp_emulator.services.base import Call, Service, handles, page

PROJECTS_PAGE = 500  # projects on a page (unverified: the document says "an appropriate default")


class ResourceManager(Service):
    """Projects in both versions of the API, which name their fields differently."""

    api = "cloudresourcemanager"

    @handles("cloudresourcemanager.projects.get")
    def get(self, call: Call) -> Json:
        """One project."""
        project = self.store.get("projects", call.resource.split("/")[1])
        if project is None:  # by a stale answer
            raise ApiError(403, "The caller does not have permission", "forbidden")
        return _view(project, call.version)

    @handles("cloudresourcemanager.projects.list", "cloudresourcemanager.projects.search")
    def list_projects(self, call: Call) -> Json:
        """The projects that the caller may see."""
        visible = [
            _view(project, call.version)
            for name, project in self.store.items("projects")
            if allowed(self.store, call.principal, "resourcemanager.projects.get", f"projects/{name}")
        ]
        shown, token = page(visible, call, PROJECTS_PAGE)
        return ({"projects": shown} if shown else {}) | ({"nextPageToken": token} if token else {})

    @handles("cloudresourcemanager.projects.getIamPolicy")
    def get_policy(self, call: Call) -> Json:
        """The policy, in the version that the caller knows."""
        return policies.read(self.store, call.resource, call.body.get("options", {}).get("requestedPolicyVersion", 0))

    @handles("cloudresourcemanager.projects.setIamPolicy")
    def set_policy(self, call: Call) -> Json:
        """Replace the policy."""
        return policies.replace(self.store, call.resource, call.body)

    @handles("cloudresourcemanager.projects.testIamPermissions")
    def test_permissions(self, call: Call) -> Json:
        """Which of these permissions the caller has."""
        held = policies.held(self.store, call.principal, call.resource, call.body.get("permissions", []))
        return {"permissions": held} if held else {}


def _view(project: Json, version: str) -> Json:
    if version == "v1":
        names = ("projectNumber", "projectId", "lifecycleState", "name", "createTime")
        return {name: project[name] for name in names}
    return {
        "name": f"projects/{project['projectNumber']}",
        "projectId": project["projectId"],
        "state": project["lifecycleState"],
        "displayName": project["name"],
        "createTime": project["createTime"],
        "updateTime": project["createTime"],
        "etag": f'W/"{project["projectNumber"]}"',
    }
