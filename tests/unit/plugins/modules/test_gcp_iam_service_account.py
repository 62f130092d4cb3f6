# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_iam_service_account import IamServiceAccount

EMAIL = "mlflow@p.iam.gserviceaccount.com"
ACCOUNTS = "v1/projects/p/serviceAccounts"
ONE = f"{ACCOUNTS}/{EMAIL}"
CURRENT = {"name": f"projects/p/serviceAccounts/{EMAIL}", "email": EMAIL, "displayName": "Server"}


@pytest.mark.parametrize("name", ["mlflow", EMAIL])
def test_an_account_is_created_by_either_name(http: t.Any, run: t.Any, name: str) -> None:
    http.will_answer(404).will_answer(200, CURRENT).will_answer(200, CURRENT)
    result = run(IamServiceAccount, name=name, display_name="Server")
    assert result["resource"]["email"] == EMAIL
    assert [(r.path, r.body) for r in http.writes] == [
        (ACCOUNTS, {"accountId": "mlflow", "serviceAccount": {"displayName": "Server"}})
    ]


def test_a_new_account_is_awaited_until_it_can_be_read(http: t.Any, run: t.Any, clock: t.Any) -> None:
    http.will_answer(404).will_answer(200, CURRENT).will_answer(404).will_answer(404).will_answer(200, CURRENT)
    assert run(IamServiceAccount, name="mlflow")["resource"] == CURRENT
    assert clock.time > 0


def test_an_account_whose_creation_was_not_answered_is_looked_for(http: t.Any, run: t.Any) -> None:
    http.will_answer(404).will_answer(503).will_answer(200, CURRENT)
    assert run(IamServiceAccount, name="mlflow")["changed"]
    assert len(http.writes) == 1


@pytest.mark.parametrize("name", ["mlflow", EMAIL])
def test_the_same_account_stays(http: t.Any, run: t.Any, name: str) -> None:
    http.when("GET", ONE, CURRENT)
    assert not run(IamServiceAccount, name=name, display_name="Server", description="")["changed"]
    assert http.writes == []


def test_an_update_sends_what_differs(http: t.Any, run: t.Any) -> None:
    http.when("GET", ONE, CURRENT).when("PATCH", ONE, CURRENT)
    assert run(IamServiceAccount, name="mlflow", display_name="Server", description="Runs MLflow")["changed"]
    assert [r.body for r in http.writes] == [
        {"serviceAccount": {"description": "Runs MLflow"}, "updateMask": "description"}
    ]


def test_an_account_is_deleted(http: t.Any, run: t.Any) -> None:
    http.will_answer(200, CURRENT).will_answer(200, {}).will_answer(404)
    assert run(IamServiceAccount, name="mlflow", state="absent")["changed"]
    assert [(r.method, r.path) for r in http.writes] == [("DELETE", ONE)]


def test_an_account_of_another_project_is_not_created(http: t.Any, run: t.Any) -> None:
    with pytest.raises(GcpError, match="cannot be created in the project p"):
        run(IamServiceAccount, name="mlflow@other.iam.gserviceaccount.com")
    assert http.writes == []


def test_check_mode_creates_nothing(http: t.Any, run: t.Any) -> None:
    assert run(IamServiceAccount, True, name="mlflow", display_name="Server")["resource"] == {"displayName": "Server"}
    assert http.writes == []


def test_an_id_that_cannot_be_names_the_option(http: t.Any, run: t.Any) -> None:
    message = 'The account ID "x" does not have a length between 6 and 30.'
    http.when("POST", ACCOUNTS, {"error": {"code": 400, "message": message}}, status_code=400)
    with pytest.raises(GcpError, match="Check the option name"):
        run(IamServiceAccount, name="x")
