# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may do what: the permission that a method needs, who has it, and Google's words when it is missing."""

from __future__ import annotations

import typing as t

from gcp_emulator import conditions
from gcp_emulator.accounts import project_id
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.roles import holds
from gcp_emulator.store import Store

_VERBS = {"insert": "create", "patch": "update", "aggregatedList": "list"}
_SERVICES = {"sql": "cloudsql", "cloudresourcemanager": "resourcemanager"}
# What needs no permission, and why.
FREE: dict[str, str] = {
    "cloudresourcemanager.operations.get": "whoever was told its name may ask",
    "cloudresourcemanager.projects.list": "it lists what the caller may see",
    "cloudresourcemanager.projects.search": "it lists what the caller may see",
    "iam.permissions.queryTestablePermissions": "it is Google's own list",
    "iam.roles.get": "predefined roles are Google's own list",
    "iam.roles.list": "predefined roles are Google's own list",
    "iam.roles.queryGrantableRoles": "predefined roles are Google's own list",
    "iamcredentials.projects.serviceAccounts.getAllowedLocations": "Google's library asks it without telling anybody",
    "servicenetworking.operations.get": "whoever was told its name may ask",
    "serviceusage.operations.get": "whoever was told its name may ask",
    "sql.flags.list": "it is Google's own list",
    "sql.tiers.list": "it is Google's own list",
    "storage.objects.compose": "the service asks for one permission on what is read and another on what is written",
    "storage.objects.copy": "the service asks for one permission on what is read and another on what is written",
    "storage.objects.rewrite": "the service asks for one permission on what is read and another on what is written",
}
# Where the rule of ``permission_of`` does not hold.
_EXCEPTIONS: dict[str, str] = {
    "compute.imageFamilyViews.get": "compute.images.getFromFamily",
    "compute.instances.simulateMaintenanceEvent": "compute.instances.update",
    "iamcredentials.projects.serviceAccounts.generateAccessToken": "iam.serviceAccounts.getAccessToken",
    "iamcredentials.projects.serviceAccounts.generateIdToken": "iam.serviceAccounts.getOpenIdToken",
    "iamcredentials.projects.serviceAccounts.signBlob": "iam.serviceAccounts.signBlob",
    "iamcredentials.projects.serviceAccounts.signJwt": "iam.serviceAccounts.signJwt",
    "secretmanager.projects.secrets.addVersion": "secretmanager.versions.add",
    "servicenetworking.services.connections.create": "servicenetworking.services.addPeering",
    "servicenetworking.services.connections.deleteConnection": "servicenetworking.services.deleteConnection",
    "servicenetworking.services.connections.list": "servicenetworking.services.get",
    "servicenetworking.services.connections.patch": "servicenetworking.services.addPeering",
    "serviceusage.services.batchEnable": "serviceusage.services.enable",
    "serviceusage.services.batchGet": "serviceusage.services.get",
    "sql.Backups.DeleteBackup": "cloudsql.backupRuns.delete",
    "sql.Backups.GetBackup": "cloudsql.backupRuns.get",
    "sql.Backups.ListBackups": "cloudsql.backupRuns.list",
    "sql.backups.deleteBackup": "cloudsql.backupRuns.delete",
    "sql.backups.getBackup": "cloudsql.backupRuns.get",
    "sql.backups.listBackups": "cloudsql.backupRuns.list",
    "sql.connect.generateEphemeral": "cloudsql.instances.connect",
    "sql.connect.get": "cloudsql.instances.connect",
    "sql.instances.clone": "cloudsql.instances.clone",
    "sql.operations.get": "cloudsql.instances.get",
    "sql.operations.list": "cloudsql.instances.get",
    "storage.projects.serviceAccount.get": "resourcemanager.projects.get",
    "storage.buckets.getStorageLayout": "storage.objects.list",
    "storage.buckets.lockRetentionPolicy": "storage.buckets.update",
}


def permission_of(method: str) -> str | None:
    """The permission that an API method needs, such as ``compute.firewalls.create``; None if it needs none."""
    *parts, verb = method.split(".")
    # Whoever asks what it may do needs nothing for it.
    if method in FREE or verb == "testIamPermissions":
        return None
    if method in _EXCEPTIONS:
        return _EXCEPTIONS[method]
    service = _SERVICES.get(parts[0], parts[0])
    collection = parts[-1]
    if service == "iam" and collection == "keys":
        collection = "serviceAccountKeys"
    if collection.endswith("Operations") and verb == "wait":
        verb = "get"
    return f"{service}.{collection}.{_VERBS.get(verb, verb)}"


