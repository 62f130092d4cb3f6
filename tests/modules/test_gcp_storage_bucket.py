# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the rows of the bucket's table cannot say: what is locked for good, and what is deleted."""

from __future__ import annotations

import re
import typing as t

import pytest
import requests
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_storage_bucket import StorageBucket
from gcp_emulator import roles

from .cloud import Cloud

Json = dict[str, t.Any]

HOST = "https://storage.googleapis.com"
ONE = f"{HOST}/storage/v1/b/one"
BASE = {"name": "one", "location": "europe-west1", "uniform_bucket_level_access": True}
ABSENT = {"name": "one", "state": "absent"}
DAY = 86400


def bucket(cloud: Cloud, check_mode: bool = False, **options: t.Any) -> Json:
    return cloud.run(StorageBucket, BASE | options, check_mode)


def locked(cloud: Cloud, period: int = DAY) -> Json:
    return bucket(cloud, retention_policy={"retention_period": period, "is_locked": True})


def put(cloud: Cloud, name: str, **metadata: t.Any) -> None:
    cloud.emulator.ok("POST", f"{HOST}/upload/storage/v1/b/one/o?uploadType=media&name={name}", b"content")
    if metadata:
        cloud.emulator.ok("PATCH", f"{ONE}/o/{name}", metadata)


def names(cloud: Cloud, query: str = "versions=true") -> list[str]:
    return [item["name"] for item in cloud.emulator.ok("GET", f"{ONE}/o?{query}").get("items", [])]


@pytest.mark.parametrize("first", ["the bucket is new", "the policy is new", "the policy is there"])
def test_a_policy_is_locked_with_the_period_that_the_task_states(cloud: Cloud, first: str) -> None:
    if first == "the policy is new":
        bucket(cloud)
    elif first == "the policy is there":
        bucket(cloud, retention_policy={"retention_period": DAY})
    options = {"retention_period": DAY, "is_locked": True}
    promise = bucket(cloud, True, retention_policy=options)
    done = bucket(cloud, retention_policy=options)
    assert done["changed"]
    assert (promise["changed"], promise["diff"]) == (done["changed"], done["diff"])
    policy = done["resource"]["retentionPolicy"]
    assert (policy["retentionPeriod"], policy["isLocked"]) == (str(DAY), True)
    assert not locked(cloud)["changed"]


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_lock_is_warned_of_once(cloud: Cloud, check_mode: bool) -> None:
    options = BASE | {"retention_policy": {"retention_period": DAY, "is_locked": True}}
    resource = cloud.resource(StorageBucket, options)
    assert resource.plan(None).changed
    assert resource.plan(None).changed
    assert [warning for warning in resource.warnings if "cannot be taken back" in warning] == resource.warnings
    assert len(resource.warnings) == 1
    assert not cloud.resource(StorageBucket, BASE).warnings


def test_a_locked_policy_can_grow(cloud: Cloud) -> None:
    locked(cloud)
    grown = bucket(cloud, retention_policy={"retention_period": 2 * DAY})
    assert grown["changed"]
    assert grown["resource"]["retentionPolicy"]["isLocked"]


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(
    ("policy", "words"),
    [
        pytest.param({"retention_period": 60}, f"retention_period cannot be changed from {DAY} to 60", id="shorter"),
        pytest.param({"retention_period": 0}, f"retention_period cannot be changed from {DAY} to 0", id="none"),
        pytest.param(
            {"retention_period": DAY, "is_locked": False}, "is_locked cannot be changed from True to False", id="open"
        ),
    ],
)
def test_a_locked_policy_cannot_be_loosened(cloud: Cloud, policy: Json, words: str, check_mode: bool) -> None:
    locked(cloud)
    with pytest.raises(GcpError, match=f"{words}: the policy is locked") as refused:
        bucket(cloud, check_mode, retention_policy=policy)
    assert refused.value.status is None, "it is told before it is asked for"


