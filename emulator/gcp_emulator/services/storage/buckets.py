# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Buckets: their settings, their rules, and who may use them."""

from __future__ import annotations

import base64
import ipaddress
import re

from gcp_emulator import policies
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.base import Call, handles
from gcp_emulator.services.storage.access import check_payer, refuse_acl
from gcp_emulator.services.storage.common import (
    Preconditions,
    bad_request,
    etag,
    now,
    precondition_failed,
    public,
    stamp,
)
from gcp_emulator.services.storage.hierarchy import FOLDERS
from gcp_emulator.services.storage.service import StorageService
from gcp_emulator.services.storage.settings import SETTINGS, completed, patched, place
from gcp_emulator.values import same_bytes

PAGE_LIMIT = 1000
EVERYBODY = {"allUsers", "allAuthenticatedUsers"}


class Buckets(StorageService):
    """The methods of ``storage.buckets``.

    Lifecycle rules, Autoclass, CORS, website, logging and turbo replication are kept and told, and have no effect: what
    they do takes days, or a browser. Settings that change what a client sees at once, and are not here, are refused
    with 501.
    """

    @handles("storage.buckets.insert")
    def insert(self, call: Call) -> Json:
        """Make a bucket; its name is unique in the whole cloud."""
        project = self._project(call.first("project"))
        name = call.body.get("name") or ""
        _check_name(name)
        with self.store.lock:
            taken = self.store.get("buckets", name)
            if taken:
                own = taken["projectNumber"] == project["projectNumber"]
                raise ApiError(
                    409,
                    "Your previous request to create the named bucket succeeded and you already own it."
                    if own
                    else "The requested bucket name is not available. The bucket namespace is shared by all users of "
                    "the system. Please select a different name and try again.",
                    "conflict",
                )
            _refuse_unsupported(call)
            moment = stamp()
            bucket = {
                "kind": "storage#bucket",
                "id": name,
                "name": name,
                "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}",
                "projectNumber": str(project["projectNumber"]),
                "generation": str(int(now().timestamp() * 1e6)),
                **place(call.body),
                "timeCreated": moment,
                "metageneration": "0",
            }
            if (call.body.get("hierarchicalNamespace") or {}).get("enabled"):
                bucket["hierarchicalNamespace"] = {"enabled": True}
            bucket |= completed({key: call.body[key] for key in SETTINGS if key in call.body}, bucket, None)
            _refuse_lists(bucket, call)
            self._save(bucket, moment)
            self.store.put("policies", f"b/{name}", _first_policy(project["projectId"]))
        return public(bucket)

    @handles("storage.buckets.get")
    def get(self, call: Call) -> Json:
        """The bucket."""
        _refuse_unsupported(call)
        bucket = self.catalogue.bucket(call.path["bucket"])
        check_payer(self.store, call.principal, bucket, call.first("userProject"))
        Preconditions.of(call.query).check(bucket, reading=True)
        return public(bucket)

    @handles("storage.buckets.list")
    def list_buckets(self, call: Call) -> Json:
        """The buckets of a project, by name."""
        _refuse_unsupported(call)
        number = str(self._project(call.first("project"))["projectNumber"])
        limit = min(int(call.first("maxResults") or 0) or PAGE_LIMIT, PAGE_LIMIT)
        after = _name_of_token(call.first("pageToken"))
        found = [
            public(bucket)
            for name, bucket in self.store.items("buckets", call.first("prefix"))
            if bucket["projectNumber"] == number and name > after
        ]
        answer: Json = {"kind": "storage#buckets"}
        if found:
            answer["items"] = found[:limit]
        if len(found) > limit:
            answer["nextPageToken"] = base64.urlsafe_b64encode(found[limit - 1]["name"].encode()).decode()
        return answer

    @handles("storage.buckets.patch", "storage.buckets.update")
    def change(self, call: Call) -> Json:
        """PATCH merges into the settings; PUT replaces all of them, so that what is not named gets its default."""
        with self.store.lock:
            bucket = self.catalogue.bucket(call.path["bucket"])
            Preconditions.of(call.query).check(bucket)
            _refuse_unsupported(call)
            for key in ("name", "location"):
                value = call.body.get(key)
                if value and str(value).upper() != bucket[key].upper():
                    raise bad_request(f"Invalid argument: the {key} of a bucket cannot be changed.")
            patch = call.method.endswith(".patch")
            if patch and not call.body:  # an empty one changes nothing at all (recording)
                return public(bucket)
            # What is no setting, such as hierarchicalNamespace, is ignored, and the metageneration moves (recording).
            kept = {key: value for key, value in bucket.items() if key not in SETTINGS}
            current = {key: value for key, value in bucket.items() if key in SETTINGS}
            asked = {key: value for key, value in call.body.items() if key in SETTINGS}
            changed = kept | completed(patched(current, asked) if patch else asked, kept, bucket)
            _refuse_lists(changed, call)
            self._save(changed, stamp())
        return public(changed)

    @handles("storage.buckets.lockRetentionPolicy")
    def lock_retention_policy(self, call: Call) -> Json:
        """Lock the policy for good. recording: all of it, even that a locked one is refused before a wrong number."""
        with self.store.lock:
            bucket = self.catalogue.bucket(call.path["bucket"])
            policy = bucket.get("retentionPolicy", {"isLocked": True})
            if policy.get("isLocked"):
                raise bad_request(f"Bucket '{bucket['name']}' does not have an unlocked retention policy.")
            Preconditions.of(call.query).check(bucket)
            bucket["retentionPolicy"] = policy | {"isLocked": True}
            self._save(bucket, stamp())
        return public(bucket)

    @handles("storage.buckets.delete")
    def delete(self, call: Call) -> None:
        """Delete an empty bucket; soft-deleted objects are none."""
        name = call.path["bucket"]
        with self.store.lock:
            bucket = self.catalogue.bucket(name)
            Preconditions.of(call.query).check(bucket)
            if not self.catalogue.empty(name) or next(self.store.items(FOLDERS, f"{name}/"), None):
                raise ApiError(409, "The bucket you tried to delete is not empty.", "conflict")
            self.store.delete("buckets", name)
            self.store.delete("policies", f"b/{name}")
            self.catalogue.forget(name)

    @handles("storage.buckets.getStorageLayout")
    def storage_layout(self, call: Call) -> Json:
        """Where the bucket is and how it is laid out."""
        bucket = self.catalogue.bucket(call.path["bucket"])
        return {
            "kind": "storage#storageLayout",
            "bucket": bucket["name"],
            "location": bucket["location"],
            "locationType": bucket["locationType"],
            "hierarchicalNamespace": bucket.get("hierarchicalNamespace", {"enabled": False}),
        }

    @handles("storage.projects.serviceAccount.get")
    def service_account(self, call: Call) -> Json:
        """The account as which Cloud Storage itself acts in the project."""
        number = self._project(call.path["projectId"])["projectNumber"]
        address = f"service-{number}@gs-project-accounts.iam.gserviceaccount.com"
        return {"kind": "storage#serviceAccount", "email_address": address}

    @handles("storage.buckets.getIamPolicy")
    def get_policy(self, call: Call) -> Json:
        """Who may do what; conditions are only shown to those who ask for version 3."""
        bucket = self.catalogue.bucket(call.path["bucket"])
        version = call.first("optionsRequestedPolicyVersion")
        return _policy_answer(bucket, policies.read(self.store, f"b/{bucket['name']}", version))

    @handles("storage.buckets.setIamPolicy")
    def set_policy(self, call: Call) -> Json:
        """Replace the policy, if the etag given is that of the present one."""
        with self.store.lock:
            bucket = self.catalogue.bucket(call.path["bucket"])
            given = call.body.get("etag")
            if given and not same_bytes(given, bucket["etag"]):
                raise precondition_failed()
            _check_bindings(bucket, call.body.get("bindings") or [])
            wanted = {key: value for key, value in call.body.items() if key != "etag"}
            policy = policies.write(self.store, f"b/{bucket['name']}", wanted)
            self._save(bucket, stamp())
        return _policy_answer(bucket, policy)

    @handles("storage.buckets.testIamPermissions")
    def test_permissions(self, call: Call) -> Json:
        """Which of these permissions the caller has."""
        bucket = self.catalogue.bucket(call.path["bucket"])
        held = policies.held(self.store, call.principal, f"b/{bucket['name']}", call.query.get("permissions", []))
        return {"kind": "storage#testIamPermissionsResponse"} | ({"permissions": held} if held else {})

    def _project(self, name: str) -> Json:
        for key, project in self.store.items("projects"):
            if name in (key, str(project["projectNumber"])):
                return project
        raise (
            bad_request(f"Unknown project id: {name}")
            if name
            else ApiError(400, "Required parameter: project", "required")
        )

    def _save(self, bucket: Json, moment: str) -> None:
        bucket["metageneration"] = str(int(bucket["metageneration"]) + 1)
        bucket["etag"] = etag(int(bucket["metageneration"]))
        bucket["updated"] = moment
        self.store.put("buckets", bucket["name"], bucket)


