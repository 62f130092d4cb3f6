# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_storage_bucket_iam_member import StorageBucketIamMember

Json = dict[str, t.Any]

PATH = "storage/v1/b/one/iam"
ROLE, SERVER = "roles/storage.objectUser", "serviceAccount:server@p.iam.gserviceaccount.com"
OPTIONS: Json = {"bucket": "one", "role": ROLE, "member": SERVER}
SOON: Json = {"title": "soon", "expression": "request.time < timestamp('2027-01-01T00:00:00Z')"}
THEIRS: list[Json] = [
    {"role": "roles/storage.legacyBucketOwner", "members": ["projectOwner:p"]},
    {"role": ROLE, "members": ["user:jane@example.com"], "condition": SOON},
]
WITHOUT: Json = {"kind": "storage#policy", "etag": "CAE=", "version": 3, "bindings": THEIRS}
WITH: Json = WITHOUT | {"etag": "CAI=", "bindings": [*THEIRS, {"role": ROLE, "members": [SERVER]}]}
UNKNOWN = {"error": {"code": 400, "message": f"Service account {SERVER.partition(':')[2]} does not exist."}}
STALE = {"error": {"code": 412, "message": "Precondition Failed", "errors": [{"reason": "conditionNotMet"}]}}


def test_a_grant_is_added_and_everything_else_stays(http: t.Any, run: t.Any) -> None:
    http.will_answer(200, WITHOUT).will_answer(200, WITH).will_answer(200, WITH)
    result = run(StorageBucketIamMember, **OPTIONS)
    assert result["changed"]
    assert result["resource"] == {"role": ROLE, "member": SERVER}
    assert [(r.method, r.path, r.body) for r in http.writes] == [("PUT", PATH, WITH | {"etag": "CAE="})]
    assert http.requests[0].query == {"optionsRequestedPolicyVersion": 3}


@pytest.mark.parametrize("bucket", ["one", {"name": "one"}, "https://www.googleapis.com/storage/v1/b/one"])
def test_a_grant_that_is_there_stays(http: t.Any, run: t.Any, bucket: t.Any) -> None:
    http.when("GET", PATH, WITH)
    assert not run(StorageBucketIamMember, **OPTIONS | {"bucket": bucket})["changed"]
    assert http.writes == []


def test_the_same_role_under_a_condition_is_another_grant(http: t.Any, run: t.Any) -> None:
    http.will_answer(200, WITH).will_answer(200, WITH)
    wanted = copy.deepcopy(WITH)
    wanted["bindings"][1]["members"].append(SERVER)
    http.will_answer(200, wanted)
    assert run(StorageBucketIamMember, **OPTIONS, condition=SOON)["resource"]["condition"] == SOON
    assert http.writes[0].body == wanted


def test_a_grant_is_taken_back_and_everything_else_stays(http: t.Any, run: t.Any) -> None:
    http.will_answer(200, WITH).will_answer(200, WITHOUT).will_answer(200, WITHOUT)
    assert run(StorageBucketIamMember, **OPTIONS, state="absent")["changed"]
    assert http.writes[0].body == WITHOUT | {"etag": "CAI="}


def test_the_grant_of_a_bucket_that_is_gone_is_absent(http: t.Any, run: t.Any) -> None:
    assert not run(StorageBucketIamMember, **OPTIONS, state="absent")["changed"]


def test_a_bucket_that_is_not_there_yet_is_planned_in_check_mode(http: t.Any, run: t.Any) -> None:
    assert run(StorageBucketIamMember, True, **OPTIONS)["changed"]
    assert http.writes == []


def test_nothing_is_written_to_a_bucket_that_is_not_there(http: t.Any, run: t.Any) -> None:
    with pytest.raises(GcpError, match=r"there is no such bucket\. Check the option bucket"):
        run(StorageBucketIamMember, **OPTIONS)
    assert http.writes == []


def test_a_policy_that_somebody_else_changed_is_read_again(http: t.Any, run: t.Any) -> None:
    newer = WITHOUT | {"etag": "CAM=", "bindings": [*THEIRS, {"role": "roles/x", "members": ["user:new@example.com"]}]}
    http.will_answer(200, WITHOUT).will_answer(412, STALE).will_answer(200, newer).will_answer(200, WITH)
    http.will_answer(200, WITH)
    assert run(StorageBucketIamMember, **OPTIONS)["changed"]
    first, second = http.writes
    assert (first.body["etag"], second.body["etag"]) == ("CAE=", "CAM=")
    assert newer["bindings"][-1] in second.body["bindings"]


def test_an_account_that_is_not_known_yet_is_awaited(http: t.Any, run: t.Any, clock: t.Any) -> None:
    http.will_answer(200, WITHOUT).will_answer(400, UNKNOWN).will_answer(400, UNKNOWN).will_answer(200, WITH)
    http.will_answer(200, WITH)
    assert run(StorageBucketIamMember, **OPTIONS)["changed"]
    assert clock.time > 0


def test_an_account_that_does_not_exist_is_an_error_in_the_end(http: t.Any, run: t.Any) -> None:
    http.when("GET", PATH, WITHOUT).when("PUT", PATH, UNKNOWN, status_code=400)
    with pytest.raises(GcpError, match=f"does not exist.*Check the option member, which is {SERVER}"):
        run(StorageBucketIamMember, **OPTIONS)


def test_a_role_that_does_not_exist_is_named(http: t.Any, run: t.Any) -> None:
    refusal = {"error": {"code": 400, "message": "Role roles/storage.objectUser is not supported for this resource."}}
    http.when("GET", PATH, WITHOUT).when("PUT", PATH, refusal, status_code=400)
    with pytest.raises(GcpError, match=f"Check the option role, which is {ROLE}"):
        run(StorageBucketIamMember, **OPTIONS)
