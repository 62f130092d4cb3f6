# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a call of Compute needs besides the permission of its method, by what its body asks for."""

from __future__ import annotations

from gcp_emulator import accounts, permissions
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.base import Call
from gcp_emulator.store import Store


def check(store: Store, call: Call, project: str) -> None:
    """Refuse a caller who lacks any of it.

    :raises ApiError: 403; 400 for an account as which the caller may not act.
    """
    for permission in further_permissions(call.method, call.body):
        permissions.check(store, call.principal, permission, f"projects/{project}")
    for account in accounts_of(call.method, call.body):
        _check_acting(store, call.principal, project, account)


def further_permissions(method: str, body: Json) -> list[str]:
    """What a request needs in the project beyond the method's own permission, because of what its body asks."""
    if method in ("compute.firewalls.insert", "compute.firewalls.patch", "compute.firewalls.update"):
        return ["compute.networks.updatePolicy"]
    if method in ("compute.subnetworks.insert", "compute.subnetworks.delete", "compute.routers.insert"):
        # A rule or router of a network is a change of the network (documentation; of routers unverified).
        return ["compute.networks.updatePolicy"]
    if method in ("compute.routers.patch", "compute.routers.update"):
        manual = any(nat.get("natIps") for nat in body.get("nats", []))
        # A NAT gateway uses its addresses (unverified).
        return ["compute.networks.updatePolicy", *(["compute.addresses.use"] if manual else [])]
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


def _check_acting(store: Store, principal: str, project: str, account: str) -> None:
    """Refuse to start a machine as a service account that the caller may not act as."""
    if account == "default":
        account = accounts.default_compute_account(store.get("projects", project) or {})
    resource = f"projects/{project}/serviceAccounts/{account}"
    if not permissions.allowed(store, principal, "iam.serviceAccounts.actAs", resource):
        raise ApiError(
            400,
            f"The user does not have access to service account '{account}'.  User: '{principal}'.  "
            "Ask a project owner to grant you the iam.serviceAccountUser role on the service account",
            "SERVICE_ACCOUNT_ACCESS_DENIED",
        )
