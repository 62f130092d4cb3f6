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
    assert run(StorageBucket, name="one", **options)["resource"] == CURRENT
    (request,) = http.writes
    assert (request.method, request.path, request.query) == ("POST", BUCKETS, {"project": "p"})
    assert request.body == {
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
    http.when("GET", ONE, CURRENT).when("DELETE", ONE, NOT_EMPTY, status_code=409)
    with pytest.raises(GcpError, match=r"not empty.*force_delete=true[^.]*\.$"):
        run(StorageBucket, name="one", state="absent")
    assert [r.path for r in http.writes] == [ONE]


def test_each_version_of_each_object_goes_with_the_bucket(http: t.Any, run: t.Any) -> None:
    page = {"items": [{"name": "a/b", "generation": "1"}, {"name": "a/b", "generation": "2"}], "nextPageToken": "x"}
    http.will_answer(200, CURRENT)
    http.will_answer(200, page).will_answer(204).will_answer(404)
    http.will_answer(200, {"items": [{"name": "c", "generation": "3"}]}).will_answer(204)
    http.will_answer(204).will_answer(404)
    assert run(StorageBucket, name="one", state="absent", force_delete=True)["changed"]
    assert [(r.path, r.query.get("generation")) for r in http.writes] == [
        (f"{OBJECTS}/a%2Fb", "1"),
        (f"{OBJECTS}/a%2Fb", "2"),
        (f"{OBJECTS}/c", "3"),
        (ONE, None),
    ]
    lists = [r.query for r in http.requests if r.path == OBJECTS]
    assert [(query["versions"], query.get("pageToken")) for query in lists] == [("true", None), ("true", "x")]


def test_check_mode_deletes_nothing(http: t.Any, run: t.Any) -> None:
    http.when("GET", ONE, CURRENT)
    result = run(StorageBucket, True, name="one", state="absent", force_delete=True)
    assert result["changed"]
    assert result["resource"] == {}
    assert http.writes == []


def test_a_name_that_somebody_else_has_is_told(http: t.Any, run: t.Any) -> None:
    http.when("GET", ONE, {"error": {"code": 403, "message": "no storage.buckets.get access"}}, status_code=403)
    with pytest.raises(GcpError, match=r"may be somebody else's \(option name\)"):
        run(StorageBucket, name="one", state="absent")
