# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secret Manager, as it goes over the wire."""

from __future__ import annotations

import base64
import datetime
import logging
import typing as t

import google_crc32c
import pytest
from gcp_emulator.services import secretmanager

if t.TYPE_CHECKING:
    from harness import Answer, Emulator

API = "https://secretmanager.googleapis.com/v1"
PROJECT = f"{API}/projects/test-project"
SECRET = f"{PROJECT}/secrets/s"
AUTOMATIC: dict[str, t.Any] = {"replication": {"automatic": {}}}


KEY = "projects/p/locations/us-east1/keyRings/r/cryptoKeys/k"


def replicas(*locations: str) -> dict[str, t.Any]:
    return {"replicas": [{"location": location} for location in locations]}


def encryption(key: str) -> dict[str, t.Any]:
    return {"customerManagedEncryption": {"kmsKeyName": key}}


def make(emulator: Emulator, name: str = "s", **more: t.Any) -> dict[str, t.Any]:
    return emulator.ok("POST", f"{PROJECT}/secrets?secretId={name}", AUTOMATIC | more)


def add(emulator: Emulator, value: bytes, secret: str = SECRET, **payload: str) -> Answer:
    data = base64.b64encode(value).decode()
    return emulator.call("POST", f"{secret}:addVersion", {"payload": {"data": data, **payload}})


def numbers(answer: dict[str, t.Any], kind: str = "versions") -> list[str]:
    return [found["name"].rpartition("/")[2] for found in answer.get(kind, [])]


@pytest.fixture
def secret(emulator: Emulator) -> dict[str, t.Any]:
    return make(emulator)


def test_a_secret_is_named_with_the_number_of_its_project(emulator: Emulator) -> None:
    made = make(emulator, labels={"team": "a"})
    project = emulator.cloud.store.get("projects", "test-project")
    assert project is not None
    assert made["name"] == f"projects/{project['projectNumber']}/secrets/s"
    assert made["labels"] == {"team": "a"}
    assert emulator.ok("GET", SECRET) == made
    assert emulator.ok("GET", f"{API}/{made['name']}") == made


@pytest.mark.parametrize(
    ("name", "body", "status", "words"),
    [
        ("a.b", AUTOMATIC, 400, "Secret ID [a.b]"),
        ("x" * 256, AUTOMATIC, 400, "Secret ID"),
        ("new", {}, 400, "replication"),
        ("new", AUTOMATIC | {"labels": {"Upper": "x"}}, 400, "label"),
        ("new", AUTOMATIC | {"labels": {f"l{n}": "" for n in range(65)}}, 400, "at most 64 labels"),
        ("new", AUTOMATIC | {"annotations": {"-a": "x"}}, 400, "annotation key [-a]"),
        ("new", AUTOMATIC | {"annotations": {"a": "x" * 16384}}, 400, "16 KiB"),
        ("new", AUTOMATIC | {"versionDestroyTtl": "60s"}, 400, "between 1 day and 1000 days"),
        ("new", AUTOMATIC | {"versionAliases": {"a": "1"}}, 400, "aliases"),
        ("new", {"replication": {"automatic": {}, "userManaged": replicas("us-east1")}}, 400, "replication"),
        ("new", {"replication": {"userManaged": replicas()}}, 400, "different locations"),
        ("new", {"replication": {"userManaged": replicas("us-east1", "us-east1")}}, 400, "different locations"),
        ("new", {"replication": {"userManaged": replicas("moon")}}, 400, "Invalid location: [moon]"),
        ("new", {"replication": {"automatic": encryption("k")}}, 400, "must be a key in the location [global]"),
        ("new", {"replication": {"automatic": encryption(KEY)}}, 400, "must be a key in the location [global]"),
        ("new", AUTOMATIC | {"ttl": "60s"}, 501, "ttl"),
        ("new", AUTOMATIC | {"secretType": "OTHER"}, 501, "secretType"),
        ("s", AUTOMATIC, 409, "already exists"),
    ],
)
def test_a_secret_that_cannot_be_is_refused(
    emulator: Emulator, secret: dict[str, t.Any], name: str, body: dict[str, t.Any], status: int, words: str
) -> None:
    answer = emulator.call("POST", f"{PROJECT}/secrets?secretId={name}", body)
    assert answer.status == status
    assert words in answer.message


