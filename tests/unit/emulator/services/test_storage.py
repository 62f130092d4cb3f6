# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Cloud Storage: buckets, objects and their contents, as they go over the wire."""

from __future__ import annotations

import base64
import binascii
import datetime
import gzip
import hashlib
import typing as t
from urllib.parse import quote, urlsplit

import google_crc32c
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from gcp_emulator import accounts, policies
from gcp_emulator.front import Front
from gcp_emulator.services.storage import Storage, common, objects, uploads

if t.TYPE_CHECKING:
    from harness import Answer, Emulator

HOST = "https://storage.googleapis.com"
BUCKETS = f"{HOST}/storage/v1/b"
UPLOAD = f"{HOST}/upload/storage/v1/b"
PROJECT = "test-project"
BUCKET = "a-bucket"
KIB = 1024
QUANTUM = 256 * KIB
DELETE: dict[str, t.Any] = {"type": "Delete"}
COLDER: dict[str, t.Any] = {"type": "SetStorageClass", "storageClass": "coldline"}
KEY = "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k"


def make_bucket(emulator: Emulator, name: str = BUCKET, **settings: t.Any) -> dict[str, t.Any]:
    return emulator.ok("POST", f"{BUCKETS}?project={PROJECT}", {"name": name, **settings})


def lifecycle(action: dict[str, t.Any], **condition: t.Any) -> dict[str, t.Any]:
    return {"lifecycle": {"rule": [{"action": action, "condition": condition}]}}


def placed(location: str, *regions: str) -> dict[str, t.Any]:
    return {"location": location, "customPlacementConfig": {"dataLocations": list(regions)}}


def folders(**more: t.Any) -> dict[str, t.Any]:
    uniform = {"uniformBucketLevelAccess": {"enabled": True}}
    return {"hierarchicalNamespace": {"enabled": True}, "iamConfiguration": uniform, **more}


def put(emulator: Emulator, name: str, content: bytes = b"content", bucket: str = BUCKET, **more: t.Any) -> Answer:
    query = "".join(f"&{key}={value}" for key, value in more.pop("query", {}).items())
    url = f"{UPLOAD}/{bucket}/o?uploadType=media&name={quote(name, safe='')}{query}"
    headers = {"content-type": "text/plain"} | more.pop("headers", {})
    return emulator.call("POST", url, content, headers=headers, **more)


def item(name: str, bucket: str = BUCKET, suffix: str = "") -> str:
    return f"{BUCKETS}/{bucket}/o/{quote(name, safe='')}{suffix}"


def get(emulator: Emulator, name: str, **more: t.Any) -> Answer:
    return emulator.call("GET", item(name, suffix="?alt=media"), **more)


def names(answer: dict[str, t.Any]) -> list[str]:
    return [found["name"] for found in answer.get("items", [])]


def crc32c(content: bytes) -> str:
    return base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()


def md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


@pytest.fixture
def bucket(emulator: Emulator) -> dict[str, t.Any]:
    return make_bucket(
        emulator,
        iamConfiguration={"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"},
        softDeletePolicy={"retentionDurationSeconds": "0"},
    )


# -- buckets -----------------------------------------------------------------------------------------------------


def test_a_new_bucket_has_the_defaults_of_google(emulator: Emulator) -> None:
    made = make_bucket(emulator)
    assert made["location"] == "US"
    assert made["locationType"] == "multi-region"
    assert made["storageClass"] == "STANDARD"
    assert made["metageneration"] == "1"
    assert made["etag"] == "CAE="
    assert made["softDeletePolicy"]["retentionDurationSeconds"] == "604800"
    assert made["iamConfiguration"]["uniformBucketLevelAccess"] == {"enabled": False}
    assert made["iamConfiguration"]["publicAccessPrevention"] == "inherited"
    assert "versioning" not in made
    assert emulator.ok("GET", f"{BUCKETS}/{BUCKET}") == made
    assert names(emulator.ok("GET", f"{BUCKETS}?project={PROJECT}")) == [BUCKET]


@pytest.mark.parametrize(
    ("given", "location", "kind"),
    [("europe-west1", "EUROPE-WEST1", "region"), ("eu", "EU", "multi-region"), ("nam4", "NAM4", "dual-region")],
)
def test_a_location_is_upper_case_and_has_a_type(emulator: Emulator, given: str, location: str, kind: str) -> None:
    made = make_bucket(emulator, location=given)
    assert (made["location"], made["locationType"]) == (location, kind)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"name": BUCKET, "location": "moon-west1"}, 400, "location constraint is not valid"),
        ({"name": "Upper"}, 400, "Invalid bucket name: 'Upper'"),
        ({"name": "ab"}, 400, "Invalid bucket name"),
        ({"name": "192.168.5.4"}, 400, "Invalid bucket name"),
        ({"name": "goog-mine"}, 400, "Invalid bucket name"),
        ({"name": "x" * 64}, 400, "Invalid bucket name"),
        ({"name": "example.com"}, 403, "domain name owned by another user"),
        ({"name": BUCKET, "storageClass": "FAST"}, 400, "FAST"),
        ({"name": BUCKET, "softDeletePolicy": {"retentionDurationSeconds": "60"}}, 400, "between 7 days and 90 days"),
        ({"name": BUCKET, "iamConfiguration": {"publicAccessPrevention": "never"}}, 400, "never"),
        ({"name": BUCKET, "retentionPolicy": {"retentionPeriod": "0"}}, 400, "greater than 0 and less than 100 years"),
        ({"name": BUCKET, "labels": {"App": "x"}}, 400, "Invalid user label: App with value x"),
        ({"name": BUCKET, "labels": {f"l{n}": "" for n in range(65)}}, 400, "with 65 labels, maximum is 64"),
        ({"name": BUCKET, "encryption": {"defaultKmsKeyName": "k"}}, 400, "Malformed Cloud KMS crypto key: k"),
        ({"name": BUCKET, "encryption": {"defaultKmsKeyName": KEY}}, 400, "not in the location of the bucket"),
        ({"name": BUCKET, "rpo": "ASYNC_TURBO"}, 400, "dual-region"),
        ({"name": BUCKET, "autoclass": {"enabled": True}, "storageClass": "ARCHIVE"}, 400, "must be STANDARD"),
        ({"name": BUCKET, "autoclass": {"enabled": True}, **lifecycle(COLDER, age=1)}, 400, "lifecycle rules"),
        ({"name": BUCKET, "autoclass": {"enabled": True, "terminalStorageClass": "COLDLINE"}}, 400, "COLDLINE"),
        ({"name": BUCKET, "cors": [{"method": ["FETCH"]}]}, 400, "FETCH"),
        ({"name": BUCKET, "logging": {"logObjectPrefix": "x"}}, 400, "log bucket"),
        ({"name": BUCKET, **placed("US", "US-EAST1")}, 400, "two different regions"),
        ({"name": BUCKET, **placed("EU", "US-EAST1", "US-WEST1")}, 400, "not in the location EU"),
        ({"name": BUCKET, "hierarchicalNamespace": {"enabled": True}}, 400, "must use uniform bucket-level access"),
        ({"name": BUCKET, **folders(versioning={"enabled": True})}, 400, "Versioning is not supported"),
        ({"name": BUCKET, **folders(retentionPolicy={"retentionPeriod": 60})}, 400, "Retention policy is not"),
        ({"name": BUCKET, "ipFilter": {"mode": "Enabled"}}, 501, "ipFilter"),
        ({"name": "taken"}, 409, "you already own it"),
    ],
)
def test_a_bucket_that_cannot_be_is_refused(
    emulator: Emulator, body: dict[str, t.Any], status: int, words: str
) -> None:
    make_bucket(emulator, "taken")
    answer = emulator.call("POST", f"{BUCKETS}?project={PROJECT}", body)
    assert answer.status == status
    assert words in answer.message


def test_a_name_is_taken_in_every_project(emulator: Emulator) -> None:
    make_bucket(emulator)
    accounts.create_project(emulator.cloud.store, "other-project")
    other = emulator.account("other")
    emulator.cloud.store.put(
        "policies",
        "projects/other-project",
        {"version": 1, "etag": "x", "bindings": [{"role": "roles/owner", "members": [f"serviceAccount:{other}"]}]},
    )
    answer = emulator.call("POST", f"{BUCKETS}?project=other-project", {"name": BUCKET}, principal=other)
    assert (answer.status, answer.reason) == (409, "conflict")
    assert "not available" in answer.message
    assert emulator.ok("GET", f"{BUCKETS}?project=other-project", principal=other) == {"kind": "storage#buckets"}


