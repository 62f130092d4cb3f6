# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_storage_bucket import StorageBucket

BUCKETS, ONE = "storage/v1/b", "storage/v1/b/one"
OBJECTS = f"{ONE}/o"
RULE = {"action": {"type": "Delete"}, "condition": {"age": 30, "isLive": False}}
CURRENT: dict[str, t.Any] = {
    "name": "one",
    "location": "EUROPE-WEST1",
    "storageClass": "STANDARD",
    "metageneration": "3",
    "labels": {"app": "mlflow", "old": "yes"},
    "versioning": {"enabled": True},
    "iamConfiguration": {
        "publicAccessPrevention": "enforced",
        "uniformBucketLevelAccess": {"enabled": True, "lockedTime": "2026-01-01T00:00:00Z"},
    },
    "softDeletePolicy": {"retentionDurationSeconds": "604800"},
    "lifecycle": {"rule": [RULE]},
    "cors": [{"origin": ["*"], "method": ["GET"]}],
    "logging": {"logBucket": "logs", "logObjectPrefix": "one"},
    "retentionPolicy": {"retentionPeriod": "60", "effectiveTime": "2026-01-01T00:00:00Z"},
    "website": {"mainPageSuffix": "index.html", "notFoundPage": "404.html"},
    "encryption": {"defaultKmsKeyName": "projects/p/locations/l/keyRings/r/cryptoKeys/k"},
}
NOT_EMPTY = {
    "error": {
        "code": 409,
        "message": "The bucket you tried to delete is not empty.",
        "errors": [{"reason": "conflict"}],
    }
}


def rule(**condition: t.Any) -> dict[str, t.Any]:
    """A lifecycle rule as a task has it."""
    return {"rule": [{"action": {"type": "Delete"}, "condition": condition}]}


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        pytest.param({"location": "europe-west1"}, None, id="the location in lower case"),
        pytest.param({"storage_class": "NEARLINE"}, {"storageClass": "NEARLINE"}, id="the class"),
        pytest.param({"labels": {"app": "mlflow", "old": "yes"}}, None, id="the same labels"),
        pytest.param({"labels": {"app": "x"}}, {"labels": {"app": "x", "old": None}}, id="a label goes"),
        pytest.param({"labels": {}}, {"labels": {"app": None, "old": None}}, id="all labels go"),
        pytest.param({"versioning": {"enabled": False}}, {"versioning": {"enabled": False}}, id="versioning"),
        pytest.param({"uniform_bucket_level_access": True}, None, id="the same access"),
        pytest.param(
            {"public_access_prevention": "inherited"},
            {"iamConfiguration": {"publicAccessPrevention": "inherited"}},
            id="public access",
        ),
        pytest.param({"soft_delete_policy": {"retention_duration_seconds": 604800}}, None, id="seconds as a number"),
        pytest.param(
            {"soft_delete_policy": {"retention_duration_seconds": 0}},
            {"softDeletePolicy": {"retentionDurationSeconds": 0}},
            id="no soft deletion",
        ),
        pytest.param({"lifecycle": rule(age_days=30, is_live=False)}, None, id="the same rule"),
        pytest.param(
            {"lifecycle": rule(age_days=30)},
            {"lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 30}}]}},
            id="a rule for live objects too",
        ),
        pytest.param({"lifecycle": {"rule": []}}, {"lifecycle": {"rule": []}}, id="no rule"),
        pytest.param({"cors": []}, {"cors": []}, id="no web page"),
        pytest.param({"logging": {"log_bucket": ""}}, {"logging": None}, id="no logs"),
        pytest.param({"logging": {"log_bucket": "logs"}}, None, id="logs with the prefix that Google chose"),
        pytest.param({"retention_policy": {"retention_period": 0}}, {"retentionPolicy": None}, id="no retention"),
        pytest.param({"website": {"not_found_page": ""}}, {"website": {"notFoundPage": None}}, id="no page"),
        pytest.param(
            {"encryption": {"default_kms_key_name": ""}}, {"encryption": {"defaultKmsKeyName": None}}, id="no key"
        ),
        pytest.param({"rpo": "DEFAULT"}, None, id="the default that a region does not tell"),
    ],
)
def test_an_update_sends_what_differs_and_the_metageneration(
    http: t.Any, run: t.Any, options: t.Any, sent: t.Any
) -> None:
    http.when("GET", ONE, CURRENT).when("PATCH", ONE, CURRENT)
    assert run(StorageBucket, name="one", **options)["changed"] is (sent is not None)
    assert [(r.body, r.query) for r in http.writes] == ([(sent, {"ifMetagenerationMatch": "3"})] if sent else [])


