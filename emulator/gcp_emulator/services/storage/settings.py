# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a client may set in a bucket: which values Google takes, what it makes of them, and what it adds.

Where a comment says recording, the rule and its words are from answers of Google to other projects' tests.
"""

from __future__ import annotations

import datetime
import typing as t

from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.storage.common import bad_request, now, stamp
from gcp_emulator.values import KMS_KEY, LABELS, is_label, is_label_key, merged

# Where buckets can be (documentation: https://cloud.google.com/storage/docs/locations).
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
# The regions of a configurable dual-region lie in the multi-region that is the bucket's location (documentation).
CONTINENTS = {"ASIA": "ASIA-", "EU": "EUROPE-", "US": "US-"}
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
CENTURY_SECONDS = 3_155_760_000  # the longest retention (recording)
LARGEST_OBJECT = 5 << 40
AFFIXES = 1000
METHODS = {"*", "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}


def place(body: Json) -> Json:
    """Where a new bucket is."""
    location = (body.get("location") or "US").upper()
    chosen = [str(one).upper() for one in (body.get("customPlacementConfig") or {}).get("dataLocations") or []]
    kinds = {"multi-region": MULTI_REGIONS, "dual-region": DUAL_REGIONS, "region": REGIONS}
    kind = next((kind for kind, known in kinds.items() if location in known), None)
    if kind is None:
        raise bad_request("The specified location constraint is not valid.")
    if not chosen:
        return {"location": location, "locationType": kind}
    # unverified: the words
    if len(set(chosen)) != 2 or not set(chosen) <= REGIONS:
        raise bad_request("The custom placement config must name two different regions.")
    if not all(region.startswith(CONTINENTS.get(location, "?")) for region in chosen):
        raise bad_request(f"The regions {' and '.join(chosen)} are not in the location {location}.")
    return {"location": location, "locationType": "dual-region", "customPlacementConfig": {"dataLocations": chosen}}


def patched(current: Json, patch: Json) -> Json:
    """The settings as a patch leaves them."""
    wanted: Json = merged(current, patch)
    # An empty map of labels removes them all, though other empty objects change nothing (recording).
    if patch.get("labels") == {}:
        wanted.pop("labels", None)
    return wanted


def completed(settings: Json, bucket: Json, before: Json | None) -> Json:
    """The settings, checked, in the form in which Google keeps them, and with its defaults.

    :param bucket: what else the bucket is: its name and where it is.
    :param before: the bucket as it was, or None for a new one.
    :raises ApiError: what Google refuses.
    """
    old = before or {}
    given = {key: value for key, value in settings.items() if value is not None}
    kept: Json = {
        "storageClass": _storage_class(given.get("storageClass", "STANDARD")),
        "labels": _labels(given.get("labels") or {}),
        "lifecycle": _lifecycle(given.get("lifecycle") or {}, bucket),
        "cors": _cors(given.get("cors") or []),
        "logging": _logging(given.get("logging") or {}, bucket),
        "website": {key: value for key, value in (given.get("website") or {}).items() if value},
        "encryption": _encryption(given.get("encryption") or {}, bucket),
        "versioning": given.get("versioning"),
        "billing": given.get("billing"),
        "defaultEventBasedHold": given.get("defaultEventBasedHold"),
        "rpo": _rpo(given.get("rpo") or "DEFAULT", bucket),
        "autoclass": _autoclass(given.get("autoclass") or {}, old.get("autoclass", {})),
        "retentionPolicy": _retention_policy(given.get("retentionPolicy"), bucket, old.get("retentionPolicy", {})),
        "iamConfiguration": _iam_configuration(given.get("iamConfiguration") or {}, before),
        "softDeletePolicy": _soft_delete_policy(given.get("softDeletePolicy") or {}, before),
    }
    kept = {key: value for key, value in kept.items() if value is not None and value not in ({}, [], "")}
    _check_together(kept, bucket)
    return kept


def _check_together(kept: Json, bucket: Json) -> None:
    if bucket.get("hierarchicalNamespace", {}).get("enabled"):  # recording
        if not kept["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"]:
            raise bad_request("Hierarchical namespace buckets must use uniform bucket-level access.")
        if kept.get("versioning", {}).get("enabled"):
            raise bad_request("Versioning is not supported for hierarchical namespace buckets.")
        if "retentionPolicy" in kept:
            raise bad_request("Retention policy is not supported for hierarchical namespace buckets.")
    if kept.get("autoclass", {}).get("enabled"):  # documentation; unverified: the words
        if kept["storageClass"] != "STANDARD":
            raise bad_request("The default storage class of a bucket with Autoclass must be STANDARD.")
        rules = kept.get("lifecycle", {}).get("rule", [])
        if any("storageClass" in rule["action"] or "matchesStorageClass" in rule["condition"] for rule in rules):
            raise bad_request("Autoclass buckets cannot have lifecycle rules that set or match storage classes.")


def _storage_class(name: str) -> str:
    if name.upper() not in STORAGE_CLASSES:
        raise bad_request(f'Invalid storage class "{name}"')  # recording
    return name.upper()


def _labels(labels: Json) -> Json:
    for key, value in labels.items():  # recording: the words; documentation: the rules
        if not isinstance(value, str):
            raise bad_request(f"Invalid user label: {key} with no value")
        if not (is_label_key(key) and is_label(value)):
            raise bad_request(f"Invalid user label: {key} with value {value}")
    if len(labels) > LABELS:
        raise bad_request(f"Attempt to create a bucket with {len(labels)} labels, maximum is {LABELS}")
    return labels


def _lifecycle(lifecycle: Json, bucket: Json) -> Json:
    rules = [_rule(rule, bucket) for rule in lifecycle.get("rule") or []]
    affixes = sum(len(rule["condition"].get(f"matches{end}", [])) for rule in rules for end in ("Prefix", "Suffix"))
    if affixes > AFFIXES:
        raise bad_request("Lifecycle matches_suffix and matches_prefix cannot specify more than 1000 rules per config.")
    return {"rule": rules} if rules else {}


def _rule(rule: Json, bucket: Json) -> Json:
    """A rule as Google keeps it. recording: all of it."""
    action = {key: value for key, value in (rule.get("action") or {}).items() if value is not None}
    kind = action.get("type")
    if kind not in ("Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"):
        raise bad_request(f"Invalid value for: {kind} is not a valid value")
    if kind != "SetStorageClass" and "storageClass" in action:
        raise bad_request("Storage class can only be specified for SET_STORAGE_CLASS actions")
    if kind == "SetStorageClass":
        if "storageClass" not in action:
            raise bad_request("Lifecycle storage class rules must specify the destination storage class.")
        if action["storageClass"].upper() not in STORAGE_CLASSES:
            raise bad_request(
                f"Unknown storage class '{action['storageClass']}' is not a valid option for SET_STORAGE_CLASS actions."
            )
        action["storageClass"] = action["storageClass"].upper()
    given = (rule.get("condition") or {}).items()
    condition = {key: _condition(key, value, bucket) for key, value in given if value is not None and value != []}
    if not condition:
        raise bad_request("Lifecycle rules must have a condition.")
    if kind == "AbortIncompleteMultipartUpload" and not condition.keys() <= {"age", "matchesPrefix", "matchesSuffix"}:
        raise bad_request(
            "Lifecycle age_days, matches_prefix, and matches_suffix conditions are the only ones allowed for a "
            "ABORT_INCOMPLETE_MULTIPART_UPLOAD rule."
        )
    return {"action": action, "condition": condition}


def _condition(key: str, value: t.Any, bucket: Json) -> t.Any:
    if key in ("age", "daysSinceCustomTime", "daysSinceNoncurrentTime", "numNewerVersions"):
        if value < 0:
            raise bad_request(f"Lifecycle {key} condition must be greater than or equal to 0, but was {value}")
        return value
    if key in ("createdBefore", "customTimeBefore", "noncurrentTimeBefore"):
        try:
            datetime.date.fromisoformat(value)
        except ValueError:
            raise bad_request(f'Invalid value for: Invalid format: "{value}"') from None
        return value
    if key in ("sizeAboveBytes", "sizeBelowBytes"):
        if not 0 <= int(value) <= LARGEST_OBJECT:
            raise bad_request(
                f"Lifecycle {key} condition cannot exceed GCS maximum object size limit: 5 TiB, but was {value}."
            )
        return str(int(value))
    if key in ("matchesPrefix", "matchesSuffix") and not all(0 < len(one) <= 1024 for one in value):
        raise bad_request(f"Lifecycle {key} cannot contain a string that is empty or longer than 1024.")
    if key == "matchesStorageClass":
        return [_storage_class(one) for one in value]
    if key == "matchesPattern":
        raise bad_request(f"MatchesPattern is not available for this project {bucket['projectNumber']}")
    return value


def _cors(entries: list[Json]) -> list[Json]:
    for entry in entries:  # documentation: the methods; unverified: the words
        for method in entry.get("method") or []:
            if method.upper() not in METHODS:
                raise bad_request(f"Invalid value for: {method} is not a valid HTTP method")
        if (entry.get("maxAgeSeconds") or 0) < 0:
            raise bad_request("Invalid value for: maxAgeSeconds must not be negative")
    return [{key: value for key, value in entry.items() if value not in (None, [])} for entry in entries]


def _logging(logging: Json, bucket: Json) -> Json:
    target = logging.get("logBucket")
    if not target:
        if logging.get("logObjectPrefix"):  # unverified
            raise bad_request("A log bucket must be specified to log the use of a bucket.")
        return {}
    # The prefix is the bucket's name if nothing is said, and the log bucket need not be there (documentation; issue).
    return {"logBucket": target, "logObjectPrefix": logging.get("logObjectPrefix") or bucket["name"]}


def _encryption(encryption: Json, bucket: Json) -> Json:
    """The default key. The sandbox has no Cloud KMS: each key that is well-formed is there, and may be used."""
    restrictions = [key for key in encryption if key.endswith("EnforcementConfig") and encryption[key]]
    if restrictions:
        raise ApiError(501, f"The sandbox's buckets have no encryption.{restrictions[0]}.", "notImplemented")
    key = encryption.get("defaultKmsKeyName")
    if not key:
        return {}
    match = KMS_KEY.fullmatch(key)
    if match is None:
        raise bad_request(f"Malformed Cloud KMS crypto key: {key}")  # recording
    # documentation: the key is where the bucket is; unverified: the words
    if match["location"] != {"EU": "europe"}.get(bucket["location"], bucket["location"].lower()):
        raise bad_request(
            f"The Cloud KMS key {key} is not in the location of the bucket, which is {bucket['location']}."
        )
    return {"defaultKmsKeyName": key}


def _rpo(rpo: str, bucket: Json) -> str | None:
    if rpo not in ("DEFAULT", "ASYNC_TURBO"):
        raise bad_request(f"Invalid value for: {rpo} is not a valid value")
    if rpo == "ASYNC_TURBO" and bucket["locationType"] != "dual-region":  # documentation; unverified: the words
        raise bad_request("Turbo replication (ASYNC_TURBO) needs a bucket in a dual-region.")
    return None if bucket["locationType"] == "region" else rpo


def _autoclass(wanted: Json, old: Json) -> Json:
    """discovery: the fields; documentation: the default of the terminal class."""
    if "enabled" not in wanted and "terminalStorageClass" not in wanted:
        return {}
    enabled = bool(wanted.get("enabled"))
    terminal = wanted.get("terminalStorageClass")
    if terminal not in (None, "NEARLINE", "ARCHIVE"):
        raise bad_request(f"Invalid value for: {terminal} is not a valid value")
    toggled = old["toggleTime"] if old.get("enabled", False) == enabled and "toggleTime" in old else stamp()
    if not enabled:
        if terminal and not old.get("enabled"):  # unverified; with Autoclass it ends together with its terminal class
            raise bad_request("A terminal storage class needs Autoclass to be enabled.")
        return {"enabled": False, "toggleTime": toggled}
    terminal = terminal or "NEARLINE"
    same = old.get("terminalStorageClass") == terminal
    return {
        "enabled": True,
        "toggleTime": toggled,
        "terminalStorageClass": terminal,
        "terminalStorageClassUpdateTime": old["terminalStorageClassUpdateTime"] if same else stamp(),
    }


def _retention_policy(wanted: Json | None, bucket: Json, old: Json) -> Json | None:
    """recording: all of it. A client can set the period alone; what else it sends changes nothing."""
    period = (wanted or {}).get("retentionPeriod")
    if period is None:
        if old.get("isLocked"):
            words = f"Bucket '{bucket['name']}' has a locked Retention Policy which cannot be removed."
            raise ApiError(403, words, "retentionPolicyNotMet")
        return None
    seconds = int(period)
    if not 0 < seconds <= CENTURY_SECONDS:
        raise bad_request("Retention policy must have a retention period greater than 0 and less than 100 years.")
    if old.get("isLocked") and seconds < int(old["retentionPeriod"]):
        raise ApiError(
            403,
            f"Cannot reduce retention duration of a locked Retention Policy for bucket '{bucket['name']}'.",
            "forbidden",
        )
    locked = {"isLocked": True} if old.get("isLocked") else {}
    return {"retentionPeriod": str(seconds), "effectiveTime": old.get("effectiveTime") or stamp()} | locked


def _iam_configuration(wanted: Json, before: Json | None) -> Json:
    old = (before or {}).get("iamConfiguration", {}).get("uniformBucketLevelAccess", {})
    given, legacy = wanted.get("uniformBucketLevelAccess") or {}, wanted.get("bucketPolicyOnly") or {}
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
        raise bad_request(f"Invalid value for: {prevention} is not a valid value")  # recording
    return {
        "bucketPolicyOnly": dict(uniform),
        "uniformBucketLevelAccess": uniform,
        "publicAccessPrevention": "enforced" if prevention == "enforced" else "inherited",
    }


def _soft_delete_policy(wanted: Json, before: Json | None) -> Json:
    seconds = int(wanted.get("retentionDurationSeconds", SOFT_DELETE_SECONDS))
    if seconds and not 7 * DAY <= seconds <= 90 * DAY:  # recording
        raise bad_request("Soft delete policy must have a retention duration between 7 days and 90 days.")
    old = (before or {}).get("softDeletePolicy", {})
    if old.get("retentionDurationSeconds") == str(seconds):
        return dict(old)
    return {"retentionDurationSeconds": str(seconds)} | ({"effectiveTime": stamp()} if seconds else {})
