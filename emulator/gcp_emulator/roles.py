# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The predefined roles: what each of them holds, and on what it can be granted."""

from __future__ import annotations

from fnmatch import fnmatchcase

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
