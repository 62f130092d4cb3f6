# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may do what: the permission that a method needs, what each role holds, and Google's words when it is missing."""

from __future__ import annotations

import typing as t
from fnmatch import fnmatchcase

from gcp_emulator import conditions
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.store import Store

# What each role holds: patterns, of which the last that matches decides; "!" takes away.
# Source: Google's pages of predefined roles, reduced to the services that the sandbox has.
_COMPUTE_READ = ("compute.*.get*", "compute.*.list*", "!compute.*.setIamPolicy")
_BUCKETS_OF_BASIC_ROLES = ("!storage.*", "storage.buckets.create", "storage.buckets.delete", "storage.buckets.list")
_IMPERSONATION = tuple(
    f"iam.serviceAccounts.{verb}"
    for verb in ("getAccessToken", "getOpenIdToken", "signBlob", "signJwt", "implicitDelegation")
)
_PROJECT_READ = ("resourcemanager.projects.get", "resourcemanager.projects.list")
_SERVICE_READ = ("serviceusage.services.get", "serviceusage.services.list", "serviceusage.quotas.get")
_MULTIPART = tuple(f"storage.multipartUploads.{verb}" for verb in ("abort", "create", "listParts"))
_PEERING = (
    *("servicenetworking.operations.get", "servicenetworking.operations.list"),
    *("servicenetworking.services.addPeering", "servicenetworking.services.get"),
    *("servicenetworking.services.deleteConnection", "servicenetworking.services.*PeeredDnsDomain*"),
)