@pytest.mark.parametrize("value", [b"p@:/%# word", b"x", bytes(range(256)), b"x" * 65536], ids=len)
def test_a_value_is_kept_as_it_is(emulator: Emulator, secret: dict[str, t.Any], value: bytes) -> None:
    made = add(emulator, value).json()
    assert made["name"] == f"{secret['name']}/versions/1"
    assert made["state"] == "ENABLED"
    assert not [field for field in made if "data" in field.lower()]
    for version in ("1", "latest"):
        answer = emulator.ok("GET", f"{SECRET}/versions/{version}:access")
        assert answer["name"] == made["name"]
        assert base64.b64decode(answer["payload"]["data"]) == value
        assert answer["payload"]["dataCrc32c"] == str(google_crc32c.value(value))


def test_base64_for_addresses_is_understood(emulator: Emulator, secret: dict[str, t.Any]) -> None:
    emulator.ok("POST", f"{SECRET}:addVersion", {"payload": {"data": "-_8"}})
    assert emulator.ok("GET", f"{SECRET}/versions/1:access")["payload"]["data"] == "+/8="


@pytest.mark.parametrize("right", [True, False])
def test_a_checksum_is_compared(emulator: Emulator, secret: dict[str, t.Any], right: bool) -> None:
    answer = add(emulator, b"value", dataCrc32c=str(google_crc32c.value(b"value") + (0 if right else 1)))
    assert answer.status == (200 if right else 400)
    if right:
        assert answer.json()["clientSpecifiedPayloadChecksum"] is True
    assert numbers(emulator.ok("GET", f"{SECRET}/versions")) == (["1"] if right else [])


@pytest.mark.parametrize(("value", "words"), [(b"x" * 65537, "larger than"), (b"", "cannot be empty")], ids=["", "0"])
def test_a_value_of_a_wrong_size_is_refused(
    emulator: Emulator, secret: dict[str, t.Any], value: bytes, words: str
) -> None:
    answer = add(emulator, value)
    assert (answer.status, words in answer.message) == (400, True)


def test_versions_are_numbered_and_the_newest_is_first(emulator: Emulator, secret: dict[str, t.Any]) -> None:
    for number in range(11):
        add(emulator, b"value %d" % number)
    first = emulator.ok("GET", f"{SECRET}/versions?pageSize=2")
    assert (numbers(first), first["totalSize"]) == (["11", "10"], 11)
    token = first["nextPageToken"]
    assert numbers(emulator.ok("GET", f"{SECRET}/versions?pageSize=2&pageToken={token}")) == ["9", "8"]
    assert emulator.ok("GET", f"{SECRET}/versions/latest")["name"].endswith("/11")


@pytest.mark.parametrize(
    ("verb", "state", "status"),
    [("enable", "ENABLED", 200), ("disable", "DISABLED", 400), ("destroy", "DESTROYED", 400)],
)
def test_only_an_enabled_version_is_read(
    emulator: Emulator, secret: dict[str, t.Any], verb: str, state: str, status: int
) -> None:
    add(emulator, b"value")
    moved = emulator.ok("POST", f"{SECRET}/versions/1:{verb}", {})
    assert moved["state"] == state
    assert ("destroyTime" in moved) == (state == "DESTROYED")
    answer = emulator.call("GET", f"{SECRET}/versions/latest:access")
    assert answer.status == status
    if status == 400:
        assert answer.json()["error"]["status"] == "FAILED_PRECONDITION"
        assert f"is in {state} state" in answer.message
    found = emulator.ok("GET", f"{SECRET}/versions?filter=state:{state}")
    assert numbers(found) == ["1"]


