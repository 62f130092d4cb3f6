# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.module import argument_spec
from ansible_collections.mlops.mlflow.plugins.modules.gcp_sql_user import SqlUser

USERS = "v1/projects/p/instances/one/users"
OPERATION = {"kind": "sql#operation", "name": "op", "targetProject": "p", "status": "DONE"}
PASSWORD = "p@ss:/%#word"
JANE = {"name": "jane", "instance": "one", "host": ""}
AWAY = {"name": "jane", "instance": "one", "host": "10.0.0.1"}
OTHER = {"name": "postgres", "instance": "one"}


def users(http: t.Any, *known: t.Any) -> None:
    """These users are there."""
    http.when("GET", USERS, {"items": list(known)})
    for method in ("POST", "PUT", "DELETE"):
        http.when(method, USERS, OPERATION)


def test_a_user_is_created_with_a_password(http: t.Any, run: t.Any) -> None:
    http.when("POST", USERS, OPERATION)
    http.when("GET", USERS, {"items": [OTHER]}, {"items": [OTHER, JANE]})
    result = run(SqlUser, instance="one", name="jane", password=PASSWORD)
    assert result["resource"] == JANE
    assert [(r.method, r.body) for r in http.writes] == [("POST", {"name": "jane", "password": PASSWORD})]


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("known", [[], [JANE]])
def test_a_password_is_never_told(http: t.Any, run: t.Any, known: t.Any, check_mode: bool) -> None:
    http.when("GET", USERS, {"items": known}, {"items": [JANE]})
    http.when("POST", USERS, OPERATION)
    http.when("PUT", USERS, OPERATION)
    options = {"instance": "one", "name": "jane", "password": PASSWORD, "update_password": "always"}
    assert PASSWORD not in json.dumps(run(SqlUser, check_mode, **options))


def test_the_password_of_a_user_who_exists_is_left_alone(http: t.Any, run: t.Any) -> None:
    users(http, OTHER, JANE)
    assert not run(SqlUser, instance="one", name="jane", password=PASSWORD)["changed"]
    assert http.writes == []


def test_a_password_is_set_always_if_that_is_asked(http: t.Any, run: t.Any) -> None:
    users(http, OTHER, JANE)
    assert run(SqlUser, instance="one", name="jane", password=PASSWORD, update_password="always")["changed"]
    sent = [(r.method, r.path, r.body, r.query) for r in http.writes]
    assert sent == [("PUT", USERS, {"name": "jane", "password": PASSWORD}, {"name": "jane"})]


@pytest.mark.parametrize(
    ("roles", "named"),
    [(["a", "b"], {"databaseRoles": ["a", "b"]}), ([], {})],
)
def test_roles_are_named_in_the_query_and_others_revoked(http: t.Any, run: t.Any, roles: t.Any, named: t.Any) -> None:
    users(http, JANE | {"databaseRoles": ["b", "c"]})
    assert run(SqlUser, instance="one", name="jane", database_roles=roles)["changed"]
    (sent,) = http.writes
    assert (sent.method, sent.body) == ("PUT", {"name": "jane"})
    query = {key: value for key, value in sent.query.items() if value != []}
    assert query == {"name": "jane", "revokeExistingRoles": "true", **named}


def test_a_policy_is_sent_as_a_whole_without_its_status(http: t.Any, run: t.Any) -> None:
    policy = {"allowedFailedAttempts": 3, "enableFailedAttemptsCheck": True, "status": {"locked": False}}
    users(http, JANE | {"passwordPolicy": policy})
    assert run(SqlUser, instance="one", name="jane", password_policy={"allowed_failed_attempts": 5})["changed"]
    (sent,) = http.writes
    assert sent.body["passwordPolicy"] == {"allowedFailedAttempts": 5, "enableFailedAttemptsCheck": True}


def test_always_without_a_password_changes_nothing(http: t.Any, run: t.Any) -> None:
    users(http, JANE)
    assert not run(SqlUser, instance="one", name="jane", update_password="always")["changed"]


@pytest.mark.parametrize(
    ("known", "options", "query"),
    [
        pytest.param([JANE], {}, {"name": "jane"}, id="PostgreSQL"),
        pytest.param([AWAY], {}, {"name": "jane", "host": "10.0.0.1"}, id="MySQL, the only host"),
        pytest.param([JANE, AWAY], {"host": "10.0.0.1"}, {"name": "jane", "host": "10.0.0.1"}, id="MySQL, one of two"),
    ],
)
def test_a_user_is_deleted(http: t.Any, run: t.Any, known: t.Any, options: t.Any, query: t.Any) -> None:
    http.will_answer(200, {"items": [OTHER, *known]}).will_answer(200, OPERATION).will_answer(200, {"items": [OTHER]})
    assert run(SqlUser, instance="one", name="jane", state="absent", **options)["changed"]
    assert [(r.method, r.path, r.query) for r in http.writes] == [("DELETE", USERS, query)]


@pytest.mark.parametrize("known", [[], [OTHER]])
def test_a_user_who_is_not_there_is_not_deleted(http: t.Any, run: t.Any, known: t.Any) -> None:
    users(http, *known)
    assert not run(SqlUser, instance="one", name="jane", state="absent")["changed"]


def test_the_same_name_on_another_host_is_another_user(http: t.Any, run: t.Any) -> None:
    users(http, JANE)
    assert run(SqlUser, True, instance="one", name="jane", host="10.0.0.1")["diff"]["before"] == {}


def test_the_type_of_a_user_stays(http: t.Any, run: t.Any) -> None:
    users(http, JANE)
    assert not run(SqlUser, instance="one", name="jane", type="BUILT_IN")["changed"]
    with pytest.raises(GcpError, match="type cannot be changed"):
        run(SqlUser, instance="one", name="jane", type="CLOUD_IAM_USER")


def test_a_user_who_owns_objects_is_an_error(http: t.Any, run: t.Any) -> None:
    message = 'role "jane" cannot be dropped because some objects depend on it'
    users(http, JANE)
    http.when("DELETE", USERS, OPERATION | {"error": {"errors": [{"code": "INTERNAL_ERROR", "message": message}]}})
    with pytest.raises(GcpError, match=message):
        run(SqlUser, instance="one", name="jane", state="absent")


def test_an_instance_that_is_not_there_is_named(http: t.Any, run: t.Any) -> None:
    path = "v1/projects/p/instances/one/users"
    missing = {"error": {"code": 404, "message": "not found", "errors": [{"reason": "instanceDoesNotExist"}]}}
    http.when("POST", path, missing, status_code=404)
    with pytest.raises(GcpError, match="Check the option instance, which is one"):
        run(SqlUser, instance="one", name="mlflow")


def test_a_password_is_kept_out_of_the_log() -> None:
    assert argument_spec(SqlUser)["password"]["no_log"]
