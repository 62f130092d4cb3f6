# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.service_accounts import account_email
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


@pytest.mark.parametrize(("before", "wanted", "verb"), [({}, True, "disable"), ({"disabled": True}, False, "enable")])
def test_an_account_is_switched_by_a_verb_of_its_own(
    http: t.Any, run: t.Any, before: t.Any, wanted: bool, verb: str
) -> None:
    http.when("GET", ONE, CURRENT | before).when("POST", f"{ONE}:{verb}", {})
    result = run(IamServiceAccount, name="mlflow", display_name="Server", disabled=wanted)
    assert result["diff"]["after"] == {"displayName": "Server", "disabled": wanted}
    assert http.writes == [("POST", f"{ONE}:{verb}", {}, {})]


@pytest.mark.parametrize(("before", "wanted"), [({}, False), ({"disabled": True}, True), ({"disabled": True}, None)])
def test_an_account_that_is_switched_already_stays(http: t.Any, run: t.Any, before: t.Any, wanted: t.Any) -> None:
    http.when("GET", ONE, CURRENT | before)
    assert not run(IamServiceAccount, name="mlflow", disabled=wanted)["changed"]
    assert http.writes == []


def test_words_and_switch_are_changed_in_one_run(http: t.Any, run: t.Any) -> None:
    http.when("GET", ONE, CURRENT).when("PATCH", ONE, CURRENT).when("POST", f"{ONE}:disable", {})
    run(IamServiceAccount, name="mlflow", display_name="Other", disabled=True)
    assert [(r.method, r.body) for r in http.writes] == [
        ("PATCH", {"serviceAccount": {"displayName": "Other"}, "updateMask": "displayName"}),
        ("POST", {}),
    ]


@pytest.mark.parametrize(("wanted", "writes"), [(False, [ACCOUNTS]), (True, [ACCOUNTS, f"{ONE}:disable"])])
def test_a_new_account_may_be_switched_off(http: t.Any, run: t.Any, wanted: bool, writes: list[str]) -> None:
    http.will_answer(404)
    http.when("POST", ACCOUNTS, CURRENT).when("GET", ONE, CURRENT).when("POST", f"{ONE}:disable", {})
    run(IamServiceAccount, name="mlflow", disabled=wanted)
    assert [request.path for request in http.writes] == writes
    assert "disabled" not in http.writes[0].body["serviceAccount"]


def test_a_new_account_that_its_switch_does_not_know_yet_is_awaited(http: t.Any, run: t.Any, clock: t.Any) -> None:
    unknown = {"error": {"code": 404, "message": f"Unknown service account: {EMAIL}"}}
    http.will_answer(404).will_answer(200, CURRENT).will_answer(404, unknown).will_answer(200, {})
    http.will_answer(200, CURRENT | {"disabled": True})
    assert run(IamServiceAccount, name="mlflow", disabled=True)["changed"]
    assert clock.time > 0


def test_an_account_is_deleted(http: t.Any, run: t.Any) -> None:
    http.will_answer(200, CURRENT).will_answer(200, {}).will_answer(404)
    assert run(IamServiceAccount, name="mlflow", state="absent")["changed"]
    assert [(r.method, r.path) for r in http.writes] == [("DELETE", ONE)]


@pytest.mark.parametrize("check_mode", [True, False], ids=["check", "run"])
def test_an_account_of_another_project_is_not_created(http: t.Any, run: t.Any, check_mode: bool) -> None:
    with pytest.raises(GcpError, match="cannot be created in the project p"):
        run(IamServiceAccount, check_mode, name="mlflow@other.iam.gserviceaccount.com")
    assert http.writes == []


def test_check_mode_creates_nothing(http: t.Any, run: t.Any) -> None:
    told = run(IamServiceAccount, True, name="mlflow", display_name="Server")["resource"]
    made = {"name": f"projects/p/serviceAccounts/{EMAIL}", "email": EMAIL, "projectId": "p"}
    assert told == made | {"displayName": "Server"}
    assert account_email(told, "p") == EMAIL, "later tasks of the same check may refer to it"
    assert http.writes == []


def test_an_id_that_cannot_be_names_the_option(http: t.Any, run: t.Any) -> None:
    message = 'The account ID "mlflow" is reserved.'
    http.when("POST", ACCOUNTS, {"error": {"code": 400, "message": message}}, status_code=400)
    with pytest.raises(GcpError, match="Check the option name"):
        run(IamServiceAccount, name="mlflow")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "short"}, "The option name is 'short', but must be an ID of 6 to 30"),
        ({"name": "a" * 31}, "must be an ID of 6 to 30"),
        ({"name": "Mlflow"}, "must be an ID of 6 to 30"),
        ({"name": "mlflow-"}, "must be an ID of 6 to 30"),
        ({"name": "mlflow", "display_name": "é" * 51}, "The option display_name is .* at most 100 bytes"),
        ({"name": "mlflow", "description": "x" * 257}, "The option description is .* at most 256 bytes"),
    ],
)
def test_what_cannot_be_is_refused(options: t.Any, words: str) -> None:
    IamServiceAccount.check({"name": "123-compute@developer.gserviceaccount.com", "display_name": "é" * 50})
    with pytest.raises(GcpError, match=words):
        IamServiceAccount.check(options)
