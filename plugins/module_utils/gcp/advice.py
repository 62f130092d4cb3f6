# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person can do about an error: one sentence that names the role, the command, the option or the variable."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import urlsplit

from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import (
    CONSTRAINT,
    NO_PROJECT,
    NO_TOKEN,
    PER_TIME,
    RATE_REASONS,
    UNKNOWN_ACCOUNT,
    GcpError,
)

# Roles that have a permission, the more precise ones first.
ROLES = {
    "compute.firewalls.": "roles/compute.securityAdmin",
    "compute.networks.": "roles/compute.networkAdmin",
    "compute.subnetworks.": "roles/compute.networkAdmin",
    "compute.routers.": "roles/compute.networkAdmin",
    "compute.addresses.": "roles/compute.networkAdmin",
    "compute.globalAddresses.": "roles/compute.networkAdmin",
    "compute.instances.": "roles/compute.instanceAdmin.v1",
    "compute.disks.": "roles/compute.instanceAdmin.v1",
    "compute.": "roles/compute.admin",
    "cloudsql.": "roles/cloudsql.admin",
    "storage.": "roles/storage.admin",
    "iam.serviceAccounts.actAs": "roles/iam.serviceAccountUser",
    "iam.serviceAccounts.getAccessToken": "roles/iam.serviceAccountTokenCreator",
    "iam.serviceAccountKeys.": "roles/iam.serviceAccountKeyAdmin",
    "iam.": "roles/iam.serviceAccountAdmin",
    "resourcemanager.projects.setIamPolicy": "roles/resourcemanager.projectIamAdmin",
    "resourcemanager.projects.getIamPolicy": "roles/resourcemanager.projectIamAdmin",
    "resourcemanager.": "roles/browser",
    "serviceusage.services.use": "roles/serviceusage.serviceUsageConsumer",
    "serviceusage.": "roles/serviceusage.serviceUsageAdmin",
    "servicenetworking.": "roles/compute.networkAdmin",
    "secretmanager.": "roles/secretmanager.admin",
    "sqladmin.": "roles/cloudsql.admin",
}
# What to leave out, where an organization policy forbids it.
CONSTRAINTS = {
    "compute.vmExternalIpAccess": "Make the machine without access_configs in network_interfaces",
    "sql.restrictPublicIp": "Set settings.ip_configuration.ipv4_enabled to false",
    "iam.allowedPolicyMemberDomains": "Take a member of an allowed domain",
    "iam.disableServiceAccountKeyCreation": "Do without a key, by impersonate_service_account for example",
    "storage.uniformBucketLevelAccess": "Set uniform_bucket_level_access to true",
    "storage.publicAccessPrevention": "Take a member other than the public, or leave public_access_prevention alone",
    "gcp.resourceLocations": "Choose another location (region, zone or location)",
}
PERMISSION = re.compile(r"\b[a-z]+\.(?!googleapis\b)[A-Za-z]+\.[A-Za-z]+\b")
NOT_PEERED = re.compile(
    r"NETWORK_NOT_PEERED|private services connection|create Service Networking connection", re.IGNORECASE
)
POOR = re.compile(r"quota|limit", re.IGNORECASE)
BILLING = re.compile(r"\bbilling\b", re.IGNORECASE)


def advice(error: GcpError, credential: str) -> list[str]:
    """The sentence that helps, if there is one, and for a refused credential which one it was."""
    sentences = [sentence for applies, sentence in CASES if applies(error)][:1]
    told = [sentence if isinstance(sentence, str) else sentence(error) for sentence in sentences]
    named = error.refused and credential and not (error.by_policy or is_short(error))
    return [*told, *([f"The credential was: {credential}."] if named else [])]


def enable(error: GcpError) -> str:
    """An API is switched off."""
    name = error.switch.rpartition("/")[2] or urlsplit(error.url).hostname or "the service"
    return (
        f"Enable the API first, with mlops.mlflow.gcp_serviceusage_service and name={name} (in the role gcp_infra: "
        "gcp_infra_services), and wait a minute."
    )


def obey(error: GcpError) -> str:
    """An organization policy is in the way."""
    found = CONSTRAINT.search(error.message)
    public = "public access prevention" in error.message.lower()
    name = found[1] if found else "storage.publicAccessPrevention" if public else "iam.allowedPolicyMemberDomains"
    way_out = CONSTRAINTS.get(name, "Ask for what it allows")
    return f"The organization policy {name} forbids it. {way_out}, or ask its administrator for an exception."