@pytest.mark.parametrize(
    ("before", "patch", "field", "after"),
    [
        ({"labels": {"a": "1", "b": "2"}}, {"labels": {"b": None, "c": "3"}}, "labels", {"a": "1", "c": "3"}),
        ({"labels": {"a": "1"}}, {"labels": {"a": None}}, "labels", None),
        ({"labels": {"a": "1"}}, {"labels": None}, "labels", None),
        ({"labels": {"a": "1"}}, {"labels": {}}, "labels", None),
        (lifecycle(DELETE, age=1), {"lifecycle": {}}, "lifecycle", lifecycle(DELETE, age=1)["lifecycle"]),
        ({"cors": [{"origin": ["*"], "method": ["GET"]}]}, {"cors": []}, "cors", None),
        ({"logging": {"logBucket": "logs"}}, {"logging": None}, "logging", None),
        ({}, {"logging": {"logBucket": "logs"}}, "logging", {"logBucket": "logs", "logObjectPrefix": BUCKET}),
        ({"website": {"mainPageSuffix": "i"}}, {"website": {"mainPageSuffix": None}}, "website", None),
        ({}, {"objectRetention": {"mode": "Enabled"}}, "objectRetention", None),
        ({}, {"hierarchicalNamespace": {"enabled": True}}, "hierarchicalNamespace", None),
        ({"location": "EUR4", "rpo": "ASYNC_TURBO"}, {"rpo": None}, "rpo", "DEFAULT"),
        ({}, {"versioning": {"enabled": True}}, "versioning", {"enabled": True}),
        ({}, {"storageClass": "NEARLINE"}, "storageClass", "NEARLINE"),
        (
            {"lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 1}}]}},
            {"lifecycle": {"rule": []}},
            "lifecycle",
            None,
        ),
    ],
)
def test_a_patch_merges(
    emulator: Emulator, before: dict[str, t.Any], patch: dict[str, t.Any], field: str, after: t.Any
) -> None:
    make_bucket(emulator, **before)
    changed = emulator.ok("PATCH", f"{BUCKETS}/{BUCKET}", patch)
    assert changed.get(field) == after
    assert changed["metageneration"] == "2"


def test_a_patch_of_one_part_of_the_iam_configuration_keeps_the_other(emulator: Emulator) -> None:
    make_bucket(emulator, iamConfiguration={"publicAccessPrevention": "enforced"})
    url = f"{BUCKETS}/{BUCKET}"
    changed = emulator.ok("PATCH", url, {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}})
    configuration = changed["iamConfiguration"]
    assert configuration["publicAccessPrevention"] == "enforced"
    assert configuration["uniformBucketLevelAccess"]["enabled"] is True
    assert configuration["bucketPolicyOnly"] == configuration["uniformBucketLevelAccess"]
    locked = configuration["uniformBucketLevelAccess"]["lockedTime"]
    again = emulator.ok("PATCH", url, {"labels": {"a": "1"}})
    assert again["iamConfiguration"]["uniformBucketLevelAccess"]["lockedTime"] == locked
    off = emulator.ok("PATCH", url, {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}}})
    assert off["iamConfiguration"]["bucketPolicyOnly"] == {"enabled": False}


def test_an_update_replaces_all_settings(emulator: Emulator) -> None:
    make_bucket(emulator, labels={"a": "1"}, versioning={"enabled": True}, storageClass="COLDLINE")
    changed = emulator.ok("PUT", f"{BUCKETS}/{BUCKET}", {"labels": {"b": "2"}})
    assert changed["labels"] == {"b": "2"}
    assert changed["storageClass"] == "STANDARD"
    assert "versioning" not in changed


@pytest.mark.parametrize("verb", ["GET", "PATCH", "DELETE"])
def test_a_metageneration_that_is_not_the_present_one_is_412(emulator: Emulator, verb: str) -> None:
    make_bucket(emulator)
    body = {"labels": {"a": "1"}} if verb == "PATCH" else None
    answer = emulator.call(verb, f"{BUCKETS}/{BUCKET}?ifMetagenerationMatch=7", body)
    assert (answer.status, answer.reason) == (412, "conditionNotMet")
    assert emulator.call(verb, f"{BUCKETS}/{BUCKET}?ifMetagenerationMatch=1", body).status in (200, 204)


def test_a_read_of_an_unchanged_bucket_is_304(emulator: Emulator) -> None:
    make_bucket(emulator)
    answer = emulator.call("GET", f"{BUCKETS}/{BUCKET}?ifMetagenerationNotMatch=1")
    assert (answer.status, answer.content) == (304, b"")


def test_the_location_cannot_be_changed(emulator: Emulator) -> None:
    make_bucket(emulator)
    assert emulator.call("PATCH", f"{BUCKETS}/{BUCKET}", {"location": "EU"}).status == 400