def test_a_lock_whose_answer_was_lost_is_looked_for(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    send = cloud.request

    def lose(method: str, url: str, *arguments: t.Any, **options: t.Any) -> t.Any:
        answer = send(method, url, *arguments, **options)
        if url.endswith("/lockRetentionPolicy") and answer.status_code == 200:
            raise requests.ConnectionError("the answer is lost")
        return answer

    monkeypatch.setattr(cloud, "request", lose)
    with cloud.recorded() as sent:
        assert locked(cloud)["resource"]["retentionPolicy"]["isLocked"]
    assert len([request for request in sent if request.path.endswith("/lockRetentionPolicy")]) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"retention_policy": {"is_locked": True}}, "retention_period", id="a lock of what is not said"),
        pytest.param({"retention_policy": {"retention_period": 0, "is_locked": True}}, "is_locked", id="of nothing"),
        pytest.param({"retention_policy": {"retention_period": -1}}, "retention_period", id="a negative period"),
        pytest.param({"logging": {"log_bucket": "", "log_object_prefix": "x"}}, "log_object_prefix", id="no log"),
        pytest.param({"logging": {"log_object_prefix": ""}}, "log_object_prefix", id="no prefix"),
        pytest.param({"soft_delete_policy": {"retention_duration_seconds": 60}}, "604800", id="soft for a minute"),
        pytest.param({"encryption": {"default_kms_key_name": "k"}}, "default_kms_key_name", id="a bare key"),
        pytest.param({"labels": {"App": "x"}}, "labels", id="a label with a capital"),
        pytest.param(
            {"lifecycle": {"rule": [{"action": {"type": "SetStorageClass"}, "condition": {"age_days": 1}}]}},
            "storage_class",
            id="no class to set",
        ),
        pytest.param(
            {"lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {}}]}}, "age_days", id="no condition"
        ),
        pytest.param(
            {"lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"created_before": "May"}}]}},
            "created_before",
            id="no date",
        ),
        pytest.param(
            {"iam_configuration": {"public_access_prevention": "enforced"}}, "mutually exclusive", id="said twice"
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(cloud: Cloud, options: Json, words: str) -> None:
    with pytest.raises((GcpError, AssertionError), match=words):
        bucket(cloud, **options)
    assert cloud.requests == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"days_since_noncurrent_time": 0}, {"num_newer_versions": 1}, id="noncurrent for 0 days"),
        pytest.param({"size_below_bytes": 0}, {"size_below_bytes": 1}, id="smaller than nothing"),
        pytest.param({"custom_time_before": "2026-01-31"}, {"noncurrent_time_before": "2026-01-31"}, id="a date"),
        pytest.param({"age_days": 1, "is_live": False}, {"age_days": 1}, id="live ones too"),
        pytest.param({"age_days": 1, "days_since_custom_time": 0}, {"age_days": 1}, id="a custom time"),
    ],
)
def test_a_condition_that_is_added_or_left_out_is_a_difference(cloud: Cloud, first: Json, second: Json) -> None:
    def rules(condition: Json) -> Json:
        return {"rule": [{"action": {"type": "Delete"}, "condition": condition}]}

    bucket(cloud, lifecycle=rules(first))
    assert not bucket(cloud, lifecycle=rules(first))["changed"]
    assert bucket(cloud, lifecycle=rules(second))["changed"]
    assert not bucket(cloud, lifecycle=rules(second))["changed"]
    assert bucket(cloud, lifecycle=rules(first))["changed"]


def test_the_regions_of_a_bucket_are_chosen_once(cloud: Cloud) -> None:
    options: Json = {"location": "us", "custom_placement_config": {"data_locations": ["us-east1", "us-west1"]}}
    made = bucket(cloud, **options)["resource"]
    assert made["customPlacementConfig"] == {"dataLocations": ["US-EAST1", "US-WEST1"]}
    options["custom_placement_config"] = {"data_locations": ["US-WEST1", "US-EAST1"]}
    assert not bucket(cloud, **options)["changed"], "in whatever order"
    options["custom_placement_config"] = {"data_locations": ["US-WEST1", "US-CENTRAL1"]}
    with pytest.raises(GcpError, match=r"custom_placement_config\.data_locations cannot be changed"):
        bucket(cloud, **options)


def test_a_bucket_with_folders_stays_one(cloud: Cloud) -> None:
    assert bucket(cloud, hierarchical_namespace={"enabled": True})["changed"]
    assert not bucket(cloud, hierarchical_namespace={"enabled": True})["changed"]
    with pytest.raises(GcpError, match=r"hierarchical_namespace\.enabled cannot be changed from True to False"):
        bucket(cloud, hierarchical_namespace={"enabled": False})


