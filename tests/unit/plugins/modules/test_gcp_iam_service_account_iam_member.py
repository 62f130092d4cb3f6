# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account_iam_member import (
    IamServiceAccountIamMember,
)

Json = dict[str, t.Any]

EMAIL = "server@p.iam.gserviceaccount.com"
ACCOUNT = f"v1/projects/p/serviceAccounts/{EMAIL}"
READ, WRITE = f"{ACCOUNT}:getIamPolicy", f"{ACCOUNT}:setIamPolicy"
ROLE, TEAM = "roles/iam.serviceAccountUser", "group:team@example.com"
OPTIONS: Json = {"service_account": "server", "role": ROLE, "member": TEAM}
NEW: Json = {"etag": "ACAB"}
WITH: Json = {"etag": "BwX=", "bindings": [{"role": ROLE, "members": [TEAM]}]}
UNKNOWN = {"error": {"code": 404, "message": f"Not found; Gaia id not found for email {EMAIL}"}}


@pytest.mark.parametrize("account", ["server", EMAIL, {"name": f"projects/p/serviceAccounts/{EMAIL}"}])
def test_a_grant_is_made_on_an_account_by_any_of_its_names(http: t.Any, run: t.Any, account: t.Any) -> None:
    http.when("POST", READ, NEW, WITH).when("POST", WRITE, WITH)
    assert run(IamServiceAccountIamMember, **OPTIONS | {"service_account": account})["changed"]
    assert [r.body for r in http.writes if r.path == WRITE] == [{"policy": WITH | {"etag": "ACAB"}}]
    assert http.requests[0].query == {"options.requestedPolicyVersion": 3}


def test_an_account_that_is_not_known_yet_is_awaited(http: t.Any, run: t.Any, clock: t.Any) -> None:
    http.will_answer(404, UNKNOWN).will_answer(404, UNKNOWN).will_answer(200, NEW).will_answer(200, WITH)
    http.will_answer(200, WITH)
    assert run(IamServiceAccountIamMember, **OPTIONS)["changed"]
    assert clock.time > 0


def test_an_account_that_never_was_is_an_error_in_the_end(http: t.Any, run: t.Any, clock: t.Any) -> None:
    http.when("POST", READ, UNKNOWN, status_code=404)
    with pytest.raises(GcpError, match="there is no such service_account"):
        run(IamServiceAccountIamMember, **OPTIONS)
    assert 60 <= clock.time < 100


@pytest.mark.parametrize(("check_mode", "state", "changed"), [(True, "present", True), (False, "absent", False)])
def test_nobody_waits_for_an_account_that_nothing_is_done_to(
    http: t.Any, run: t.Any, clock: t.Any, check_mode: bool, state: str, changed: bool
) -> None:
    http.when("POST", READ, UNKNOWN, status_code=404)
    assert run(IamServiceAccountIamMember, check_mode, **OPTIONS, state=state)["changed"] is changed
    assert clock.time == 0
