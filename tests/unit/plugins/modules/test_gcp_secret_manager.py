# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import base64
import json
import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import argument_spec
from ansible_collections.mlops.mlflow.plugins.modules.gcp_secret_manager import SecretManager

Json = dict[str, t.Any]

SECRETS = "v1/projects/p/secrets"
ONE = f"{SECRETS}/one"
LATEST = f"{ONE}/versions/latest:access"
ADD = f"{ONE}:addVersion"
CURRENT: Json = {"name": "projects/1/secrets/one", "labels": {"app": "mlflow"}, "replication": {"automatic": {}}}
DISABLED = {"error": {"code": 400, "message": "... is in DISABLED state.", "status": "FAILED_PRECONDITION"}}


def payload(value: str) -> Json:
    """A version, as it is sent and told."""
    return {"payload": {"data": base64.b64encode(value.encode()).decode()}}


def stored(http: t.Any, value: str | None = None) -> None:
    """The secret is there, with this value."""
    http.when("GET", ONE, CURRENT).when("POST", ADD, {}).when("PATCH", ONE, CURRENT)
    if value is not None:
        http.when("GET", LATEST, payload(value))


def test_a_secret_is_created_with_its_first_version(http: t.Any, run: t.Any) -> None:
    http.will_answer(404).will_answer(200, CURRENT).will_answer(200, {}).will_answer(200, CURRENT)
    result = run(SecretManager, name="one", value="s3cret", labels={"app": "mlflow"})
    assert result["changed"]
    assert result["resource"] == CURRENT
    first, second = http.writes
    assert (first.path, first.query) == (SECRETS, {"secretId": "one"})
    assert first.body == {"replication": {"automatic": {}}, "labels": {"app": "mlflow"}}
    assert (second.path, second.body) == (ADD, payload("s3cret"))


def test_a_secret_without_a_value_has_no_version(http: t.Any, run: t.Any) -> None:
    http.will_answer(404).will_answer(200, CURRENT).will_answer(200, CURRENT)
    assert run(SecretManager, name="one")["changed"]
    assert [r.path for r in http.writes] == [SECRETS]


@pytest.mark.parametrize(("value", "versions"), [("s3cret", 0), ("another", 1), ("p@ss:/%#ü", 1)])
def test_a_version_is_added_if_the_latest_differs(http: t.Any, run: t.Any, value: str, versions: int) -> None:
    stored(http, "s3cret")
    assert run(SecretManager, name="one", value=value)["changed"] is bool(versions)
    assert [(r.path, r.body) for r in http.writes] == [(ADD, payload(value))] * versions


def test_a_version_is_added_if_there_is_none(http: t.Any, run: t.Any) -> None:
    stored(http)
    assert run(SecretManager, name="one", value="s3cret")["changed"]
    assert [r.path for r in http.writes] == [ADD]


def test_a_version_is_added_if_the_latest_is_disabled(http: t.Any, run: t.Any) -> None:
    stored(http)
    http.when("GET", LATEST, DISABLED, status_code=400)
    assert run(SecretManager, name="one", value="s3cret")["changed"]
    assert [r.path for r in http.writes] == [ADD]


def test_a_version_whose_addition_was_not_answered_is_looked_for(http: t.Any, run: t.Any) -> None:
    http.will_answer(200, CURRENT).will_answer(200, payload("old")).will_answer(200, payload("old")).will_answer(503)
    http.will_answer(200, CURRENT).will_answer(200, payload("s3cret"))
    assert run(SecretManager, name="one", value="s3cret")["changed"]
    assert len(http.writes) == 1


def test_labels_are_exact_and_add_no_version(http: t.Any, run: t.Any) -> None:
    stored(http)
    assert run(SecretManager, name="one", labels={"team": "ml"})["changed"]
    assert [(r.method, r.body, r.query) for r in http.writes] == [
        ("PATCH", {"labels": {"team": "ml"}}, {"updateMask": "labels"})
    ]


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("old", [None, "0ld", "s3cret"])
def test_no_value_is_told_unless_it_is_asked(http: t.Any, run: t.Any, old: str | None, check_mode: bool) -> None:
    stored(http, old)
    told = json.dumps(run(SecretManager, check_mode, name="one", value="s3cret"))
    assert not any(word in told for word in ("s3cret", "0ld", *payload("s3cret")["payload"].values()))