def test_only_an_empty_bucket_is_deleted(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    put(emulator, "x")
    answer = emulator.call("DELETE", f"{BUCKETS}/{BUCKET}")
    assert (answer.status, answer.reason) == (409, "conflict")
    assert answer.message == "The bucket you tried to delete is not empty."
    emulator.ok("DELETE", item("x"))
    emulator.ok("DELETE", f"{BUCKETS}/{BUCKET}")
    assert emulator.call("GET", f"{BUCKETS}/{BUCKET}").status == 404
    assert emulator.cloud.store.get("policies", f"b/{BUCKET}") is None


def test_buckets_come_in_pages(emulator: Emulator) -> None:
    for name in ("bucket-a", "bucket-b", "other-c"):
        make_bucket(emulator, name)
    first = emulator.ok("GET", f"{BUCKETS}?project={PROJECT}&maxResults=2")
    assert names(first) == ["bucket-a", "bucket-b"]
    last = emulator.ok("GET", f"{BUCKETS}?project={PROJECT}&maxResults=2&pageToken={first['nextPageToken']}")
    assert names(last) == ["other-c"]
    assert "nextPageToken" not in last
    assert names(emulator.ok("GET", f"{BUCKETS}?project={PROJECT}&prefix=bucket-")) == ["bucket-a", "bucket-b"]


def test_the_layout_tells_the_location(emulator: Emulator) -> None:
    make_bucket(emulator, location="us-central1")
    put_role(emulator, "roles/storage.admin")
    layout = emulator.ok("GET", f"{BUCKETS}/{BUCKET}/storageLayout")
    assert (layout["location"], layout["locationType"]) == ("US-CENTRAL1", "region")


# -- who may -----------------------------------------------------------------------------------------------------


def policy_of(emulator: Emulator, version: int = 3) -> dict[str, t.Any]:
    return emulator.ok("GET", f"{BUCKETS}/{BUCKET}/iam?optionsRequestedPolicyVersion={version}")


def put_role(emulator: Emulator, role: str, account: str = "worker", **condition: t.Any) -> str:
    email = f"{account}@{PROJECT}.iam.gserviceaccount.com"
    if not emulator.cloud.store.get("serviceAccounts", email):
        emulator.account(account)
    policy = policy_of(emulator)
    policy["bindings"].append({"role": role, "members": [f"serviceAccount:{email}"], **condition})
    if condition:
        policy["version"] = 3
    emulator.ok("PUT", f"{BUCKETS}/{BUCKET}/iam", policy)
    return email


def test_a_policy_is_read_changed_and_written_back(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    first = policy_of(emulator)
    assert first["kind"] == "storage#policy"
    assert first["resourceId"] == f"projects/_/buckets/{BUCKET}"
    put_role(emulator, "roles/storage.objectViewer")
    second = policy_of(emulator)
    assert second["etag"] != first["etag"]
    assert "roles/storage.objectViewer" in [binding["role"] for binding in second["bindings"]]
    stale = emulator.call("PUT", f"{BUCKETS}/{BUCKET}/iam", first)
    assert (stale.status, stale.reason) == (412, "conditionNotMet")


def test_an_etag_of_a_policy_counts_in_either_alphabet(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    stored = emulator.cloud.store.get("buckets", BUCKET)
    assert stored is not None
    emulator.cloud.store.put("buckets", BUCKET, stored | {"etag": "+/+/"})
    emulator.ok("PUT", f"{BUCKETS}/{BUCKET}/iam", policy_of(emulator) | {"etag": "-_-_"})


def test_the_etag_of_a_policy_is_that_of_the_bucket(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    first = policy_of(emulator)
    assert first["etag"] == bucket["etag"]
    emulator.ok("PUT", f"{BUCKETS}/{BUCKET}/iam", first)
    assert emulator.ok("GET", f"{BUCKETS}/{BUCKET}")["metageneration"] == "2"
    emulator.ok("PATCH", f"{BUCKETS}/{BUCKET}", {"labels": {"a": "1"}})
    assert policy_of(emulator)["etag"] == emulator.ok("GET", f"{BUCKETS}/{BUCKET}")["etag"] != first["etag"]


@pytest.mark.parametrize(
    ("binding", "status", "words"),
    [
        ({"role": "roles/storage.objectViewer", "members": ["allUsers"]}, 412, "public access prevention"),
        ({"role": "roles/storage.objectViewer", "members": ["somebody"]}, 400, "somebody"),
        (
            {"role": "roles/storage.objectViewer", "members": [f"serviceAccount:no@{PROJECT}.iam.gserviceaccount.com"]},
            400,
            "does not exist",
        ),
        ({"role": "roles/storage.everything", "members": ["user:a@example.com"]}, 400, "roles/storage.everything"),
    ],
)
def test_a_binding_that_cannot_be_is_refused(
    emulator: Emulator, bucket: dict[str, t.Any], binding: dict[str, t.Any], status: int, words: str
) -> None:
    answer = emulator.call("PUT", f"{BUCKETS}/{BUCKET}/iam", {"bindings": [binding]})
    assert answer.status == status
    assert words in answer.message


def test_a_condition_needs_uniform_access(emulator: Emulator) -> None:
    make_bucket(emulator)
    binding = {
        "role": "roles/storage.objectViewer",
        "members": ["user:a@example.com"],
        "condition": {"title": "t", "expression": "true"},
    }
    answer = emulator.call("PUT", f"{BUCKETS}/{BUCKET}/iam", {"version": 3, "bindings": [binding]})
    assert (answer.status, answer.reason) == (412, "conditionNotMet")
    assert "enable uniform bucket-level access" in answer.message


def test_a_condition_on_the_name_decides(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    expression = f'resource.name.startsWith("projects/_/buckets/{BUCKET}/objects/open/")'
    worker = put_role(emulator, "roles/storage.objectViewer", condition={"title": "open", "expression": expression})
    for name in ("open/x", "closed/x"):
        assert put(emulator, name).status == 200
    assert get(emulator, "open/x", principal=worker).status == 200
    assert get(emulator, "closed/x", principal=worker).status == 403


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (None, set[str]()),
        ("roles/storage.objectViewer", {"read", "media", "list"}),
        ("roles/storage.objectCreator", {"create"}),
        ("roles/storage.objectUser", {"read", "media", "list", "create", "replace", "change", "copy", "delete"}),
        ("roles/storage.objectAdmin", {"read", "media", "list", "create", "replace", "change", "copy", "delete"}),
    ],
)
def test_a_role_allows_what_it_says_and_nothing_else(
    emulator: Emulator, bucket: dict[str, t.Any], role: str | None, allowed: set[str]
) -> None:
    worker = put_role(emulator, role) if role else emulator.account("worker")
    put(emulator, "there")
    answers = {
        "read": emulator.call("GET", item("there"), principal=worker),
        "media": get(emulator, "there", principal=worker),
        "list": emulator.call("GET", f"{BUCKETS}/{BUCKET}/o", principal=worker),
        "create": put(emulator, "new", principal=worker),
        "replace": put(emulator, "there", principal=worker),
        "change": emulator.call("PATCH", item("there"), {"metadata": {"a": "1"}}, principal=worker),
        "copy": emulator.call("POST", item("there", suffix=f"/rewriteTo/b/{BUCKET}/o/copy"), {}, principal=worker),
        "delete": emulator.call("DELETE", item("there"), principal=worker),
    }
    assert {name for name, answer in answers.items() if answer.status in (200, 204)} == allowed
    assert {answer.status for name, answer in answers.items() if name not in allowed} <= {403}


def test_a_refusal_is_worded_as_google_does(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    worker = emulator.account("worker")
    put(emulator, "x")
    words = (
        f"{worker} does not have storage.objects.get access to the Google Cloud Storage object. Permission "
        "'storage.objects.get' denied on resource (or it may not exist)."
    )
    assert emulator.call("GET", item("x"), principal=worker).message == words
    assert get(emulator, "x", principal=worker).content.decode() == words
    assert get(emulator, "not-there", principal=worker).status == 403


@pytest.mark.parametrize("public", [False, True])
def test_the_nameless_get_what_is_public(emulator: Emulator, public: bool) -> None:
    make_bucket(emulator)
    put(emulator, "x")
    if public:
        binding = {"role": "roles/storage.objectViewer", "members": ["allUsers"]}
        policy = policy_of(emulator)
        emulator.ok("PUT", f"{BUCKETS}/{BUCKET}/iam", policy | {"bindings": [*policy["bindings"], binding]})
    assert get(emulator, "x", principal=None).status == (200 if public else 401)
    assert emulator.call("GET", f"{HOST}/{BUCKET}/x", principal=None).status == (200 if public else 403)
    assert put(emulator, "y", principal=None).status == 401
    emulator.ok("PATCH", f"{BUCKETS}/{BUCKET}", {"iamConfiguration": {"publicAccessPrevention": "enforced"}})
    assert get(emulator, "x", principal=None).status == 401


def test_what_one_may_can_be_asked(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    worker = put_role(emulator, "roles/storage.objectViewer")
    asked = "permissions=storage.objects.get&permissions=storage.objects.delete"
    answer = emulator.ok("GET", f"{BUCKETS}/{BUCKET}/iam/testPermissions?{asked}", principal=worker)
    assert answer["permissions"] == ["storage.objects.get"]


# -- contents ----------------------------------------------------------------------------------------------------

CONTENTS = [b"", b"x", b"content", bytes(range(256)) * 5000]
NAMES = ["plain", "a/b/c", "with space", "ünï/çødé", "100%", "a+b", "q?x=1#y", "~tilde", "..hidden", "a//b/"]


@pytest.mark.parametrize("content", CONTENTS, ids=len)
def test_what_is_uploaded_is_downloaded(emulator: Emulator, bucket: dict[str, t.Any], content: bytes) -> None:
    made = put(emulator, "x", content).json()
    assert made["size"] == str(len(content))
    assert (made["md5Hash"], made["crc32c"]) == (md5(content), crc32c(content))
    assert made["contentType"] == "text/plain"
    answer = get(emulator, "x")
    assert answer.content == content
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["x-goog-hash"] == f"crc32c={crc32c(content)},md5={md5(content)}"
    assert answer.headers["x-goog-generation"] == made["generation"]
    assert answer.headers["content-type"].startswith("text/plain")
    assert emulator.ok("GET", item("x")) == made


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_kept_as_it_is(emulator: Emulator, bucket: dict[str, t.Any], name: str) -> None:
    assert put(emulator, name).json()["name"] == name
    assert emulator.ok("GET", item(name))["id"].startswith(f"{BUCKET}/{name}/")
    assert get(emulator, name).content == b"content"
    assert emulator.call("GET", f"{HOST}/{BUCKET}/{quote(name)}").content == b"content"
    assert names(emulator.ok("GET", f"{BUCKETS}/{BUCKET}/o")) == [name]
    emulator.ok("DELETE", item(name))
    assert get(emulator, name).status == 404


@pytest.mark.parametrize("name", ["", ".", "..", "a\nb", "x" * 1025])
def test_a_name_that_cannot_be_is_refused(emulator: Emulator, bucket: dict[str, t.Any], name: str) -> None:
    assert put(emulator, name).status == 400


@pytest.mark.parametrize(
    ("header", "status", "content", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-30", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=5-2", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
def test_a_range_is_cut_out(
    emulator: Emulator,
    bucket: dict[str, t.Any],
    header: str,
    status: int,
    content: bytes | None,
    content_range: str | None,
) -> None:
    put(emulator, "x", b"0123456789")
    for url in (item("x", suffix="?alt=media"), f"{HOST}/{BUCKET}/x"):
        answer = emulator.call("GET", url, headers={"range": header})
        assert answer.status == status
        assert answer.headers.get("content-range") == content_range
        if content is not None:
            assert answer.content == content
            assert answer.headers["content-length"] == str(len(content))


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("content", [b"", b"content", b"\r\n--sep", b"--sep-- not yet\r\n", bytes(3_000_000)], ids=len)
def test_an_upload_in_two_parts_has_metadata(
    emulator: Emulator, bucket: dict[str, t.Any], content: bytes, newline: str
) -> None:
    metadata = '{"name": "a/b", "metadata": {"k": "v"}, "cacheControl": "no-store"}'
    head = ["--sep==", "content-type: application/json", "", metadata, "--sep==", "Content-Type: image/png", "", ""]
    body = newline.join(head).encode() + content + f"{newline}--sep==--{newline}".encode()
    answer = emulator.call(
        "POST",
        f"{UPLOAD}/{BUCKET}/o?uploadType=multipart",
        body,
        headers={"content-type": 'multipart/related; boundary="sep=="'},
    )
    made = answer.json()
    assert (made["name"], made["contentType"]) == ("a/b", "image/png")
    assert (made["metadata"], made["cacheControl"]) == ({"k": "v"}, "no-store")
    assert get(emulator, "a/b").content == content


def test_an_upload_whose_end_is_missing_leaves_nothing(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    body = b'--sep\r\n\r\n{"name": "x"}\r\n--sep\r\n\r\nhalf'
    url = f"{UPLOAD}/{BUCKET}/o?uploadType=multipart"
    answer = emulator.call("POST", url, body, headers={"content-type": "multipart/related; boundary=sep"})
    assert answer.status == 400
    assert get(emulator, "x").status == 404
    assert not list(emulator.cloud.objects.names())


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("kind", ["crc32c", "md5"])
def test_contents_that_do_not_match_their_checksum_are_refused(
    emulator: Emulator, bucket: dict[str, t.Any], kind: str, right: bool
) -> None:
    value = {"crc32c": crc32c, "md5": md5}[kind](b"content" if right else b"other")
    answer = put(emulator, "x", headers={"x-goog-hash": f"{kind}={value}"})
    assert answer.status == (200 if right else 400)
    if not right:
        assert "doesn't match calculated" in answer.message
        assert not list(emulator.cloud.objects.names())


def test_a_compressed_request_is_stored_plain(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    put(emulator, "x", gzip.compress(b"content"), headers={"content-encoding": "gzip"})
    assert get(emulator, "x").content == b"content"


@pytest.mark.parametrize(
    ("accepts", "cache", "plain"), [("gzip", "", False), ("", "", True), ("", "no-transform", False)]
)
def test_a_compressed_object_is_opened_for_who_cannot(
    emulator: Emulator, bucket: dict[str, t.Any], accepts: str, cache: str, plain: bool
) -> None:
    packed = gzip.compress(b"content")
    put(emulator, "x", packed, query={"contentEncoding": "gzip"})
    emulator.ok("PATCH", item("x"), {"cacheControl": cache})
    answer = get(emulator, "x", headers={"accept-encoding": accepts})
    assert answer.content == (b"content" if plain else packed)
    assert answer.headers.get("content-encoding") == (None if plain else "gzip")


# -- resumable uploads -------------------------------------------------------------------------------------------


def begin(emulator: Emulator, name: str = "x", **more: t.Any) -> str:
    query = "".join(f"&{key}={value}" for key, value in more.pop("query", {}).items())
    answer = emulator.call(
        "POST",
        f"{UPLOAD}/{BUCKET}/o?uploadType=resumable{query}",
        {"name": name, **more},
        headers={"x-upload-content-type": "text/plain"},
    )
    assert answer.status == 200, answer.content
    return answer.headers["location"]


def chunk(emulator: Emulator, url: str, content_range: str | None, content: bytes = b"", **headers: str) -> Answer:
    sent = {"content-range": content_range} if content_range else {}
    # The address of the upload is all that one needs: no credential goes with it.
    return emulator.call("PUT", url, content, headers=sent | headers, principal=None)


@pytest.mark.parametrize(
    ("size", "total"), [(0, True), (10, True), (QUANTUM, True), (2 * QUANTUM + 5, True), (2 * QUANTUM + 5, False)]
)
def test_a_resumable_upload_comes_in_chunks(
    emulator: Emulator, bucket: dict[str, t.Any], size: int, total: bool
) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    content = content[:size]
    url = begin(emulator)
    for start in range(0, max(size, 1), QUANTUM):
        piece = content[start : start + QUANTUM]
        last = start + len(piece) == size
        whole = str(size) if total or last else "*"
        span = f"{start}-{start + len(piece) - 1}" if piece else "*"
        answer = chunk(emulator, url, f"bytes {span}/{whole}", piece)
        assert answer.status == (200 if last else 308), answer.content
        if not last:
            assert answer.headers["range"] == f"bytes=0-{start + len(piece) - 1}"
            assert get(emulator, "x").status == 404
    assert answer.json()["md5Hash"] == md5(content)
    assert answer.json()["contentType"] == "text/plain"
    assert get(emulator, "x").content == content


def test_an_upload_of_unknown_size_can_be_ended_by_naming_it(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    url = begin(emulator)
    assert chunk(emulator, url, f"bytes 0-{QUANTUM - 1}/*", bytes(QUANTUM)).status == 308
    assert chunk(emulator, url, f"bytes */{QUANTUM}").status == 200


def test_a_resumable_upload_in_one_request_needs_no_range(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    assert chunk(emulator, begin(emulator), None, b"content").json()["size"] == "7"


def test_an_upload_tells_how_far_it_is_and_that_it_is_done(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    url = begin(emulator)
    empty = chunk(emulator, url, "bytes */*")
    assert empty.status == 308
    assert "range" not in empty.headers
    chunk(emulator, url, f"bytes 0-{QUANTUM - 1}/{QUANTUM + 1}", bytes(QUANTUM))
    assert chunk(emulator, url, f"bytes */{QUANTUM + 1}").headers["range"] == f"bytes=0-{QUANTUM - 1}"
    made = chunk(emulator, url, f"bytes {QUANTUM}-{QUANTUM}/{QUANTUM + 1}", b"x")
    assert chunk(emulator, url, "bytes */*").json() == made.json()


@pytest.mark.parametrize(
    ("content_range", "size", "status", "words"),
    [
        (f"bytes 0-9/{QUANTUM}", 10, 400, "equal or greater than 262144"),
        (f"bytes {QUANTUM}-{QUANTUM + 9}/{QUANTUM + 10}", 10, 503, "exceeds already uploaded size of 0"),
        ("bytes 0-9/10", 7, 400, "There were 7 byte(s) in the request body"),
        ("bytes nonsense", 1, 400, "Content-Range"),
    ],
)
def test_a_chunk_that_does_not_fit_is_refused(
    emulator: Emulator, bucket: dict[str, t.Any], content_range: str, size: int, status: int, words: str
) -> None:
    answer = chunk(emulator, begin(emulator), content_range, bytes(size))
    assert answer.status == status
    assert words in answer.message


def test_an_interrupted_upload_goes_on_after_a_restart(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    content = bytes(range(256)) * 4096
    url = begin(emulator)
    session = emulator.cloud.store.get("uploads", url.rpartition("=")[2])
    assert session is not None
    # A connection that broke amid a chunk leaves a piece that is no whole number of quanta.
    emulator.cloud.objects.append(session["blob"], 0, content[: QUANTUM + 1000])
    reborn = Storage(emulator.cloud)
    reborn.wake()
    emulator.front = Front(emulator.cloud, [reborn], emulator.front.apis)
    assert chunk(emulator, url, f"bytes */{len(content)}").headers["range"] == f"bytes=0-{QUANTUM - 1}"
    answer = chunk(emulator, url, f"bytes {QUANTUM}-{len(content) - 1}/{len(content)}", content[QUANTUM:])
    assert answer.json()["md5Hash"] == md5(content)


def test_a_resumable_upload_checks_the_checksum_of_the_last_chunk(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    url = begin(emulator)
    answer = chunk(emulator, url, "bytes 0-6/7", b"content", **{"x-goog-hash": f"crc32c={crc32c(b'other')}"})
    assert answer.status == 400
    assert chunk(emulator, url, "bytes */7").status == 404
    assert not list(emulator.cloud.objects.names())


def test_a_cancelled_upload_is_gone(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    url = begin(emulator)
    chunk(emulator, url, f"bytes 0-{QUANTUM - 1}/*", bytes(QUANTUM))
    assert emulator.call("DELETE", url, principal=None).status == 499
    assert chunk(emulator, url, "bytes */*").status == 499
    assert not list(emulator.cloud.objects.names())


def test_an_upload_that_nobody_finishes_is_forgotten(
    emulator: Emulator, bucket: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = begin(emulator)
    chunk(emulator, url, f"bytes 0-{QUANTUM - 1}/*", bytes(QUANTUM))
    Storage(emulator.cloud).wake()
    assert len(list(emulator.cloud.objects.names())) == 1
    later = common.now() + datetime.timedelta(days=8)
    monkeypatch.setattr(uploads, "now", lambda: later)
    Storage(emulator.cloud).wake()
    assert not list(emulator.cloud.objects.names())
    assert chunk(emulator, url, "bytes */*").status == 404


def test_contents_that_nothing_needs_are_removed_at_the_start(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    put(emulator, "x")
    emulator.cloud.objects.write("leftover", [b"of a crash"])
    Storage(emulator.cloud).wake()
    assert len(list(emulator.cloud.objects.names())) == 1
    assert get(emulator, "x").content == b"content"


# -- preconditions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["media", "resumable"])
def test_a_name_that_must_be_free_is_a_lock(emulator: Emulator, bucket: dict[str, t.Any], way: str) -> None:
    query = {"ifGenerationMatch": "0"}
    if way == "media":
        assert put(emulator, "lock", query=query).status == 200
        assert put(emulator, "lock", query=query).status == 412
        return
    first, second = (begin(emulator, "lock", query=query) for _number in range(2))
    assert chunk(emulator, first, None, b"one").status == 200
    answer = chunk(emulator, second, None, b"two")
    assert (answer.status, answer.reason) == (412, "conditionNotMet")
    assert get(emulator, "lock").content == b"one"


@pytest.mark.parametrize(
    ("verb", "parameter", "value", "status"),
    [
        ("GET", "ifGenerationMatch", "present", 200),
        ("GET", "ifGenerationMatch", "1", 412),
        ("GET", "ifGenerationNotMatch", "present", 304),
        ("GET", "ifMetagenerationNotMatch", "1", 304),
        ("PATCH", "ifMetagenerationMatch", "1", 200),
        ("PATCH", "ifMetagenerationMatch", "2", 412),
        ("PATCH", "ifGenerationNotMatch", "present", 412),
        ("DELETE", "ifGenerationMatch", "1", 412),
        ("DELETE", "ifGenerationMatch", "present", 204),
        ("GET", "generation", "1", 404),
        ("GET", "generation", "present", 200),
        ("GET", "generation", "many", 400),
    ],
)
def test_a_precondition_holds_or_the_request_does_nothing(
    emulator: Emulator, bucket: dict[str, t.Any], verb: str, parameter: str, value: str, status: int
) -> None:
    generation = put(emulator, "x").json()["generation"]
    url = item("x", suffix=f"?{parameter}={generation if value == 'present' else value}")
    answer = emulator.call(verb, url, {"metadata": {"a": "1"}} if verb == "PATCH" else None)
    assert answer.status == status
    after = emulator.call("GET", item("x"))
    assert after.status == (404 if (verb, status) == ("DELETE", 204) else 200)
    if after.status == 200:
        assert after.json()["metageneration"] == ("2" if (verb, status) == ("PATCH", 200) else "1")


@pytest.mark.parametrize(
    ("header", "same", "status"),
    [("if-match", True, 200), ("if-match", False, 412), ("if-none-match", True, 304), ("if-none-match", False, 200)],
)
def test_an_etag_is_compared(
    emulator: Emulator, bucket: dict[str, t.Any], header: str, same: bool, status: int
) -> None:
    etag = put(emulator, "x").json()["etag"]
    for url in (item("x"), item("x", suffix="?alt=media")):
        assert emulator.call("GET", url, headers={header: etag if same else "CAE="}).status == status


# -- metadata and copies -----------------------------------------------------------------------------------------


def test_metadata_is_merged_by_patch_and_replaced_by_update(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    put(emulator, "x")
    emulator.ok("PATCH", item("x"), {"metadata": {"a": "1", "b": "2"}, "cacheControl": "no-store"})
    patched = emulator.ok("PATCH", item("x"), {"metadata": {"a": None, "c": "3"}})
    assert (patched["metadata"], patched["cacheControl"]) == ({"b": "2", "c": "3"}, "no-store")
    assert (patched["metageneration"], patched["contentType"]) == ("3", "text/plain")
    updated = emulator.ok("PUT", item("x"), {"metadata": {"d": "4"}})
    assert updated["metadata"] == {"d": "4"}
    assert "contentType" not in updated
    assert updated["size"] == "7"


def test_what_a_client_may_not_set_stays(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    put(emulator, "x")
    assert emulator.ok("PATCH", item("x"), {"size": "1", "name": "y", "md5Hash": "abc"})["size"] == "7"


def test_an_access_list_is_refused_under_uniform_access(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    answer = put(emulator, "x", query={"predefinedAcl": "publicRead"})
    assert answer.status == 400
    assert "uniform bucket-level access is enabled" in answer.message


@pytest.mark.parametrize("body", [{}, {"contentType": "image/png", "metadata": {"z": "9"}}], ids=["as it is", "new"])
@pytest.mark.parametrize("verb", ["copyTo", "rewriteTo"])
def test_a_copy_has_contents_of_its_own(
    emulator: Emulator, bucket: dict[str, t.Any], verb: str, body: dict[str, t.Any]
) -> None:
    make_bucket(emulator, "other-bucket", storageClass="NEARLINE")
    put(emulator, "a/x")
    emulator.ok("PATCH", item("a/x"), {"metadata": {"a": "1"}})
    answer = emulator.ok("POST", item("a/x", suffix=f"/{verb}/b/other-bucket/o/{quote('b/y', safe='')}"), body)
    made = answer["resource"] if verb == "rewriteTo" else answer
    assert (made["bucket"], made["name"], made["storageClass"]) == ("other-bucket", "b/y", "NEARLINE")
    assert made["contentType"] == (body or {"contentType": "text/plain"})["contentType"]
    assert made["metadata"] == (body or {"metadata": {"a": "1"}})["metadata"]
    emulator.ok("DELETE", item("a/x"))
    assert emulator.call("GET", item("b/y", "other-bucket", "?alt=media")).content == b"content"
    if verb == "rewriteTo":
        assert answer["done"] is True
        assert answer["totalBytesRewritten"] == "7"


def test_objects_are_composed(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    generations = [put(emulator, name, name.encode()).json()["generation"] for name in ("one", "two")]
    sources = [{"name": "one"}, {"name": "two", "objectPreconditions": {"ifGenerationMatch": generations[1]}}]
    made = emulator.ok("POST", item("all", suffix="/compose"), {"sourceObjects": sources})
    assert made["componentCount"] == 2
    assert made["crc32c"] == crc32c(b"onetwo")
    assert "md5Hash" not in made
    assert get(emulator, "all").content == b"onetwo"
    more = {"sourceObjects": [{"name": "all"}, {"name": "one"}]}
    assert emulator.ok("POST", item("more", suffix="/compose"), more)["componentCount"] == 3


@pytest.mark.parametrize(
    ("sources", "status"),
    [
        ([], 400),
        ([{"name": "one"}] * 33, 400),
        ([{"name": "none"}], 404),
        ([{"name": "one", "objectPreconditions": {"ifGenerationMatch": "1"}}], 412),
    ],
)
def test_what_cannot_be_composed_is_refused(
    emulator: Emulator, bucket: dict[str, t.Any], sources: list[t.Any], status: int
) -> None:
    put(emulator, "one")
    assert emulator.call("POST", item("all", suffix="/compose"), {"sourceObjects": sources}).status == status


# -- lists -------------------------------------------------------------------------------------------------------

TREE = ["a", "a/", "a/1", "a/2", "a/b/3", "b", "b/4", "ä/5", "z"]


@pytest.mark.parametrize(
    ("query", "items", "prefixes"),
    [
        ("", [*TREE[:7], "z", "ä/5"], []),
        ("prefix=a/", ["a/", "a/1", "a/2", "a/b/3"], []),
        ("delimiter=/", ["a", "b", "z"], ["a/", "b/", "ä/"]),
        ("delimiter=/&prefix=a/", ["a/", "a/1", "a/2"], ["a/b/"]),
        ("delimiter=/&includeTrailingDelimiter=true", ["a", "a/", "b", "z"], ["a/", "b/", "ä/"]),
        ("startOffset=a/2&endOffset=b/4", ["a/2", "a/b/3", "b"], []),
        ("prefix=nothing", [], []),
        ("matchGlob=a/*", ["a/", "a/1", "a/2"], []),
        ("matchGlob=**/%5B34%5D", ["a/b/3", "b/4"], []),
        ("matchGlob=%7Bb,z%7D", ["b", "z"], []),
        ("matchGlob=a/%5B!1%5D", ["a/2"], []),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_a_list_is_what_matches_in_pages_of_any_size(
    emulator: Emulator, bucket: dict[str, t.Any], query: str, items: list[str], prefixes: list[str], limit: int
) -> None:
    for name in TREE:
        put(emulator, name)
    found_items: list[str] = []
    found_prefixes: list[str] = []
    token = ""
    while True:
        page = emulator.ok("GET", f"{BUCKETS}/{BUCKET}/o?{query}&maxResults={limit}&pageToken={token}")
        assert len(page.get("items", [])) + len(page.get("prefixes", [])) <= limit
        found_items += names(page)
        found_prefixes += page.get("prefixes", [])
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert (found_items, found_prefixes) == (items, prefixes)


def test_a_list_of_a_bucket_that_is_not_there_is_404(emulator: Emulator) -> None:
    answer = emulator.call("GET", f"{BUCKETS}/no-bucket/o")
    assert (answer.status, answer.message) == (404, "The specified bucket does not exist.")
    assert put(emulator, "x", bucket="no-bucket").status == 404
    assert emulator.call("GET", f"{BUCKETS}/{BUCKET}/o?pageToken=x").status == 404


@pytest.mark.parametrize("token", ["x", "NQ==", "W10="])
def test_a_page_token_of_ones_own_is_400(emulator: Emulator, bucket: dict[str, t.Any], token: str) -> None:
    assert emulator.call("GET", f"{BUCKETS}/{BUCKET}/o?pageToken={token}").status == 400


def test_a_bucket_has_no_managed_folders(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    worker = put_role(emulator, "roles/storage.admin")
    answer = emulator.ok("GET", f"{BUCKETS}/{BUCKET}/managedFolders", principal=worker)
    assert answer == {"kind": "storage#managedFolders"}


# -- generations -------------------------------------------------------------------------------------------------


def test_a_versioned_bucket_keeps_what_was_replaced_and_deleted(emulator: Emulator) -> None:
    make_bucket(emulator, versioning={"enabled": True}, softDeletePolicy={"retentionDurationSeconds": "0"})
    one, two = (put(emulator, "x", content).json()["generation"] for content in (b"one", b"two"))
    assert int(one) < int(two)
    emulator.ok("DELETE", item("x"))
    assert get(emulator, "x").status == 404
    assert names(emulator.ok("GET", f"{BUCKETS}/{BUCKET}/o")) == []
    versions = emulator.ok("GET", f"{BUCKETS}/{BUCKET}/o?versions=true")["items"]
    assert [version["generation"] for version in versions] == [one, two]
    assert all("timeDeleted" in version for version in versions)
    assert emulator.call("GET", item("x", suffix=f"?alt=media&generation={one}")).content == b"one"
    assert emulator.call("DELETE", f"{BUCKETS}/{BUCKET}").status == 409
    for generation in (one, two):
        emulator.ok("DELETE", item("x", suffix=f"?generation={generation}"))
    assert not list(emulator.cloud.objects.names())
    emulator.ok("DELETE", f"{BUCKETS}/{BUCKET}")


def test_versions_come_in_order_and_in_pages(emulator: Emulator) -> None:
    make_bucket(emulator, versioning={"enabled": True})
    made = [(name, put(emulator, name).json()["generation"]) for name in ("b", "a", "b", "a", "c")]
    found: list[tuple[str, str]] = []
    token = ""
    while True:
        page = emulator.ok("GET", f"{BUCKETS}/{BUCKET}/o?versions=true&maxResults=2&pageToken={token}")
        found += [(one["name"], one["generation"]) for one in page["items"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert found == sorted(made)


def test_what_was_deleted_can_be_restored_for_a_week(emulator: Emulator) -> None:
    make_bucket(emulator)
    made = put(emulator, "x").json()
    emulator.ok("DELETE", item("x"))
    assert emulator.call("GET", item("x")).status == 404
    deleted = emulator.ok("GET", f"{BUCKETS}/{BUCKET}/o?softDeleted=true")["items"]
    assert [(one["name"], one["generation"]) for one in deleted] == [("x", made["generation"])]
    kept = common.parse_stamp(deleted[0]["hardDeleteTime"]) - common.parse_stamp(deleted[0]["softDeleteTime"])
    assert round(kept.total_seconds()) == 604800
    Storage(emulator.cloud).wake()
    restored = emulator.ok("POST", item("x", suffix=f"/restore?generation={made['generation']}"), {})
    assert restored["generation"] != made["generation"]
    assert get(emulator, "x").content == b"content"
    emulator.ok("DELETE", item("x"))
    emulator.ok("DELETE", f"{BUCKETS}/{BUCKET}")
    assert not list(emulator.cloud.objects.names())


def test_without_soft_deletion_the_contents_go_at_once(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    put(emulator, "x")
    put(emulator, "x")
    assert len(list(emulator.cloud.objects.names())) == 1
    emulator.ok("DELETE", item("x"))
    assert not list(emulator.cloud.objects.names())


def test_a_hold_protects_an_object(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    put(emulator, "x")
    emulator.ok("PATCH", item("x"), {"temporaryHold": True})
    assert emulator.call("DELETE", item("x")).status == 403
    assert put(emulator, "x", b"other").status == 403
    assert get(emulator, "x").content == b"content"
    emulator.ok("PATCH", item("x"), {"temporaryHold": False})
    emulator.ok("DELETE", item("x"))


def test_a_retention_policy_protects_an_object_until_its_time(
    emulator: Emulator, bucket: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(emulator, "x")
    policy = emulator.ok("PATCH", f"{BUCKETS}/{BUCKET}", {"retentionPolicy": {"retentionPeriod": "3600"}})
    assert set(policy["retentionPolicy"]) == {"retentionPeriod", "effectiveTime"}
    refused = emulator.call("DELETE", item("x"))
    assert (refused.status, refused.reason) == (403, "retentionPolicyNotMet")
    assert put(emulator, "x").status == 403
    later = common.now() + datetime.timedelta(hours=2)
    monkeypatch.setattr(objects, "now", lambda: later)
    emulator.ok("DELETE", item("x"))


def test_a_locked_policy_only_grows(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    url = f"{BUCKETS}/{BUCKET}"

    def lock(metageneration: int) -> Answer:
        return emulator.call("POST", f"{url}/lockRetentionPolicy?ifMetagenerationMatch={metageneration}")

    assert "does not have an unlocked retention policy" in lock(1).message
    first = emulator.ok("PATCH", url, {"retentionPolicy": {"retentionPeriod": "60", "isLocked": True}})
    assert "isLocked" not in first["retentionPolicy"], "a patch cannot lock"
    assert emulator.call("POST", f"{url}/lockRetentionPolicy").status == 400, "the metageneration is required"
    assert (lock(1).status, lock(1).reason) == (412, "conditionNotMet")
    locked = lock(2).json()
    assert (locked["retentionPolicy"]["isLocked"], locked["metageneration"]) == (True, "3")
    again = lock(3)
    assert (again.status, again.message) == (400, f"Bucket '{BUCKET}' does not have an unlocked retention policy.")
    grown = emulator.ok("PATCH", url, {"retentionPolicy": {"retentionPeriod": "90"}})["retentionPolicy"]
    assert grown == {**first["retentionPolicy"], "retentionPeriod": "90", "isLocked": True}
    shorter = emulator.call("PATCH", url, {"retentionPolicy": {"retentionPeriod": "60"}})
    assert (shorter.status, shorter.reason) == (403, "forbidden")
    for verb, body in (("PATCH", {"retentionPolicy": None}), ("PUT", {"labels": {"a": "1"}})):
        removed = emulator.call(verb, url, body)
        assert (removed.status, removed.reason) == (403, "retentionPolicyNotMet")
    assert emulator.ok("PATCH", url, {"retentionPolicy": {}})["retentionPolicy"] == grown


def test_an_object_brings_its_folders(emulator: Emulator) -> None:
    make_bucket(emulator, **folders())
    put(emulator, "a/b/x")
    url = f"{BUCKETS}/{BUCKET}/folders"
    first = emulator.ok("GET", f"{url}?pageSize=1")
    assert names(first) == ["a/"]
    assert names(emulator.ok("GET", f"{url}?pageToken={first['nextPageToken']}")) == ["a/b/"]
    assert names(emulator.ok("GET", f"{url}?prefix=a/b")) == ["a/b/"]
    for name in ("a%2F", "a%2Fb%2F"):
        refused = emulator.call("DELETE", f"{url}/{name}")
        assert (refused.status, refused.message) == (409, "The folder you tried to delete is not empty.")
    emulator.ok("DELETE", item("a/b/x"))
    assert emulator.call("DELETE", f"{BUCKETS}/{BUCKET}").status == 409, "it has folders"
    assert emulator.call("DELETE", f"{url}/a%2Fb%2F?ifMetagenerationMatch=7").status == 412
    emulator.ok("DELETE", f"{url}/a%2Fb%2F")
    emulator.ok("DELETE", f"{url}/a%2F")
    assert emulator.call("GET", f"{url}/a%2F").status == 404
    emulator.ok("DELETE", f"{BUCKETS}/{BUCKET}")


@pytest.mark.parametrize(
    ("body", "query", "status", "words"),
    [
        ({"name": "new"}, "", 200, ""),
        ({"name": "a/b/"}, "", 200, ""),
        ({"name": "x/y/z/"}, "?recursive=true", 200, ""),
        ({"name": "x/y/"}, "", 409, "The parent folder does not exist"),
        ({"name": "a/"}, "", 409, "already exists"),
        ({"name": "a//b"}, "", 400, "not valid"),
        ({}, "", 400, "not valid"),
    ],
)
def test_a_folder_is_made_in_its_parent(
    emulator: Emulator, body: dict[str, t.Any], query: str, status: int, words: str
) -> None:
    make_bucket(emulator, **folders())
    url = f"{BUCKETS}/{BUCKET}/folders"
    emulator.ok("POST", url, {"name": "a/"})
    answer = emulator.call("POST", url + query, body)
    assert answer.status == status
    if words:
        assert words in answer.message
    else:
        made = answer.json()["name"]
        assert made.endswith("/")
        assert emulator.ok("GET", f"{url}/{quote(made, safe='')}") == answer.json()


def test_a_flat_bucket_has_no_folders(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    put(emulator, "a/x")
    for verb, body in (("GET", None), ("POST", {"name": "a/"})):
        refused = emulator.call(verb, f"{BUCKETS}/{BUCKET}/folders", body)
        assert (refused.status, "does not support hierarchical namespace" in refused.message) == (409, True)


def test_an_upload_may_ask_for_a_part_of_the_answer(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    assert put(emulator, "x", query={"fields": "name,size"}).json() == {"name": "x", "size": "7"}


def test_an_object_tells_how_long_it_must_be_kept(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    emulator.ok("PATCH", f"{BUCKETS}/{BUCKET}", {"retentionPolicy": {"retentionPeriod": "3600"}})
    made = put(emulator, "x").json()
    end = common.parse_stamp(made["timeCreated"]) + datetime.timedelta(hours=1)
    assert made["retentionExpirationTime"] == common.stamp(end)
    held = emulator.ok("PATCH", item("x"), {"eventBasedHold": True})
    assert "retentionExpirationTime" not in held, "its time begins when the hold is released"
    released = emulator.ok("PATCH", item("x"), {"eventBasedHold": False})
    assert released["retentionExpirationTime"] > made["retentionExpirationTime"]
    (listed,) = emulator.ok("GET", f"{BUCKETS}/{BUCKET}/o")["items"]
    assert listed == released
    emulator.ok("PATCH", f"{BUCKETS}/{BUCKET}", {"retentionPolicy": None})
    assert "retentionExpirationTime" not in emulator.ok("GET", item("x"))


def test_new_objects_are_held_if_the_bucket_says_so(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    emulator.ok("PATCH", f"{BUCKETS}/{BUCKET}", {"defaultEventBasedHold": True})
    assert put(emulator, "x").json()["eventBasedHold"] is True
    assert emulator.call("DELETE", item("x")).status == 403


def test_new_objects_tell_the_key_that_encrypts_them(emulator: Emulator) -> None:
    make_bucket(emulator, location="europe-west1", encryption={"defaultKmsKeyName": KEY})
    assert put(emulator, "x").json()["kmsKeyName"] == f"{KEY}/cryptoKeyVersions/1"
    emulator.ok("PATCH", f"{BUCKETS}/{BUCKET}", {"encryption": {"defaultKmsKeyName": None}})
    assert "kmsKeyName" not in put(emulator, "y").json()


def test_autoclass_tells_when_it_was_switched(emulator: Emulator) -> None:
    make_bucket(emulator)
    url = f"{BUCKETS}/{BUCKET}"
    first = emulator.ok("PATCH", url, {"autoclass": {"enabled": True}})["autoclass"]
    assert first["terminalStorageClass"] == "NEARLINE"
    second = emulator.ok("PATCH", url, {"autoclass": {"terminalStorageClass": "ARCHIVE"}})["autoclass"]
    assert (second["enabled"], second["toggleTime"]) == (True, first["toggleTime"])
    off = emulator.ok("PATCH", url, {"autoclass": {"enabled": False}})["autoclass"]
    assert (off["enabled"], "terminalStorageClass" in off) == (False, False)


def test_who_uses_a_bucket_whose_requesters_pay_names_a_project(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    put(emulator, "x")
    emulator.ok("PATCH", f"{BUCKETS}/{BUCKET}", {"billing": {"requesterPays": True}})
    worker = put_role(emulator, "roles/storage.admin")
    payer = put_role(emulator, "roles/storage.admin", "payer")
    consumer = "roles/serviceusage.serviceUsageConsumer"
    policies.grant(emulator.cloud.store, f"projects/{PROJECT}", consumer, f"serviceAccount:{payer}")
    for url in (f"{BUCKETS}/{BUCKET}", item("x"), f"{HOST}/{BUCKET}/x", item("x", suffix="?alt=media")):
        assert emulator.call("GET", url).status == 200, "the owner of the bucket's project pays for it"
        refused = emulator.call("GET", url, principal=worker)
        assert refused.status == 400
        assert b"Bucket is a requester pays bucket but no user project provided." in refused.content
        named = f"{url}{'&' if '?' in url else '?'}userProject={PROJECT}"
        assert emulator.call("GET", named, principal=worker).status == 403, "it may not charge the project"
        assert emulator.call("GET", named, principal=payer).status == 200
    parts = f"--b\r\nContent-ID: <0>\r\n\r\nGET /storage/v1/b/{BUCKET}/o/x HTTP/1.1\r\n\r\n\r\n--b--"
    headers = {"content-type": "multipart/mixed; boundary=b"}
    batch = emulator.call("POST", f"{HOST}/batch/storage/v1", parts.encode(), headers=headers, principal=worker)
    assert b"HTTP/1.1 400" in batch.content


@pytest.mark.parametrize(
    ("verb", "url", "body"),
    [
        ("POST", f"{BUCKETS}?project={PROJECT}&enableObjectRetention=true", {"name": "other"}),
        ("GET", f"{BUCKETS}/{BUCKET}?softDeleted=true&generation=1", None),
        ("GET", f"{BUCKETS}?project={PROJECT}&softDeleted=true", None),
        ("GET", f"{BUCKETS}/{BUCKET}/o?filter=contexts.a%3D1", None),
        ("PATCH", f"{BUCKETS}/{BUCKET}", {"ipFilter": {"mode": "Enabled"}}),
    ],
)
def test_what_would_have_no_effect_is_refused(
    emulator: Emulator, bucket: dict[str, t.Any], verb: str, url: str, body: dict[str, t.Any] | None
) -> None:
    assert emulator.call(verb, url, body).status == 501


@pytest.mark.parametrize(
    ("action", "condition", "words"),
    [
        (DELETE, {}, "must have a condition"),
        (DELETE, {"matchesPrefix": []}, "must have a condition"),
        (DELETE, {"age": -1}, "greater than or equal to 0, but was -1"),
        (DELETE, {"createdBefore": "2026-02-30"}, 'Invalid format: "2026-02-30"'),
        (DELETE, {"matchesPrefix": [""]}, "empty or longer than 1024"),
        (DELETE, {"matchesSuffix": ["x"] * 1001}, "more than 1000"),
        (DELETE, {"matchesStorageClass": ["COLD"]}, 'Invalid storage class "COLD"'),
        (DELETE, {"matchesPattern": "x"}, "MatchesPattern is not available for this project"),
        (DELETE, {"sizeAboveBytes": str(1 << 60)}, "5 TiB"),
        ({"type": "Delete", "storageClass": "NEARLINE"}, {"age": 1}, "only be specified for SET_STORAGE_CLASS"),
        ({"type": "SetStorageClass"}, {"age": 1}, "must specify the destination storage class"),
        ({"type": "SetStorageClass", "storageClass": "COLD"}, {"age": 1}, "Unknown storage class 'COLD'"),
        ({"type": "Archive"}, {"age": 1}, "Archive is not a valid value"),
        ({"type": "AbortIncompleteMultipartUpload"}, {"age": 1, "isLive": True}, "the only ones allowed"),
    ],
)
def test_a_lifecycle_rule_that_cannot_be_is_refused(
    emulator: Emulator, action: dict[str, t.Any], condition: dict[str, t.Any], words: str
) -> None:
    make_bucket(emulator)
    answer = emulator.call("PATCH", f"{BUCKETS}/{BUCKET}", lifecycle(action, **condition))
    assert (answer.status, answer.reason) == (400, "invalid")
    assert words in answer.message


def test_a_lifecycle_rule_is_told_as_google_keeps_it(emulator: Emulator) -> None:
    made = make_bucket(emulator, **lifecycle(COLDER, age=1, sizeAboveBytes="7", matchesStorageClass=["standard"]))
    (rule,) = made["lifecycle"]["rule"]
    assert rule == {
        "action": {"type": "SetStorageClass", "storageClass": "COLDLINE"},
        "condition": {"age": 1, "sizeAboveBytes": "7", "matchesStorageClass": ["STANDARD"]},
    }


def test_an_empty_patch_changes_nothing(emulator: Emulator) -> None:
    made = make_bucket(emulator)
    assert emulator.ok("PATCH", f"{BUCKETS}/{BUCKET}", {}) == made


# -- the XML API -------------------------------------------------------------------------------------------------

STYLES = [f"{HOST}/{BUCKET}", f"https://{BUCKET}.storage.googleapis.com"]


@pytest.mark.parametrize("base", STYLES, ids=["path", "host"])
def test_an_object_lives_through_the_xml_api(emulator: Emulator, bucket: dict[str, t.Any], base: str) -> None:
    headers = {"content-type": "text/plain", "x-goog-meta-colour": "red", "x-goog-hash": f"md5={md5(b'content')}"}
    made = emulator.call("PUT", f"{base}/a/b%20c", b"content", headers=headers)
    assert made.status == 200
    assert made.headers["etag"] == f'"{hashlib.md5(b"content", usedforsecurity=False).hexdigest()}"'
    head = emulator.call("HEAD", f"{base}/a/b%20c")
    assert (head.content, head.headers["content-length"]) == (b"", "7")
    assert head.headers["x-goog-meta-colour"] == "red"
    assert emulator.ok("GET", item("a/b c"))["metadata"] == {"colour": "red"}
    assert (
        emulator.call("GET", f"{base}/a/b%20c?response-content-type=image/png").headers["content-type"] == "image/png"
    )
    assert emulator.call("DELETE", f"{base}/a/b%20c").status == 204
    gone = emulator.call("GET", f"{base}/a/b%20c")
    assert gone.status == 404
    assert b"<Code>NoSuchKey</Code>" in gone.content


@pytest.mark.parametrize(
    ("verb", "path", "headers", "status", "code"),
    [
        ("GET", "/no-bucket/x", {}, 404, "NoSuchBucket"),
        ("GET", f"/{BUCKET}/x", {"range": "bytes=99-"}, 416, "InvalidRange"),
        ("PUT", f"/{BUCKET}/x", {"x-goog-if-generation-match": "0"}, 412, "PreconditionFailed"),
        ("PUT", f"/{BUCKET}/x", {"content-md5": md5(b"other")}, 400, "InvalidArgument"),
        ("GET", f"/{BUCKET}", {}, 501, "NotImplemented"),
        ("PUT", f"/{BUCKET}/x?uploadId=no&partNumber=1", {}, 404, "NoSuchUpload"),
    ],
)
def test_an_error_of_the_xml_api_has_a_code(
    emulator: Emulator, bucket: dict[str, t.Any], verb: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    put(emulator, "x")
    answer = emulator.call(verb, f"{HOST}{path}", headers=headers)
    assert answer.status == status
    assert f"<Code>{code}</Code>".encode() in answer.content


def field(answer: Answer, name: str) -> str:
    return answer.content.decode().split(f"<{name}>")[1].split(f"</{name}>")[0]


def complete(parts: dict[int, str]) -> bytes:
    rows = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts.items()
    )
    return f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()


def test_parts_make_an_object(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    url = f"{HOST}/{BUCKET}/a/big"
    upload = field(emulator.call("POST", f"{url}?uploads", headers={"content-type": "image/png"}), "UploadId")
    etags = {}
    for number, content in ((2, b"two"), (1, b"old"), (1, b"one")):
        answer = emulator.call("PUT", f"{url}?partNumber={number}&uploadId={upload}", content)
        assert answer.headers["x-goog-hash"] == f"crc32c={crc32c(content)},md5={md5(content)}"
        etags[number] = answer.headers["etag"]
    assert field(emulator.call("GET", f"{url}?uploadId={upload}"), "PartNumber") == "1"
    assert get(emulator, "a/big").status == 404
    Storage(emulator.cloud).wake()
    done = emulator.call("POST", f"{url}?uploadId={upload}", complete(dict(sorted(etags.items()))))
    assert done.status == 200
    assert get(emulator, "a/big").content == b"onetwo"
    assert emulator.ok("GET", item("a/big"))["contentType"] == "image/png"
    assert len(list(emulator.cloud.objects.names())) == 1
    assert emulator.call("POST", f"{url}?uploadId={upload}", complete(etags)).status == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (complete({1: '"wrong"'}), "InvalidPart"),
        (complete({7: '"f97c5d29941bfb1b2fdab0874906ab82"'}), "InvalidPart"),
        (complete({}), "InvalidPartOrder"),
        (b"<nonsense", "MalformedXml"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a/>', "MalformedXml"),
    ],
)
def test_parts_that_are_not_there_make_no_object(
    emulator: Emulator, bucket: dict[str, t.Any], body: bytes, code: str
) -> None:
    url = f"{HOST}/{BUCKET}/big"
    upload = field(emulator.call("POST", f"{url}?uploads"), "UploadId")
    emulator.call("PUT", f"{url}?partNumber=1&uploadId={upload}", b"one")
    answer = emulator.call("POST", f"{url}?uploadId={upload}", body)
    assert answer.status == 400
    assert field(answer, "Code") == code
    assert emulator.call("DELETE", f"{url}?uploadId={upload}").status == 204
    assert not list(emulator.cloud.objects.names())


# -- signed URLs -------------------------------------------------------------------------------------------------


class Signer:
    """A service account whose key signs URLs, as the documentation of V4 signatures says."""

    def __init__(self, emulator: Emulator, role: str | None) -> None:
        self.email = put_role(emulator, role, "signer") if role else emulator.account("signer")
        account = emulator.cloud.store.get("serviceAccounts", self.email)
        assert account is not None
        _key, pem = accounts.create_key(emulator.cloud.store, account)
        key = serialization.load_pem_private_key(pem.encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self.key = key

    def url(self, verb: str, path: str, age: int = 0, seconds: int = 60, **query: str) -> str:
        moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=age)
        stamp, scope = moment.strftime("%Y%m%dT%H%M%SZ"), f"{moment:%Y%m%d}/auto/storage/goog4_request"
        fields = {
            "X-Goog-Algorithm": "GOOG4-RSA-SHA256",
            "X-Goog-Credential": f"{self.email}/{scope}",
            "X-Goog-Date": stamp,
            "X-Goog-Expires": str(seconds),
            "X-Goog-SignedHeaders": "host",
            **query,
        }
        text = "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in sorted(fields.items()))
        request = f"{verb}\n{path}\n{text}\nhost:storage.googleapis.com\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(request.encode()).hexdigest()
        to_sign = f"GOOG4-RSA-SHA256\n{stamp}\n{scope}\n{digest}"
        signature = self.key.sign(to_sign.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{HOST}{path}?{text}&X-Goog-Signature={binascii.hexlify(signature).decode()}"


def test_a_signed_url_carries_the_signers_permission(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    signer = Signer(emulator, "roles/storage.objectUser")
    path = f"/{BUCKET}/a/b%20c"
    assert emulator.call("PUT", signer.url("PUT", path), b"content", principal=None).status == 200
    assert emulator.call("GET", signer.url("GET", path), principal=None).content == b"content"


@pytest.mark.parametrize(
    ("role", "change", "status", "code"),
    [
        ("roles/storage.objectViewer", lambda _signer, url: url, 200, None),
        (None, lambda _signer, url: url, 403, "AccessDenied"),
        ("roles/storage.objectViewer", lambda _signer, url: url.replace("/x?", "/y?"), 403, "SignatureDoesNotMatch"),
        (
            "roles/storage.objectViewer",
            lambda _signer, url: url.replace("Expires=60", "Expires=61"),
            403,
            "SignatureDoesNotMatch",
        ),
        ("roles/storage.objectViewer", lambda _signer, url: url[:-2] + "zz", 400, "InvalidArgument"),
        (
            "roles/storage.objectViewer",
            lambda signer, url: signer.url("GET", urlsplit(url).path, age=120),
            400,
            "ExpiredToken",
        ),
        (
            "roles/storage.objectViewer",
            lambda signer, url: signer.url("GET", urlsplit(url).path, seconds=604801),
            400,
            "InvalidArgument",
        ),
        (
            "roles/storage.objectViewer",
            lambda signer, url: signer.url("PUT", urlsplit(url).path),
            403,
            "SignatureDoesNotMatch",
        ),
    ],
    ids=["good", "no role", "other object", "other time", "no number", "too old", "too long", "other verb"],
)
def test_a_signed_url_is_verified(
    emulator: Emulator,
    bucket: dict[str, t.Any],
    role: str | None,
    change: t.Callable[[Signer, str], str],
    status: int,
    code: str | None,
) -> None:
    signer = Signer(emulator, role)
    put(emulator, "x")
    answer = emulator.call("GET", change(signer, signer.url("GET", f"/{BUCKET}/x")), principal=None)
    assert answer.status == status, answer.content
    if code:
        assert field(answer, "Code") == code


def test_a_url_signed_with_a_deleted_key_is_refused(emulator: Emulator, bucket: dict[str, t.Any]) -> None:
    signer = Signer(emulator, "roles/storage.objectViewer")
    url = signer.url("GET", f"/{BUCKET}/x")
    put(emulator, "x")
    for key, _document in list(emulator.cloud.store.items("serviceAccountKeys", signer.email)):
        emulator.cloud.store.delete("serviceAccountKeys", key)
    assert emulator.call("GET", url, principal=None).status == 403


def test_the_account_of_storage_itself_is_told_to_who_sees_the_project(emulator: Emulator) -> None:
    url = f"https://storage.googleapis.com/storage/v1/projects/{PROJECT}/serviceAccount"
    assert emulator.ok("GET", url)["email_address"].endswith("@gs-project-accounts.iam.gserviceaccount.com")
    assert emulator.call("GET", url, principal=emulator.account("nobody")).status == 403
