# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a call may be carried out: its project, the API in it, the scopes of the token, the caller's permissions."""

from __future__ import annotations

import typing as t

from gcp_emulator import permissions, tokens
from gcp_emulator.accounts import project_id
from gcp_emulator.cloud import Cloud
from gcp_emulator.discovery import Apis, Route
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.roles import PUBLIC_PROJECTS
from gcp_emulator.services.base import Call, Service

_STORAGE = "storage.googleapis.com"
_STORAGE_WRITES = tuple(f"https://www.googleapis.com/auth/devstorage.{name}" for name in ("full_control", "read_write"))
_STORAGE_READS = tuple(
    f"https://www.googleapis.com/auth/{name}" for name in ("devstorage.read_only", "cloud-platform.read-only")
)
# Scopes that no document names, and that Google's own libraries ask for to act for a service account.
_FURTHER_SCOPES = dict.fromkeys(("iam", "iamcredentials"), ("https://www.googleapis.com/auth/iam",))


class Gate:
    """What every call of a JSON method passes, in Google's order.

    :param services: by the names of their APIs.
    """

    def __init__(self, cloud: Cloud, apis: Apis, services: t.Mapping[str, Service]) -> None:
        self.store, self.propagation, self._services = cloud.store, cloud.propagation, services
        self._titles = apis.titles()

    def project(self, route: Route, call: Call) -> str | None:
        """The id of the project that a call concerns; None for one that has none."""
        named = self._services[route.api.name].project(call)
        return project_id(self.store, named) if named else None

    def check(self, route: Route, call: Call, identity: tokens.Identity) -> None:
        """Refuse what may not be.

        :raises ApiError: in the words of the API.
        """
        if _is_public(route):
            return
        project = self.project(route, call)
        self._check_project(route.api.name, project)
        _check_scope(route, identity)
        self._check_permissions(self._services[route.api.name], call, str(project))
        self.propagation.check(call.method, call.resource, call.body)

    def _check_project(self, api: str, name: str | None) -> None:
        """Refuse what concerns a project that does not exist, or that has not enabled the service."""
        if name is None or name == "-":
            return
        project = self.store.get("projects", name)
        if project is None:
            raise _no_project(api, name)
        service = f"{api}.googleapis.com"
        if service not in project["services"] or not self.propagation.knows_service(name, service):
            raise _disabled(service, self._titles[service], project)

    def _check_permissions(self, service: Service, call: Call, project: str) -> None:
        permission = permissions.permission_of(call.method)
        if permission is not None:
            permissions.check(self.store, call.principal, permission, service.subject(call, project))
            service.permit(call, project)


def check_storage_scope(verb: str, identity: tokens.Identity) -> None:
    """Refuse a token that is not for Cloud Storage.

    :raises ApiError: 403.
    """
    needed = {tokens.CLOUD_PLATFORM, *_STORAGE_WRITES}
    if verb in ("GET", "HEAD"):
        needed.update(_STORAGE_READS)
    if identity.scopes is not None and not identity.scopes & needed:
        raise _narrow(_STORAGE, "storage.objects")


def _is_public(route: Route) -> bool:
    """Whether anybody may ask: for images of Google's own."""
    reads = route.method.id.startswith(("compute.images.", "compute.imageFamilyViews."))
    return reads and route.method.verb == "GET" and route.path["project"] in PUBLIC_PROJECTS


def _check_scope(route: Route, identity: tokens.Identity) -> None:
    needed = {*route.method.document.get("scopes", []), *_FURTHER_SCOPES.get(route.api.name, ())}
    if identity.scopes is not None and needed and not identity.scopes.intersection(needed):
        raise _narrow(f"{route.api.name}.googleapis.com", route.method.id)


def _narrow(service: str, method: str) -> ApiError:
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "domain": "googleapis.com",
        "metadata": {"service": service, "method": method},
    }
    message = "Request had insufficient authentication scopes."
    return ApiError(403, message, "insufficientPermissions", "PERMISSION_DENIED", [info])


def _no_project(api: str, name: str) -> ApiError:
    if api == "compute":
        return ApiError(404, f"The resource 'projects/{name}' was not found", "notFound")
    if api == "sqladmin":
        return ApiError(403, "The client is not authorized to make this request.", "notAuthorized")
    if api == "storage":
        return ApiError(400, f"Unknown project id: {name}", "invalid")
    if api == "serviceusage":
        return ApiError(403, f"Project '{name}' not found or permission denied.")
    if api in ("iam", "cloudresourcemanager"):
        return ApiError(403, "The caller does not have permission", "forbidden")
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "CONSUMER_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": f"{api}.googleapis.com", "consumer": f"projects/{name}"},
    }
    return ApiError(403, f"Permission denied on resource project {name}.", details=[info])


def _disabled(service: str, title: str, project: Json) -> ApiError:
    number = project["projectNumber"]
    url = f"https://console.developers.google.com/apis/api/{service}/overview?project={number}"
    message = (
        f"{title} has not been used in project {number} before or it is disabled. Enable it by visiting {url} then "
        "retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and "
        "retry."
    )
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {
            "service": service,
            "serviceTitle": title,
            "consumer": f"projects/{number}",
            "containerInfo": number,
            "activationUrl": url,
        },
    }
    activation = {
        "@type": "type.googleapis.com/google.rpc.Help",
        "links": [{"description": "Google developers console API activation", "url": url}],
    }
    return ApiError(403, message, "accessNotConfigured", "PERMISSION_DENIED", [info, activation])