ROLES: dict[str, tuple[str, ...]] = {
    # Not even an owner may impersonate a service account, or read objects but by the bucket's own policy.
    "roles/owner": ("*", *(f"!{permission}" for permission in _IMPERSONATION), *_BUCKETS_OF_BASIC_ROLES),
    "roles/editor": (
        *("*", "!*.setIamPolicy", *(f"!{permission}" for permission in _IMPERSONATION), *_BUCKETS_OF_BASIC_ROLES),
        *("!secretmanager.versions.access", "!servicenetworking.services.addPeering", "!iam.roles.*"),
        *("!resourcemanager.projects.delete", "!resourcemanager.projects.undelete", "compute.*.setIamPolicy"),
    ),
    "roles/viewer": (
        *("*.get", "*.list", "*.getIamPolicy", "compute.*.get*", "compute.*.list*", "!storage.*"),
        "storage.buckets.list",
    ),
    "roles/browser": (*_PROJECT_READ, "resourcemanager.projects.getIamPolicy"),
    "roles/compute.admin": ("compute.*", *_PROJECT_READ, *_SERVICE_READ),
    "roles/compute.instanceAdmin.v1": (
        *_COMPUTE_READ,
        *("compute.instances.*", "compute.disks.*", "compute.images.*", "compute.snapshots.*"),
        *("compute.addresses.use", "compute.addresses.useInternal", "compute.networks.use"),
        *("compute.networks.useExternalIp", "compute.subnetworks.use", "compute.subnetworks.useExternalIp"),
        *("!compute.firewalls.*", "compute.projects.setCommonInstanceMetadata", *_PROJECT_READ),
    ),
    "roles/compute.networkAdmin": (
        *_COMPUTE_READ,
        *("compute.addresses.*", "compute.globalAddresses.*", "compute.networks.*", "compute.subnetworks.*"),
        *("compute.routes.*", "compute.routers.*", "compute.instances.use", *_PEERING, *_PROJECT_READ),
    ),
    "roles/compute.networkUser": (
        *("compute.addresses.use*", "compute.networks.use*", "compute.subnetworks.use*", *_COMPUTE_READ),
    ),
    "roles/compute.securityAdmin": (
        *("compute.firewalls.*", "compute.networks.get", "compute.networks.list", "compute.networks.updatePolicy"),
        *("compute.globalOperations.get", "compute.globalOperations.list", "compute.projects.get", *_PROJECT_READ),
    ),
    "roles/compute.viewer": (*_COMPUTE_READ, *_PROJECT_READ, *_SERVICE_READ),
    "roles/cloudsql.admin": ("cloudsql.*", *_PROJECT_READ, *_SERVICE_READ),
    "roles/cloudsql.editor": (
        *("cloudsql.*", "!cloudsql.*.create", "!cloudsql.*.delete", "!cloudsql.users.*", "cloudsql.users.list"),
        *("cloudsql.backupRuns.create", "cloudsql.databases.create", *_PROJECT_READ, *_SERVICE_READ),
    ),
    "roles/cloudsql.viewer": ("cloudsql.*.get*", "cloudsql.*.list*", *_PROJECT_READ, *_SERVICE_READ),
    "roles/cloudsql.client": ("cloudsql.instances.connect", "cloudsql.instances.get"),
    "roles/cloudsql.instanceUser": ("cloudsql.instances.get", "cloudsql.instances.login"),
    "roles/storage.admin": ("storage.*", *_PROJECT_READ),
    "roles/storage.bucketViewer": ("storage.buckets.get", "storage.buckets.list"),
    "roles/storage.folderAdmin": ("storage.folders.*", "storage.managedFolders.*"),
    "roles/storage.hmacKeyAdmin": ("storage.hmacKeys.*", *_PROJECT_READ),
    "roles/storage.objectAdmin": (
        *("storage.objects.*", "storage.multipartUploads.*", "storage.folders.*", *_PROJECT_READ),
    ),
    "roles/storage.objectUser": (
        *("storage.objects.*", "!storage.objects.*IamPolicy", "!storage.objects.overrideUnlockedRetention"),
        *("storage.multipartUploads.*", "storage.folders.*", *_PROJECT_READ),
    ),
    "roles/storage.objectViewer": ("storage.objects.get", "storage.objects.list", *_PROJECT_READ),
    "roles/storage.objectCreator": ("storage.objects.create", *_MULTIPART, *_PROJECT_READ),
    "roles/storage.legacyBucketReader": (
        *("storage.buckets.get", "storage.objects.list", "storage.multipartUploads.list"),
        *("storage.managedFolders.get", "storage.managedFolders.list"),
        *("storage.folders.get", "storage.folders.list"),
    ),
    "roles/storage.legacyBucketWriter": (
        *("storage.buckets.get", "storage.objects.list", "storage.objects.create", "storage.objects.delete"),
        *("storage.objects.restore", "storage.objects.setRetention", "storage.multipartUploads.*"),
        *("storage.managedFolders.*", "storage.folders.*"),
    ),
    "roles/storage.legacyBucketOwner": (
        *("storage.buckets.get", "storage.buckets.update", "storage.buckets.getIamPolicy"),
        *("storage.buckets.setIamPolicy", "storage.buckets.enableObjectRetention", "storage.objects.list"),
        *("storage.objects.create", "storage.objects.delete", "storage.objects.restore"),
        *("storage.objects.setRetention", "storage.multipartUploads.*", "storage.managedFolders.*"),
        "storage.folders.*",
    ),
    "roles/storage.legacyObjectReader": ("storage.objects.get",),
    "roles/storage.legacyObjectOwner": (
        *("storage.objects.get", "storage.objects.update", "storage.objects.getIamPolicy"),
        *("storage.objects.setIamPolicy", "storage.objects.setRetention"),
    ),
    "roles/secretmanager.admin": ("secretmanager.*", *_PROJECT_READ),
    "roles/secretmanager.secretAccessor": ("secretmanager.versions.access", *_PROJECT_READ),
    "roles/secretmanager.secretVersionAdder": ("secretmanager.versions.add", *_PROJECT_READ),
    "roles/secretmanager.secretVersionManager": (
        *("secretmanager.versions.*", "!secretmanager.versions.access", *_PROJECT_READ),
    ),
    "roles/secretmanager.viewer": ("secretmanager.*.get*", "secretmanager.*.list", *_PROJECT_READ),
    "roles/iam.serviceAccountAdmin": (
        *("iam.serviceAccounts.*", *(f"!{permission}" for permission in _IMPERSONATION)),
        *("!iam.serviceAccounts.actAs", *_PROJECT_READ),
    ),
    "roles/iam.serviceAccountCreator": (
        *("iam.serviceAccounts.create", "iam.serviceAccounts.get", "iam.serviceAccounts.list", *_PROJECT_READ),
    ),
    "roles/iam.serviceAccountDeleter": (
        *("iam.serviceAccounts.delete", "iam.serviceAccounts.get", "iam.serviceAccounts.list", *_PROJECT_READ),
    ),
    "roles/iam.serviceAccountKeyAdmin": (
        *("iam.serviceAccountKeys.*", "iam.serviceAccounts.get", "iam.serviceAccounts.list", *_PROJECT_READ),
    ),
    "roles/iam.serviceAccountUser": (
        *("iam.serviceAccounts.actAs", "iam.serviceAccounts.get", "iam.serviceAccounts.list", *_PROJECT_READ),
    ),
    "roles/iam.serviceAccountTokenCreator": (
        *_IMPERSONATION,
        *("iam.serviceAccounts.get", "iam.serviceAccounts.list", *_PROJECT_READ),
    ),
    "roles/iam.serviceAccountOpenIdTokenCreator": ("iam.serviceAccounts.getOpenIdToken",),
    "roles/iam.serviceAccountViewer": (
        *("iam.serviceAccounts.get*", "iam.serviceAccounts.list*", *(f"!{one}" for one in _IMPERSONATION)),
        *("iam.serviceAccountKeys.get", "iam.serviceAccountKeys.list", *_PROJECT_READ),
    ),
    "roles/iam.workloadIdentityUser": (
        *("iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken"),
        *("iam.serviceAccounts.get", "iam.serviceAccounts.list"),
    ),
    "roles/iam.securityAdmin": ("*.getIamPolicy", "*.setIamPolicy", "*.list", *_PROJECT_READ),
    "roles/iam.securityReviewer": ("*.getIamPolicy", "*.list", *_PROJECT_READ),
    "roles/iam.roleAdmin": ("iam.roles.*", *_PROJECT_READ, "resourcemanager.projects.getIamPolicy"),
    "roles/iam.roleViewer": ("iam.roles.get", "iam.roles.list", *_PROJECT_READ),
    "roles/servicenetworking.networksAdmin": _PEERING,
    "roles/serviceusage.serviceUsageAdmin": ("serviceusage.*",),
    "roles/serviceusage.serviceUsageConsumer": (*_SERVICE_READ, "serviceusage.services.use"),
    "roles/serviceusage.serviceUsageViewer": (*_SERVICE_READ, "serviceusage.operations.*"),
    "roles/resourcemanager.projectIamAdmin": (
        *("resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy"),
        "resourcemanager.projects.setIamPolicy",
    ),
    "roles/logging.logWriter": ("logging.logEntries.create", "logging.logEntries.route"),
    "roles/logging.viewer": ("logging.*.get", "logging.*.list", *_PROJECT_READ),
    "roles/logging.admin": ("logging.*", *_PROJECT_READ),
    "roles/monitoring.metricWriter": ("monitoring.timeSeries.create", "monitoring.metricDescriptors.*"),
    "roles/monitoring.viewer": ("monitoring.*.get", "monitoring.*.list", *_PROJECT_READ),
    "roles/monitoring.admin": ("monitoring.*", *_PROJECT_READ),
}
# Services of which every predefined role is above, so that another name is a mistake.
COMPLETE_SERVICES = frozenset({"storage", "cloudsql", "secretmanager", "serviceusage", "servicenetworking"})

