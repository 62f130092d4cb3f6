# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether somebody may do something with a bucket or an object."""

from __future__ import annotations

from gcp_emulator import permissions
from gcp_emulator.accounts import project_id
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.storage.common import bad_request
from gcp_emulator.store import Store


def require(store: Store, principal: str | None, permission: str, bucket: Json, name: str | None = None) -> None:
    """
    :param principal: an e-mail address, or None for somebody who did not say.
    :param name: the object, or None if it is about the bucket.
    :raises ApiError: 401 for the nameless, 403 for others.
    """
    resource = f"b/{bucket['name']}" if name is None else f"b/{bucket['name']}/o/{name}"
    if principal is None and bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced":
        raise permissions.denial(principal, permission, resource)
    permissions.check(store, principal, permission, resource)


def refuse_acl(bucket: Json, asked: bool) -> None:
    """
    :raises ApiError: 400 where uniform access rules lists out; 501 elsewhere, since the sandbox has none.
    """
    if asked and bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"]:
        raise bad_request(
            "Cannot insert legacy ACL for an object when uniform bucket-level access is enabled. Read more at "
            "https://cloud.google.com/storage/docs/uniform-bucket-level-access"
        )
    if asked:
        raise ApiError(501, "The sandbox has no access control lists.", "notImplemented")


def check_payer(store: Store, principal: str | None, bucket: Json, payer: str) -> None:
    """Refuse the use of a bucket whose requesters pay, unless somebody does. documentation: all of it.

    :param payer: the project that the request names, if any.
    :raises ApiError: 400 without a project; 403 for one that the caller may not charge.
    """
    if not bucket.get("billing", {}).get("requesterPays"):
        return
    own = project_id(store, bucket["projectNumber"])
    if payer:
        permissions.check(store, principal, "serviceusage.services.use", f"projects/{project_id(store, payer)}")
    elif not permissions.allowed(
        store, principal, "resourcemanager.projects.createBillingAssignment", f"projects/{own}"
    ):
        raise ApiError(400, "Bucket is a requester pays bucket but no user project provided.", "required")