def grant(error: GcpError) -> str:
    """A permission is missing."""
    found = PERMISSION.search(str(error.metadata.get("permission", ""))) or PERMISSION.search(error.message)
    permission = found[0] if found else ""
    api = f"{(urlsplit(error.url).hostname or '').partition('.')[0]}."
    role = next((role for prefix, role in ROLES.items() if (permission or api).startswith(prefix)), "")
    if role and permission:
        needed = f"{role} (or another role with {permission})"
    else:
        needed = role or (f"a role with {permission}" if permission else "the role that this needs")
    return (
        f"Give the account {needed}, with mlops.mlflow.gcp_project_iam_member for example, or choose another "
        "credential by auth_kind."
    )


def renew(error: GcpError) -> str:
    """A key or a login is of no use any more."""
    if "timeframe" in error.message:
        return "Set the clock of the machine that runs the module: timedatectl set-ntp true."
    if "rapt" in error.message or "expired or revoked" in error.message:
        return "Log in again: gcloud auth application-default login."
    return (
        "The credential was refused: check that its account and key still exist, and that the clock is right. "
        "mlops.mlflow.gcp_iam_service_account_key makes a new key."
    )


def is_slow_down(error: GcpError) -> bool:
    """Whether too much was asked in too short a time."""
    return error.reason in RATE_REASONS or bool(POOR.search(error.message) and PER_TIME.search(error.message))


def is_short(error: GcpError) -> bool:
    """Whether there is no more of something, or not now."""
    return error.status in {None, 403, 429} and bool(POOR.search(error.message + error.reason))


# The first that applies is told.
CASES: tuple[tuple[t.Callable[[GcpError], t.Any], str | t.Callable[[GcpError], str]], ...] = (
    (lambda error: error.service_disabled, enable),
    (lambda error: error.message.startswith(NO_TOKEN), renew),
    (
        lambda error: error.fenced,
        "VPC Service Controls keep this machine or account out: run it inside of the perimeter, or give the "
        "administrator the vpcServiceControlsUniqueIdentifier to let it in.",
    ),
    (lambda error: error.by_policy, obey),
    (
        lambda error: error.status in {400, 403, None} and BILLING.search(error.message),
        "Link a billing account to the project (option project): gcloud billing projects link PROJECT "
        "--billing-account=ACCOUNT.",
    ),
    (
        lambda error: "POOL_EXHAUSTED" in error.reason,
        "Google has no room for it there now: choose another zone (gcp_zone) or machine type, or try again later.",
    ),
    (
        lambda error: NOT_PEERED.search(error.message),
        "Connect the network first, with mlops.mlflow.gcp_compute_global_address (purpose VPC_PEERING) and "
        "mlops.mlflow.gcp_service_networking_connection, as the role cloudsql does.",
    ),
    (
        lambda error: NO_PROJECT.search(error.message),
        "Check the option project (or GCP_PROJECT): it takes the ID of an existing project.",
    ),
    (
        lambda error: error.reason.startswith("SERVICE_CONFIG_NOT_FOUND"),
        "Check the names of the APIs, which look like compute.googleapis.com.",
    ),
    (
        lambda error: "bucket namespace is shared" in error.message or "bucket name is not available" in error.message,
        "Bucket names are shared by all of Google Cloud: choose another name (gcp_infra_bucket_name of the role "
        "gcp_infra).",
    ),
    (
        lambda error: UNKNOWN_ACCOUNT.search(error.message),
        "Check the name of the account, or make it first with mlops.mlflow.gcp_iam_service_account; a new one may be "
        "unknown for some minutes.",
    ),
    (
        lambda error: error.status == 401,
        "The credential is not valid (any more): get a new one, or choose another by auth_kind.",
    ),
    (
        is_slow_down,
        "Too much is asked in too short a time: run fewer tasks at once, raise the option timeout, or ask for more "
        "quota in the Cloud console (IAM & Admin, Quotas).",
    ),
    (
        is_short,
        "Ask for more quota in the Cloud console (IAM & Admin, Quotas), or delete what is not needed.",
    ),
    (
        lambda error: error.reason in {"resourceInUseByAnotherResource", "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE"},
        "Delete what uses it first (state: absent).",
    ),
    (lambda error: error.status == 403 or error.canonical == "PERMISSION_DENIED", grant),
)
