# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Buckets: their settings, their rules, and who may use them."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import re

from gcp_emulator import permissions, policies
from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.base import Call, handles
from gcp_emulator.services.storage.access import refuse_acl
from gcp_emulator.services.storage.common import (
    Preconditions,
    bad_request,
    etag,
    merge,
    now,
    precondition_failed,
    public,
    stamp,
)
from gcp_emulator.services.storage.service import StorageService

# https://cloud.google.com/storage/docs/locations
MULTI_REGIONS = {"ASIA", "EU", "US"}
DUAL_REGIONS = {"ASIA1", "EUR4", "EUR5", "EUR7", "EUR8", "NAM4"}
REGIONS = {
    "AFRICA-SOUTH1",
    *(f"ASIA-EAST{n}" for n in (1, 2)),
    *(f"ASIA-NORTHEAST{n}" for n in (1, 2, 3)),
    *(f"ASIA-SOUTH{n}" for n in (1, 2)),
    *(f"ASIA-SOUTHEAST{n}" for n in (1, 2, 3)),
    *(f"AUSTRALIA-SOUTHEAST{n}" for n in (1, 2)),
    *(f"EUROPE-CENTRAL{n}" for n in (2,)),
    *(f"EUROPE-NORTH{n}" for n in (1, 2)),
    *(f"EUROPE-SOUTHWEST{n}" for n in (1,)),
    *(f"EUROPE-WEST{n}" for n in (1, 2, 3, 4, 6, 8, 9, 10, 12)),
    *(f"ME-CENTRAL{n}" for n in (1, 2)),
    "ME-WEST1",
    *(f"NORTHAMERICA-NORTHEAST{n}" for n in (1, 2)),
    "NORTHAMERICA-SOUTH1",
    *(f"SOUTHAMERICA-EAST{n}" for n in (1,)),
    "SOUTHAMERICA-WEST1",
    "US-CENTRAL1",
    *(f"US-EAST{n}" for n in (1, 4, 5)),
    "US-SOUTH1",
    *(f"US-WEST{n}" for n in (1, 2, 3, 4)),
}
STORAGE_CLASSES = {
    "STANDARD",
    "NEARLINE",
    "COLDLINE",
    "ARCHIVE",
    "MULTI_REGIONAL",
    "REGIONAL",
    "DURABLE_REDUCED_AVAILABILITY",
}
# What a client may set, now and at any later time.
SETTINGS = (
    "autoclass",
    "billing",
    "cors",
    "defaultEventBasedHold",
    "encryption",
    "iamConfiguration",
    "labels",
    "lifecycle",
    "logging",
    "retentionPolicy",
    "rpo",
    "softDeletePolicy",
    "storageClass",
    "versioning",
    "website",
)
DAY = 24 * 3600
SOFT_DELETE_SECONDS = 7 * DAY
EVERYBODY = {"allUsers", "allAuthenticatedUsers"}