def test_what_is_destroyed_is_gone_for_good(emulator: Emulator, secret: dict[str, t.Any]) -> None:
    add(emulator, b"value")
    emulator.ok("POST", f"{SECRET}/versions/1:destroy", {})
    assert emulator.call("POST", f"{SECRET}/versions/1:enable", {}).status == 400
    stored = dict(emulator.cloud.store.items("secretVersions"))
    assert base64.b64encode(b"value").decode() not in str(stored)


def test_the_latest_is_the_newest_even_if_it_is_disabled(emulator: Emulator, secret: dict[str, t.Any]) -> None:
    add(emulator, b"one")
    add(emulator, b"two")
    emulator.ok("POST", f"{SECRET}/versions/2:disable", {})
    assert emulator.call("GET", f"{SECRET}/versions/latest:access").status == 400
    assert emulator.ok("GET", f"{SECRET}/versions/1:access")["payload"]["data"] == base64.b64encode(b"one").decode()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"{PROJECT}/secrets/none", "Secret [projects/{number}/secrets/none] not found."),
        (f"{PROJECT}/secrets/none/versions/latest:access", "Secret [projects/{number}/secrets/none] not found."),
        (f"{SECRET}/versions/7", "Secret Version [projects/{number}/secrets/s/versions/7] not found."),
        (f"{SECRET}/versions/latest:access", "Secret Version [projects/{number}/secrets/s/versions/latest] not found."),
    ],
)
def test_what_is_not_there_is_404(emulator: Emulator, secret: dict[str, t.Any], url: str, words: str) -> None:
    answer = emulator.call("GET", url)
    assert answer.status == 404
    assert answer.json()["error"]["status"] == "NOT_FOUND"
    assert answer.message == words.format(number=secret["name"].split("/")[1])


def test_a_patch_changes_what_the_mask_names(emulator: Emulator) -> None:
    made = make(emulator, labels={"a": "1"}, annotations={"x": "y"})
    body = {"labels": {"b": "2"}, "annotations": {"z": "z"}}
    changed = emulator.ok("PATCH", f"{SECRET}?updateMask=labels", body)
    assert (changed["labels"], changed["annotations"]) == ({"b": "2"}, {"x": "y"})
    assert changed["etag"] != made["etag"]
    emptied = emulator.ok("PATCH", f"{SECRET}?updateMask=labels", {"labels": {}})
    assert "labels" not in emptied


@pytest.mark.parametrize("mask", ["", "createTime", "name"])
def test_a_mask_that_names_nothing_that_can_change_is_refused(
    emulator: Emulator, secret: dict[str, t.Any], mask: str
) -> None:
    assert emulator.call("PATCH", f"{SECRET}?updateMask={mask}", AUTOMATIC).status == 400


def test_of_a_replication_the_keys_alone_can_change(emulator: Emulator) -> None:
    placed = replicas("us-east1", "us-west1")
    make(emulator, replication={"userManaged": placed})
    with_key = {"replicas": [{"location": "us-west1"}, {"location": "us-east1", **encryption(KEY)}]}
    changed = emulator.ok("PATCH", f"{SECRET}?updateMask=replication", {"replication": {"userManaged": with_key}})
    assert changed["replication"] == {"userManaged": with_key}
    status = add(emulator, b"value").json()["replicationStatus"]["userManaged"]["replicas"]
    assert [one.get("customerManagedEncryption") for one in status] == [
        None,
        {"kmsKeyVersionName": f"{KEY}/cryptoKeyVersions/1"},
    ]
    others: list[dict[str, t.Any]] = [{"automatic": {}}, {"userManaged": replicas("us-east1")}]
    for other in others:
        refused = emulator.call("PATCH", f"{SECRET}?updateMask=replication", {"replication": other})
        assert refused.status == 400
        assert "immutable" in refused.message