def test_the_diff_tells_that_the_value_changes(http: t.Any, run: t.Any) -> None:
    stored(http, "old")
    result = run(SecretManager, True, name="one", value="new")
    assert result["diff"]["before"] != result["diff"]["after"]
    assert http.writes == []


@pytest.mark.parametrize(
    ("version", "value"), [("latest", "s3cret"), ("3", "third"), ("9", None)], ids=["latest", "by number", "missing"]
)
def test_a_value_is_returned_if_it_is_asked(http: t.Any, run: t.Any, version: str, value: str | None) -> None:
    stored(http, "s3cret")
    http.when("GET", f"{ONE}/versions/3:access", payload("third"))
    result = run(SecretManager, name="one", return_value=True, version=version)
    assert not result["changed"]
    assert result["value"] == value
    assert http.writes == []


@pytest.mark.parametrize("check_mode", [True, False])
def test_reading_creates_nothing(http: t.Any, run: t.Any, check_mode: bool) -> None:
    result = run(SecretManager, check_mode, name="one", return_value=True)
    assert (result["changed"], result["value"]) == (False, None)
    assert http.writes == []


def test_no_permission_is_not_absence(http: t.Any, run: t.Any) -> None:
    stored(http)
    denied = {"error": {"code": 403, "message": "no secretmanager.versions.access", "status": "PERMISSION_DENIED"}}
    http.when("GET", LATEST, denied, status_code=403)
    with pytest.raises(GcpError, match=r"secretmanager\.versions\.access"):
        run(SecretManager, name="one", value="s3cret")


def test_a_value_that_is_no_text_is_an_error(http: t.Any, run: t.Any) -> None:
    stored(http)
    http.when("GET", LATEST, {"payload": {"data": base64.b64encode(b"\xff").decode()}})
    with pytest.raises(GcpError, match="is not text"):
        run(SecretManager, name="one", return_value=True)


def test_a_secret_is_deleted(http: t.Any, run: t.Any) -> None:
    http.will_answer(200, CURRENT).will_answer(200, {}).will_answer(404)
    assert run(SecretManager, name="one", state="absent")["changed"]
    assert [(r.method, r.path) for r in http.writes] == [("DELETE", ONE)]


def test_a_version_that_is_no_number_is_not_destroyed(make: t.Any) -> None:
    with pytest.raises(GcpError, match="must be a number with state=absent"):
        SecretManager.check(make(SecretManager, name="one", state="absent", version="all").params)


def test_one_version_is_destroyed_if_nobody_changed_it(http: t.Any, run: t.Any) -> None:
    stored(http)
    third = {"name": "projects/1/secrets/one/versions/3", "state": "ENABLED", "etag": "e"}
    http.when("GET", f"{ONE}/versions/3", third).when("POST", f"{ONE}/versions/3:destroy", third)
    assert run(SecretManager, name="one", state="absent", version="3")["changed"]
    assert [(r.path, r.body) for r in http.writes] == [(f"{ONE}/versions/3:destroy", {"etag": "e"})]


def test_an_update_carries_the_etag(http: t.Any, run: t.Any) -> None:
    http.when("GET", ONE, CURRENT | {"etag": "e", "versionDestroyTtl": "86400s"}).when("PATCH", ONE, CURRENT)
    assert run(SecretManager, name="one", annotations={"A": "b"}, version_destroy_ttl=0)["changed"]
    (request,) = http.writes
    assert request.body == {"annotations": {"A": "b"}, "versionDestroyTtl": None, "etag": "e"}
    assert request.query == {"updateMask": "annotations,versionDestroyTtl"}


def test_the_keys_of_a_secret_are_sent_with_its_whole_replication(http: t.Any, run: t.Any) -> None:
    key = "projects/p/locations/global/keyRings/r/cryptoKeys/k"
    stored(http)
    automatic = {"automatic": {"customer_managed_encryption": {"kms_key_name": key}}}
    assert run(SecretManager, name="one", replication=automatic)["changed"]
    (request,) = http.writes
    sent = {"automatic": {"customerManagedEncryption": {"kmsKeyName": key}}}
    assert (request.body, request.query) == ({"replication": sent}, {"updateMask": "replication"})


def test_a_value_is_kept_out_of_the_log() -> None:
    assert argument_spec(SecretManager)["value"]["no_log"]