class Buckets(StorageService):
    """The methods of ``storage.buckets``.

    Lifecycle rules, CORS, website and logging are kept and told, and have no effect: what they do takes days, or a
    browser. Settings that change what a client sees at once, and are not here, are refused with 501.
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
            location = (call.body.get("location") or "US").upper()
            moment = stamp()
            bucket = {
                "kind": "storage#bucket",
                "id": name,
                "name": name,
                "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}",
                "projectNumber": str(project["projectNumber"]),
                "generation": str(int(now().timestamp() * 1e6)),
                "location": location,
                "locationType": _location_type(location),
                "timeCreated": moment,
                "metageneration": "0",
            }
            bucket |= self._settings({key: call.body[key] for key in SETTINGS if key in call.body}, None)
            _refuse_lists(bucket, call)
            self._save(bucket, moment)
            self.store.put("policies", f"b/{name}", _first_policy(project["projectId"]))
        return public(bucket)

    @handles("storage.buckets.get")
    def get(self, call: Call) -> Json:
        """The bucket."""
        bucket = self.catalogue.bucket(call.path["bucket"])
        Preconditions.of(call.query).check(bucket, reading=True)
        return public(bucket)

    @handles("storage.buckets.list")
    def list_buckets(self, call: Call) -> Json:
        """The buckets of a project, by name."""
        number = str(self._project(call.first("project"))["projectNumber"])
        limit = int(call.first("maxResults") or 1000)
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
            for key in ("name", "location"):
                value = call.body.get(key)
                if value and str(value).upper() != bucket[key].upper():
                    raise bad_request(f"Invalid argument: the {key} of a bucket cannot be changed.")
            kept = {key: value for key, value in bucket.items() if key not in SETTINGS}
            current = {key: value for key, value in bucket.items() if key in SETTINGS}
            asked = {key: value for key, value in call.body.items() if key in SETTINGS}
            wanted = (
                merge(current, asked)
                if call.method.endswith(".patch")
                else {k: v for k, v in asked.items() if v is not None}
            )
            changed = kept | self._settings(wanted, bucket)
            _refuse_lists(changed, call)
            self._save(changed, stamp())
        return public(changed)

    @handles("storage.buckets.delete")
    def delete(self, call: Call) -> None:
        """Delete an empty bucket; soft-deleted objects are none."""
        name = call.path["bucket"]
        with self.store.lock:
            bucket = self.catalogue.bucket(name)
            Preconditions.of(call.query).check(bucket)
            if not self.catalogue.empty(name):
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
            "hierarchicalNamespace": {"enabled": False},
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
        version = int(call.first("optionsRequestedPolicyVersion") or 1)
        return _policy_answer(bucket, policies.read(self.store, f"b/{bucket['name']}", version))

    @handles("storage.buckets.setIamPolicy")
    def set_policy(self, call: Call) -> Json:
        """Replace the policy, if the etag given is that of the present one."""
        with self.store.lock:
            bucket = self.catalogue.bucket(call.path["bucket"])
            resource = f"b/{bucket['name']}"
            given = call.body.get("etag")
            if given and not same_bytes(given, permissions.policy(self.store, resource)["etag"]):
                raise precondition_failed()
            _check_bindings(bucket, call.body.get("bindings") or [])
            policy = policies.write(self.store, resource, call.body)
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

    def _settings(self, settings: Json, before: Json | None) -> Json:
        """What a client may set, checked and completed by defaults.

        :param before: the bucket as it is, or None for a new one.
        """
        settings = {key: value for key, value in settings.items() if value is not None}
        for key in ("labels", "cors"):
            if not settings.get(key):
                settings.pop(key, None)
        if not settings.get("lifecycle", {}).get("rule"):
            settings.pop("lifecycle", None)
        settings["storageClass"] = settings.get("storageClass", "STANDARD")
        if settings["storageClass"] not in STORAGE_CLASSES:
            raise bad_request(f"Invalid argument: {settings['storageClass']} is not a storage class.")
        settings.setdefault("rpo", "DEFAULT")
        _refuse_unsupported(settings)
        if settings.get("retentionPolicy"):
            settings["retentionPolicy"] = _retention_policy(settings["retentionPolicy"], before)
        settings["iamConfiguration"] = _iam_configuration(settings.get("iamConfiguration", {}), before)
        settings["softDeletePolicy"] = _soft_delete_policy(settings.get("softDeletePolicy", {}), before)
        if any(not isinstance(value, str) for value in settings.get("labels", {}).values()):
            raise bad_request("Invalid argument: the value of a label must be text.")
        return settings

    def _save(self, bucket: Json, moment: str) -> None:
        bucket["metageneration"] = str(int(bucket["metageneration"]) + 1)
        bucket["etag"] = etag(int(bucket["metageneration"]))
        bucket["updated"] = moment
        self.store.put("buckets", bucket["name"], bucket)


def same_bytes(left: str, right: str) -> bool:
    """Whether two base64 texts are the same bytes: clients write them in either alphabet, with or without padding."""
    return left.translate(str.maketrans("-_", "+/")).rstrip("=") == right.translate(str.maketrans("-_", "+/")).rstrip(
        "="
    )


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


def _location_type(location: str) -> str:
    for kind, known in (("multi-region", MULTI_REGIONS), ("dual-region", DUAL_REGIONS), ("region", REGIONS)):
        if location in known:
            return kind
    raise bad_request("The specified location constraint is not valid.")


def _iam_configuration(wanted: Json, before: Json | None) -> Json:
    old = (before or {}).get("iamConfiguration", {}).get("uniformBucketLevelAccess", {})
    given, legacy = wanted.get("uniformBucketLevelAccess", {}), wanted.get("bucketPolicyOnly", {})
    # The two are names of one switch; after a merge the one that differs from before is the one that was asked for.
    enabled = bool(given.get("enabled", False))
    if "enabled" in legacy and ("enabled" not in given or bool(legacy["enabled"]) != bool(old.get("enabled"))):
        enabled = bool(legacy["enabled"])
    uniform: Json = {"enabled": enabled}
    if enabled:
        uniform["lockedTime"] = old.get("lockedTime") or stamp(now() + datetime.timedelta(days=90))
    elif old.get("enabled") and old["lockedTime"] <= stamp():
        raise ApiError(412, "Cannot disable uniform bucket-level access after its locked time.", "conditionNotMet")
    prevention = wanted.get("publicAccessPrevention", "inherited")
    if prevention not in ("inherited", "enforced", "unspecified"):
        raise bad_request(f"Invalid argument: {prevention} is not a kind of public access prevention.")
    return {
        "bucketPolicyOnly": dict(uniform),
        "uniformBucketLevelAccess": uniform,
        "publicAccessPrevention": "enforced" if prevention == "enforced" else "inherited",
    }


def _soft_delete_policy(wanted: Json, before: Json | None) -> Json:
    try:
        seconds = int(wanted.get("retentionDurationSeconds", SOFT_DELETE_SECONDS))
    except (TypeError, ValueError):
        raise bad_request() from None
    if seconds and not 7 * DAY <= seconds <= 90 * DAY:
        raise bad_request("Invalid argument: soft delete retention must be 0 or between 7 and 90 days.")
    old = (before or {}).get("softDeletePolicy", {})
    if old.get("retentionDurationSeconds") == str(seconds):
        return dict(old)
    return {"retentionDurationSeconds": str(seconds)} | ({"effectiveTime": stamp()} if seconds else {})


def _check_bindings(bucket: Json, bindings: list[Json]) -> None:
    configuration = bucket["iamConfiguration"]
    for binding in bindings:
        if EVERYBODY & set(binding.get("members") or []) and configuration["publicAccessPrevention"] == "enforced":
            raise ApiError(
                412,
                "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention "
                "is enforced.",
                "conditionNotMet",
            )
        if binding.get("condition") and not configuration["uniformBucketLevelAccess"]["enabled"]:
            raise bad_request("Uniform bucket-level access must be enabled on the bucket to use conditions.")


def _refuse_unsupported(settings: Json) -> None:
    wanted = {
        "autoclass": settings.get("autoclass", {}).get("enabled"),
        "billing.requesterPays": settings.get("billing", {}).get("requesterPays"),
        "encryption": settings.get("encryption"),
    }
    for name, value in wanted.items():
        if value:
            raise ApiError(501, f"The sandbox's buckets have no {name}.", "notImplemented")


def _retention_policy(wanted: Json, before: Json | None) -> Json:
    try:
        seconds = int(wanted["retentionPeriod"])
    except (KeyError, TypeError, ValueError):
        raise bad_request("Invalid argument: a retention policy needs a retention period.") from None
    old = (before or {}).get("retentionPolicy", {})
    if old.get("retentionPeriod") == str(seconds):
        return dict(old)
    return {"retentionPeriod": str(seconds), "effectiveTime": stamp()}


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
    return {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket['name']}", **policy}


def _name_of_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except ValueError:
        raise bad_request() from None
