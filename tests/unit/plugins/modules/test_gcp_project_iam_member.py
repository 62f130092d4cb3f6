# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_project_iam_member import ProjectIamMember

Json = dict[str, t.Any]

READ, WRITE = "v1/projects/p:getIamPolicy", "v1/projects/p:setIamPolicy"
ROLE, SERVER = "roles/logging.logWriter", "serviceAccount:server@p.iam.gserviceaccount.com"
OPTIONS: Json = {"role": ROLE, "member": SERVER}
THEIRS: list[Json] = [{"role": "roles/owner", "members": ["user:boss@example.com"]}]
AUDIT = [{"service": "allServices", "auditLogConfigs": [{"logType": "DATA_READ"}]}]
WITHOUT: Json = {"etag": "BwX=", "version": 1, "bindings": THEIRS, "auditConfigs": AUDIT}
WITH: Json = WITHOUT | {"etag": "BwY=", "bindings": [*THEIRS, {"role": ROLE, "members": [SERVER]}]}
STALE = {"error": {"code": 409, "message": "There were concurrent policy changes.", "status": "ABORTED"}}


def policies(http: t.Any, *documents: Json) -> None:
    """The policy, each time that it is read."""
    http.when("POST", READ, *documents).when("POST", WRITE, {})


def written(http: t.Any) -> list[Json]:
    """The policies that were written."""
    return [request.body["policy"] for request in http.requests if request.path == WRITE]


def test_a_grant_is_added_and_everything_else_stays(http: t.Any, run: t.Any) -> None:
    policies(http, WITHOUT, WITH)
    assert run(ProjectIamMember, **OPTIONS)["changed"]
    assert written(http) == [WITH | {"etag": "BwX="}]
    assert http.requests[0].body == {"options": {"requestedPolicyVersion": 3}}


def test_a_grant_that_is_there_stays(http: t.Any, run: t.Any) -> None:
    policies(http, WITH)
    assert not run(ProjectIamMember, **OPTIONS)["changed"]
    assert written(http) == []


def test_a_grant_is_taken_back_and_everything_else_stays(http: t.Any, run: t.Any) -> None:
    policies(http, WITH, WITHOUT)
    assert run(ProjectIamMember, **OPTIONS, state="absent")["changed"]
    assert written(http) == [WITHOUT | {"etag": "BwY="}]


def test_check_mode_writes_nothing(http: t.Any, run: t.Any) -> None:
    policies(http, WITHOUT)
    result = run(ProjectIamMember, True, **OPTIONS)
    assert result["diff"] == {"before": {}, "after": {"role": ROLE, "member": SERVER}}
    assert written(http) == []


def test_a_policy_that_somebody_else_changed_is_read_again(http: t.Any, run: t.Any) -> None:
    newer = copy.deepcopy(WITHOUT) | {"etag": "BwZ="}
    http.will_answer(200, WITHOUT).will_answer(409, STALE).will_answer(200, newer).will_answer(200, {})
    http.will_answer(200, WITH)
    assert run(ProjectIamMember, **OPTIONS)["changed"]
    assert [policy["etag"] for policy in written(http)] == ["BwX=", "BwZ="]


def test_an_answer_that_was_lost_leads_to_no_second_grant(http: t.Any, run: t.Any) -> None:
    http.will_answer(200, WITHOUT).will_answer(503).will_answer(409, STALE).will_answer(200, WITH)
    assert run(ProjectIamMember, **OPTIONS)["changed"]
    assert len(written(http)) == 2


def test_no_permission_is_not_absence(http: t.Any, run: t.Any) -> None:
    denied = {"error": {"code": 403, "message": "The caller does not have permission", "status": "PERMISSION_DENIED"}}
    http.when("POST", READ, denied, status_code=403)
    with pytest.raises(GcpError, match="does not have permission"):
        run(ProjectIamMember, **OPTIONS, state="absent")