def test_a_destruction_that_is_put_off_can_be_taken_back(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    make(emulator, versionDestroyTtl="86400s")
    add(emulator, b"value")
    url = f"{SECRET}/versions/1"
    moved = emulator.ok("POST", f"{url}:destroy", {})
    assert (moved["state"], "destroyTime" in moved) == ("DISABLED", False)
    assert moved["scheduledDestroyTime"] > moved["createTime"]
    assert emulator.ok("POST", f"{url}:destroy", {})["scheduledDestroyTime"] == moved["scheduledDestroyTime"]
    assert "scheduledDestroyTime" not in emulator.ok("POST", f"{url}:enable", {})
    assert emulator.call("GET", f"{url}:access").status == 200
    emulator.ok("POST", f"{url}:destroy", {})
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=2)
    monkeypatch.setattr(secretmanager, "_now", lambda: later)
    gone = emulator.ok("GET", url)
    assert (gone["state"], "scheduledDestroyTime" in gone) == ("DESTROYED", False)
    assert numbers(emulator.ok("GET", f"{SECRET}/versions?filter=state:DESTROYED")) == ["1"]
    assert emulator.call("POST", f"{url}:enable", {}).status == 400
    for service in emulator.services:
        if service.api == "secretmanager":
            service.wake()
    assert base64.b64encode(b"value").decode() not in str(dict(emulator.cloud.store.items("secretVersions")))


def test_a_setting_without_an_effect_is_refused(emulator: Emulator, secret: dict[str, t.Any]) -> None:
    answer = emulator.call("PATCH", f"{SECRET}?updateMask=expire_time", {"expireTime": "2050-01-01T00:00:00Z"})
    assert (answer.status, answer.json()["error"]["status"]) == (501, "UNIMPLEMENTED")


def test_an_alias_stands_for_a_version(emulator: Emulator, secret: dict[str, t.Any]) -> None:
    add(emulator, b"one")
    add(emulator, b"two")
    emulator.ok("PATCH", f"{SECRET}?updateMask=versionAliases", {"versionAliases": {"old": "1"}})
    assert emulator.ok("GET", f"{SECRET}/versions/old:access")["payload"]["data"] == base64.b64encode(b"one").decode()
    wrong = emulator.call("PATCH", f"{SECRET}?updateMask=versionAliases", {"versionAliases": {"old": "9"}})
    assert wrong.status == 400


@pytest.mark.parametrize(
    ("verb", "url", "body"),
    [
        ("PATCH", f"{SECRET}?updateMask=labels", {"labels": {}, "etag": '"stale"'}),
        ("DELETE", f"{SECRET}?etag=%22stale%22", None),
        ("POST", f"{SECRET}/versions/1:disable", {"etag": '"stale"'}),
    ],
)
def test_a_stale_etag_is_refused(
    emulator: Emulator, secret: dict[str, t.Any], verb: str, url: str, body: dict[str, t.Any] | None
) -> None:
    add(emulator, b"value")
    answer = emulator.call(verb, url, body)
    assert (answer.status, answer.json()["error"]["status"]) == (400, "FAILED_PRECONDITION")


def test_deleting_a_secret_removes_its_versions_and_its_policy(emulator: Emulator, secret: dict[str, t.Any]) -> None:
    add(emulator, b"value")
    emulator.ok("POST", f"{SECRET}:setIamPolicy", {"policy": {"bindings": []}})
    emulator.ok("DELETE", SECRET)
    for kind in ("secrets", "secretVersions"):
        assert not list(emulator.cloud.store.items(kind))
    assert emulator.cloud.store.get("policies", "projects/test-project/secrets/s") is None
    make(emulator)
    assert add(emulator, b"new").json()["name"].endswith("/versions/1")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["c", "b", "a"]),
        ("?filter=name:b", ["b"]),
        ("?filter=labels.env%3Dprod", ["a"]),
        ("?filter=labels.env%3Dprod%20AND%20name:c", []),
    ],
)
def test_secrets_are_listed_and_filtered(emulator: Emulator, query: str, expected: list[str]) -> None:
    for name in ("a", "b", "c"):
        make(emulator, name, **({"labels": {"env": "prod"}} if name == "a" else {}))
    assert numbers(emulator.ok("GET", f"{PROJECT}/secrets{query}"), "secrets") == expected