def _check_name(name: str) -> None:
    labels = name.split(".")
    fits = 3 <= len(name) <= (63 if len(labels) == 1 else 222) and all(len(label) <= 63 for label in labels)
    spelled = re.fullmatch(r"[a-z0-9][a-z0-9._-]*[a-z0-9]", name) and ".." not in name
    if not name:
        raise ApiError(400, "Required", "required")
    if not fits or not spelled or name.startswith("goog") or "google" in name or _is_address(name):
        raise bad_request(f"Invalid bucket name: '{name}'")
    if len(labels) > 1:
        raise ApiError(403, "The bucket you tried to create is a domain name owned by another user.", "forbidden")


def _refuse_lists(bucket: Json, call: Call) -> None:
    parameters = ("predefinedAcl", "predefinedDefaultObjectAcl")
    refuse_acl(bucket, any(map(call.first, parameters)) or any(map(call.body.get, ("acl", "defaultObjectAcl"))))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _check_bindings(bucket: Json, bindings: list[Json]) -> None:
    configuration = bucket["iamConfiguration"]
    for binding in bindings:
        for member in binding.get("members") or []:
            if member not in EVERYBODY and ":" not in member:  # recording
                raise bad_request(
                    f"The member {member} is of an unknown type. Please set a valid type prefix for the member."
                )
        if EVERYBODY & set(binding.get("members") or []) and configuration["publicAccessPrevention"] == "enforced":
            raise ApiError(
                412,
                "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention "
                "is enforced.",
                "conditionNotMet",
            )
        if binding.get("condition") and not configuration["uniformBucketLevelAccess"]["enabled"]:
            raise ApiError(  # recording
                412,
                "To set IAM conditions in this bucket, enable uniform bucket-level access. This ensures that all "
                "object access is controlled uniformly at the bucket-level without individual, object-level "
                "permissions. Learn more at https://cloud.google.com/storage/docs/uniform-bucket-level-access",
                "conditionNotMet",
            )