def policy(store: Store, resource: str) -> Json:
    """The policy of a resource, by its key in the store; an empty one if none was ever set."""
    return store.get("policies", resource) or {"version": 1, "etag": "ACAB", "bindings": []}


def allowed(store: Store, principal: str | None, permission: str, resource: str) -> bool:
    """Whether a principal has a permission on a resource, or on what it lies in.

    :param principal: e-mail address; None is somebody anonymous.
    :param resource: ``projects/p/...``, ``b/BUCKET`` or ``b/BUCKET/o/OBJECT``.
    """
    context = conditions.context(resource)
    return any(
        _is_member(store, principal, member) and conditions.hold(binding.get("condition"), context)
        for key in _chain(store, resource)
        for binding in policy(store, key)["bindings"]
        if holds(binding["role"], permission)
        for member in binding["members"]
    )


def check(store: Store, principal: str | None, permission: str, resource: str) -> None:
    """Refuse a principal that lacks a permission.

    A bucket that does not exist passes, because Google then says 404, which is the service's to say.

    :raises ApiError: 403 in the words of the permission's service; 401 for somebody anonymous.
    """
    if resource.startswith("b/") and store.get("buckets", resource.split("/")[1]) is None:
        return
    if not allowed(store, principal, permission, resource):
        raise denial(principal, permission, resource)


def _chain(store: Store, resource: str) -> t.Iterator[str]:
    """The keys of the policies that a resource is under, from its own to its project's."""
    parts = resource.split("/")
    if parts[0] == "b":
        yield f"b/{parts[1]}"
        bucket = store.get("buckets", parts[1])
        if bucket:
            yield f"projects/{project_id(store, bucket['projectNumber'])}"
        return
    project = parts[1] if len(parts) > 1 else ""
    if len(parts) > 3 and parts[2] in ("secrets", "serviceAccounts"):
        account = store.get("serviceAccounts", parts[3]) if parts[2] == "serviceAccounts" else None
        if account:  # its own project, whatever the caller says: "-" stands for any
            project = account["projectId"]
        yield f"projects/{project}/{parts[2]}/{parts[3]}"
    yield f"projects/{project}"


_BASIC_ROLES = {"projectOwner": "roles/owner", "projectEditor": "roles/editor", "projectViewer": "roles/viewer"}


def _is_member(store: Store, principal: str | None, member: str) -> bool:
    if member == "allUsers":
        return True
    if principal is None:
        return False
    kind, _colon, name = member.partition(":")
    if kind in _BASIC_ROLES:
        bindings = policy(store, f"projects/{name}")["bindings"]
        return any(
            _is_member(store, principal, other)
            for binding in bindings
            if binding["role"] == _BASIC_ROLES[kind]
            for other in binding["members"]
        )
    if kind == "domain":
        return principal.lower().endswith(f"@{name.lower()}")
    return member == "allAuthenticatedUsers" or (
        kind in ("user", "serviceAccount") and name.lower() == principal.lower()
    )


def denial(principal: str | None, permission: str, resource: str) -> ApiError:
    """The refusal, in the words of the permission's service."""
    service, _dot, rest = permission.partition(".")
    if service == "storage":
        who = principal or "Anonymous caller"
        kind = "project" if resource.startswith("projects/") else "object" if "/o/" in resource else "bucket"
        message = (
            f"{who} does not have {permission} access to the Google Cloud "
            f"{'project' if kind == 'project' else f'Storage {kind}'}. "
            f"Permission '{permission}' denied on resource (or it may not exist)."
        )
        return ApiError(403, message, "forbidden") if principal else ApiError(401, message, "required")
    if service == "compute":
        return ApiError(403, f"Required '{permission}' permission for '{resource}'", "forbidden")
    if service == "cloudsql":
        return ApiError(403, "The client is not authorized to make this request.", "notAuthorized")
    if service == "servicenetworking" and rest == "services.addPeering":
        return ApiError(403, "Permission denied to add peering for service 'servicenetworking.googleapis.com'.")
    if service == "secretmanager":
        message = f"Permission '{permission}' denied for resource '{resource}' (or it may not exist)."
    elif service == "serviceusage":
        message = f"Permission denied to {rest.rpartition('.')[2]} service on '{resource}'."
    else:
        message = f"Permission '{permission}' denied on resource (or it may not exist)."
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "AUTH_PERMISSION_DENIED" if service == "serviceusage" else "IAM_PERMISSION_DENIED",
        "domain": "iam.googleapis.com" if service != "serviceusage" else "serviceusage.googleapis.com",
        "metadata": {"permission": permission, "resource": resource},
    }
    return ApiError(403, message, "forbidden", details=[info])