# Images that anybody may read, whose projects are Google's.
PUBLIC_PROJECTS = frozenset(
    f"{name}-cloud"
    for name in ("debian", "ubuntu-os", "cos", "rocky-linux", "rhel", "centos", "suse", "opensuse", "windows", "fedora")
)

# By the kind of a resource, permissions of which a role must hold one to be granted on it (documentation: grantable
# roles; which roles Google lists for a resource follows from what they hold).
_PROBES: dict[str, tuple[str, ...]] = {
    "b": (
        *("storage.buckets.get", "storage.buckets.getIamPolicy", "storage.folders.create"),
        *("storage.objects.get", "storage.objects.create", "storage.objects.list"),
    ),
    "secrets": (
        *("secretmanager.secrets.get", "secretmanager.secrets.getIamPolicy", "secretmanager.versions.access"),
        *("secretmanager.versions.add", "secretmanager.versions.list"),
    ),
    "serviceAccounts": (
        *("iam.serviceAccounts.get", "iam.serviceAccounts.getIamPolicy", "iam.serviceAccounts.getAccessToken"),
        *("iam.serviceAccounts.getOpenIdToken", "iam.serviceAccounts.actAs"),
    ),
}
_FAMILIES = {"b": "storage", "secrets": "secretmanager", "serviceAccounts": "iam"}

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
    if method in FREE or verb == "testIamPermissions" or parts[0] == "oauth2":
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