def test_a_bucket_that_somebody_else_changed_is_planned_again(http: t.Any, run: t.Any) -> None:
    newer = CURRENT | {"metageneration": "4"}
    http.will_answer(200, CURRENT).will_answer(412, {"error": {"code": 412, "errors": [{"reason": "conditionNotMet"}]}})
    http.will_answer(200, newer).will_answer(200, newer).will_answer(200, newer)
    assert run(StorageBucket, name="one", storage_class="NEARLINE")["changed"]
    assert [r.query["ifMetagenerationMatch"] for r in http.writes] == ["3", "4"]


def test_a_bucket_is_created_in_the_project(http: t.Any, run: t.Any) -> None:
    http.will_answer(404).will_answer(200, CURRENT).will_answer(200, CURRENT)
    options = {"location": "europe-west1", "uniform_bucket_level_access": True, "versioning": {"enabled": True}}
    options |= {"retention_policy": {"retention_period": 0}, "logging": {"log_bucket": ""}}
    assert run(StorageBucket, name="one", **options)["resource"] == CURRENT
    (request,) = http.writes
    assert (request.method, request.path, request.query) == ("POST", BUCKETS, {"project": "p"})
    assert request.body == {  # what is empty is not spoken of
        "name": "one",
        "location": "europe-west1",
        "versioning": {"enabled": True},
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}},
    }


def test_the_location_stays(http: t.Any, run: t.Any) -> None:
    http.when("GET", ONE, CURRENT)
    with pytest.raises(GcpError, match="location cannot be changed from 'EUROPE-WEST1' to 'EU'"):
        run(StorageBucket, name="one", location="EU")


def test_a_bucket_that_is_not_empty_is_not_deleted(http: t.Any, run: t.Any) -> None:
    http.when("GET", ONE, CURRENT).when("GET", OBJECTS, {"items": [{"name": "a"}]})
    with pytest.raises(GcpError, match=r"'a' is in it.*force_delete=true"):
        run(StorageBucket, name="one", state="absent")
    assert http.writes == []


def test_a_bucket_that_is_filled_meanwhile_is_not_deleted(http: t.Any, run: t.Any) -> None:
    http.when("GET", ONE, CURRENT).when("GET", OBJECTS, {}).when("DELETE", ONE, NOT_EMPTY, status_code=409)
    with pytest.raises(GcpError, match=r"not empty.*meanwhile\.$"):
        run(StorageBucket, name="one", state="absent")
    assert [r.path for r in http.writes] == [ONE]


def test_check_mode_deletes_nothing(http: t.Any, run: t.Any) -> None:
    http.when("GET", ONE, CURRENT).when("GET", OBJECTS, {"items": [{"name": "a"}]})
    result = run(StorageBucket, True, name="one", state="absent", force_delete=True)
    assert result["changed"]
    assert result["resource"] == {}
    assert http.writes == []


def test_a_name_that_somebody_else_has_is_told(http: t.Any, run: t.Any) -> None:
    http.when("GET", ONE, {"error": {"code": 403, "message": "no storage.buckets.get access"}}, status_code=403)
    with pytest.raises(GcpError, match=r"may be somebody else's \(option name\)"):
        run(StorageBucket, name="one", state="absent")