def test_folders_go_with_the_bucket_from_the_innermost_on(cloud: Cloud) -> None:
    bucket(cloud, hierarchical_namespace={"enabled": True})
    for name in ("a%2Fb%2Fc%2Fx", "a%2Fy", "d%2Fe%2Fz"):
        put(cloud, name)
    folders = [folder["name"] for folder in cloud.emulator.ok("GET", f"{ONE}/folders")["items"]]
    assert folders == ["a/", "a/b/", "a/b/c/", "d/", "d/e/"]
    for name in ("a%2Fb%2Fc%2Fx", "a%2Fy", "d%2Fe%2Fz"):
        cloud.emulator.ok("DELETE", f"{ONE}/o/{name}")
    with pytest.raises(GcpError, match=r"folders, which force_delete=true deletes too"):
        cloud.run(StorageBucket, ABSENT)
    with cloud.recorded() as sent:
        assert cloud.run(StorageBucket, ABSENT | {"force_delete": True})["changed"]
    batches = [request.body.decode() for request in sent if request.path.endswith("/batch/storage/v1")]
    assert [len(re.findall("^DELETE ", one, re.MULTILINE)) for one in batches] == [1, 2, 2]


def test_either_way_to_say_who_may_is_the_same(cloud: Cloud) -> None:
    bucket(cloud, public_access_prevention="enforced")
    other = {"uniform_bucket_level_access": {"enabled": True}, "public_access_prevention": "enforced"}
    assert not cloud.run(StorageBucket, {"name": "one", "iam_configuration": other})["changed"]


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_bucket_that_is_not_empty_stays(cloud: Cloud, check_mode: bool) -> None:
    bucket(cloud)
    put(cloud, "kept")
    with pytest.raises(GcpError, match=r"'kept' is in it.*force_delete=true"):
        cloud.run(StorageBucket, ABSENT, check_mode)
    assert names(cloud) == ["kept"]


def test_whoever_may_not_list_may_still_delete_what_is_empty(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket(cloud)
    monkeypatch.setitem(roles.ROLES, "roles/deleter", ("storage.buckets.get", "storage.buckets.delete"))
    cloud.principal = cloud.emulator.account("deleter", "roles/deleter")
    assert cloud.run(StorageBucket, ABSENT)["changed"]


def test_a_full_bucket_goes_in_batches_with_all_versions(cloud: Cloud) -> None:
    bucket(cloud, versioning={"enabled": True})
    for number in range(60):
        put(cloud, f"object-{number:02d}")
        put(cloud, f"object-{number:02d}")
    assert len(names(cloud)) == 120
    with cloud.recorded() as sent:
        assert cloud.run(StorageBucket, ABSENT | {"force_delete": True})["changed"]
    assert cloud.resource(StorageBucket, BASE).read() is None
    batches = [request for request in sent if request.path.endswith("/batch/storage/v1")]
    assert [request.body.count(b"DELETE ") for request in batches] == [100, 20]
    assert len(sent) == 1 + 1 + 1 + 2 + 1, "read, look for what must be kept, list, two batches, delete"


@pytest.mark.parametrize(
    ("options", "metadata", "words"),
    [
        pytest.param({}, {"temporaryHold": True}, "'b' is on hold", id="a temporary hold"),
        pytest.param({}, {"eventBasedHold": True}, "'b' is on hold", id="an event-based hold"),
        pytest.param({"retention_policy": {"retention_period": DAY}}, {}, "'a' must be kept until", id="retention"),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_nothing_is_deleted_where_something_must_be_kept(
    cloud: Cloud, options: Json, metadata: Json, words: str, check_mode: bool
) -> None:
    bucket(cloud, **options)
    put(cloud, "a")
    put(cloud, "b", **metadata)
    with pytest.raises(GcpError, match=words):
        cloud.run(StorageBucket, ABSENT | {"force_delete": True}, check_mode)
    assert names(cloud) == ["a", "b"]


def test_what_was_deleted_softly_is_not_in_the_way(cloud: Cloud) -> None:
    bucket(cloud, soft_delete_policy={"retention_duration_seconds": 604800})
    put(cloud, "gone")
    cloud.emulator.ok("DELETE", f"{ONE}/o/gone")
    assert names(cloud, "softDeleted=true") == ["gone"]
    assert cloud.run(StorageBucket, ABSENT)["changed"]