def _refuse_unsupported(call: Call) -> None:
    """Refuse what would change what clients see, and is not here."""
    wanted = {
        "ipFilter": (call.body.get("ipFilter") or {}).get("mode") == "Enabled",
        "objectRetention": call.first("enableObjectRetention").lower() == "true",
        "softDeleted": call.first("softDeleted").lower() == "true",  # the sandbox deletes buckets for good
    }
    for name, value in wanted.items():
        if value:
            raise ApiError(501, f"The sandbox's buckets have no {name}.", "notImplemented")


def _first_policy(project: str) -> Json:
    """The bindings for the project's own people that every new bucket has.

    Without uniform access it would be access lists that let them at the objects, which the sandbox does not have.
    """
    owners, viewers = [f"projectEditor:{project}", f"projectOwner:{project}"], [f"projectViewer:{project}"]
    members = {
        "legacyBucketOwner": owners,
        "legacyBucketReader": viewers,
        "legacyObjectOwner": owners,
        "legacyObjectReader": viewers,
    }
    bindings = [{"role": f"roles/storage.{role}", "members": who} for role, who in members.items()]
    return {"version": 1, "etag": "CAE=", "bindings": bindings}


def _policy_answer(bucket: Json, policy: Json) -> Json:
    """recording: the policy's etag is that of the bucket, whose metageneration moves with the policy."""
    resource = f"projects/_/buckets/{bucket['name']}"
    return {"kind": "storage#policy", "resourceId": resource, **policy, "etag": bucket["etag"]}


def _name_of_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise bad_request() from None