@pytest.mark.parametrize(
    ("expression", "status"),
    [
        ("name:b%20OR%20name:c", 501),
        ("NOT%20name:b", 501),
        ("-name:b", 501),
        ("(name:b)", 501),
        ("create_time%3E2026-01-01", 501),
        ("name", 400),
        ("name:my-b", 200),
        ("labels.env%3D%22a%20OR%20b%22", 200),
    ],
)
def test_a_filter_that_is_not_understood_is_refused(
    emulator: Emulator, secret: dict[str, t.Any], expression: str, status: int
) -> None:
    assert emulator.call("GET", f"{PROJECT}/secrets?filter={expression}").status == status


def test_the_policy_of_a_secret_lets_in_whom_it_names(emulator: Emulator, secret: dict[str, t.Any]) -> None:
    add(emulator, b"value")
    make(emulator, "other")
    add(emulator, b"other", f"{PROJECT}/secrets/other")
    worker = emulator.account("worker")
    policy = emulator.ok("GET", f"{SECRET}:getIamPolicy?options.requestedPolicyVersion=3")
    binding = {"role": "roles/secretmanager.secretAccessor", "members": [f"serviceAccount:{worker}"]}
    changed = emulator.ok("POST", f"{SECRET}:setIamPolicy", {"policy": policy | {"bindings": [binding]}})
    assert changed["bindings"] == [binding]
    assert emulator.call("GET", f"{SECRET}/versions/latest:access", principal=worker).status == 200
    for url in (SECRET, f"{PROJECT}/secrets/other/versions/latest:access"):
        answer = emulator.call("GET", url, principal=worker)
        assert (answer.status, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    asked = {"permissions": ["secretmanager.versions.access", "secretmanager.versions.add"]}
    held = emulator.ok("POST", f"{SECRET}:testIamPermissions", asked, principal=worker)
    assert held == {"permissions": ["secretmanager.versions.access"]}
    stale = emulator.call("POST", f"{SECRET}:setIamPolicy", {"policy": policy})
    assert stale.json()["error"]["status"] == "ABORTED"


def test_a_condition_on_a_secret_needs_version_3_and_shows_in_it_alone(
    emulator: Emulator, secret: dict[str, t.Any]
) -> None:
    condition = {"title": "until", "expression": "request.time < timestamp('2050-01-01T00:00:00Z')"}
    member = f"serviceAccount:{emulator.account('worker')}"
    binding = {"role": "roles/secretmanager.secretAccessor", "members": [member], "condition": condition}
    refused = emulator.call("POST", f"{SECRET}:setIamPolicy", {"policy": {"version": 1, "bindings": [binding]}})
    assert refused.status == 400
    written = emulator.ok("POST", f"{SECRET}:setIamPolicy", {"policy": {"version": 3, "bindings": [binding]}})
    assert (written["version"], written["bindings"]) == (3, [binding])
    for version, shown in ((3, True), (1, False)):
        policy = emulator.ok("GET", f"{SECRET}:getIamPolicy?options.requestedPolicyVersion={version}")
        assert ("condition" in policy["bindings"][0]) is shown
        assert policy["etag"] == written["etag"]


def test_no_log_line_and_no_error_has_a_payload(
    emulator: Emulator, secret: dict[str, t.Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    value = b"correct horse battery staple"
    refused = add(emulator, value, dataCrc32c="1")
    add(emulator, value)
    emulator.ok("GET", f"{SECRET}/versions/1:access")
    for text in (value.decode(), base64.b64encode(value).decode()):
        assert text not in caplog.text
        assert text not in refused.content.decode()