def further_permissions(method: str, body: Json) -> list[str]:
    """What a request needs in the project beyond the method's own permission, because of what its body asks."""
    if method in ("compute.firewalls.insert", "compute.firewalls.patch", "compute.firewalls.update"):
        return ["compute.networks.updatePolicy"]
    if method in ("compute.subnetworks.insert", "compute.subnetworks.delete", "compute.routers.insert"):
        return ["compute.networks.updatePolicy"]  # documentation; of routers unverified
    if method in ("compute.routers.patch", "compute.routers.update"):
        manual = any(nat.get("natIps") for nat in body.get("nats", []))
        return ["compute.networks.updatePolicy", *(["compute.addresses.use"] if manual else [])]  # unverified
    if method == "compute.instances.attachDisk":
        return ["compute.disks.use"]
    if method == "compute.instances.addAccessConfig":
        return ["compute.subnetworks.useExternalIp", *(["compute.addresses.use"] if body.get("natIP") else [])]
    if method != "compute.instances.insert":
        return []
    accesses = [access for nic in body.get("networkInterfaces", []) for access in nic.get("accessConfigs", [])]
    needed = {
        "compute.addresses.use": any(access.get("natIP") for access in accesses),
        "compute.disks.create": any("initializeParams" in disk for disk in body.get("disks", [])),
        "compute.subnetworks.use": True,
        "compute.subnetworks.useExternalIp": bool(accesses),
        "compute.instances.setLabels": bool(body.get("labels")),
        "compute.instances.setMetadata": bool(body.get("metadata", {}).get("items")),
        "compute.instances.setTags": bool(body.get("tags", {}).get("items")),
        "compute.instances.setServiceAccount": bool(body.get("serviceAccounts")),
    }
    return [permission for permission, applies in needed.items() if applies]


def accounts_of(method: str, body: Json) -> list[str]:
    """The service accounts that a machine gets, and that whoever gives them must be allowed to act as."""
    given = {"compute.instances.insert": body.get("serviceAccounts", []), "compute.instances.setServiceAccount": [body]}
    accounts = [account.get("email", "default") for account in given.get(method, [])]
    return [account for account in accounts if account]


def holds(role: str, permission: str) -> bool:
    """Whether a role has a permission."""
    held = False
    for pattern in ROLES.get(role, ()):
        if fnmatchcase(permission, pattern.removeprefix("!")):
            held = not pattern.startswith("!")
    return held


def is_grantable(role: str, resource: str) -> bool:
    """Whether a predefined role can be granted on a resource, whose key in the store this is."""
    parts = resource.split("/")
    kind = "b" if parts[0] == "b" else parts[2] if len(parts) > 2 else ""
    service = role.removeprefix("roles/").partition(".")[0]
    if role not in ROLES:  # of most services the sandbox does not know every role
        return service not in COMPLETE_SERVICES and service == _FAMILIES.get(kind, service)
    if kind in _PROBES:
        return any(holds(role, permission) for permission in _PROBES[kind])
    return not role.startswith("roles/storage.legacy")  # these stand for a bucket's access lists


def project_of_number(store: Store, number: str) -> str | None:
    """The id of the project that has this number."""
    return next((key for key, project in store.items("projects") if project["projectNumber"] == number), None)


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
            yield f"projects/{project_of_number(store, bucket['projectNumber'])}"
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
