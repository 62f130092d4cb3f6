# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is sent to bring a user to the wanted state; tests/tracking has the same against a real server."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.client import MlflowError
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.resource import reconcile
from ansible_collections.mlops.mlflow.plugins.modules.mlflow_user import User

PASSWORD = "a password of the tests"
JANE = {"user": {"id": 2, "username": "jane", "is_admin": False}}
ADMIN = {"user": {"id": 2, "username": "jane", "is_admin": True}}
GONE = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "not found"})
WRONG = (401, "You are not authenticated.")
ROLES = {
    "roles": [
        {
            "name": "__user_2__",
            "workspace": "default",
            "permissions": [
                {"id": 5, "resource_type": "prompt", "resource_pattern": "p", "permission": "READ"},
                {"id": 6, "resource_type": "prompt", "resource_pattern": "own", "permission": "MANAGE"},
            ],
        }
    ]
}
CREATE = ("POST", "2.0/mlflow/users/create", {"username": "jane", "password": PASSWORD})
DELETE = ("DELETE", "2.0/mlflow/users/delete", {"username": "jane"})
SET_PASSWORD = ("PATCH", "2.0/mlflow/users/update-password", {"username": "jane", "password": PASSWORD})
PROMOTE = ("PATCH", "2.0/mlflow/users/update-admin", {"username": "jane", "is_admin": True})
DEMOTE = ("PATCH", "2.0/mlflow/users/update-admin", {"username": "jane", "is_admin": False})
ON_PROMPT = {"username": "jane", "resource_type": "prompt"}
REVOKE = ("POST", "3.0/mlflow/users/permissions/revoke", {**ON_PROMPT, "resource_id": "p"})
REVOKE_OWN = ("POST", "3.0/mlflow/users/permissions/revoke", {**ON_PROMPT, "resource_id": "own"})
CHANGE = ("PATCH", "3.0/mlflow/roles/permissions/update", {"role_permission_id": 5, "permission": "EDIT"})


@pytest.mark.parametrize(
    ("options", "before", "changes", "after"),
    [
        pytest.param({"password": PASSWORD}, [GONE], [CREATE], [JANE, {}], id="created"),
        pytest.param({"password": PASSWORD, "admin": True}, [GONE], [CREATE, PROMOTE], [ADMIN, {}], id="as an admin"),
        pytest.param({"password": PASSWORD}, [JANE, {}], [], [], id="the same password"),
        pytest.param({"password": PASSWORD}, [JANE, WRONG], [SET_PASSWORD], [JANE, {}], id="another password"),
        pytest.param({"password": PASSWORD, "update_password": "on_create"}, [JANE], [], [], id="no password to set"),
        pytest.param({}, [JANE], [], [], id="nothing said"),
        pytest.param({"admin": False}, [JANE], [], [], id="ordinary already"),
        pytest.param({"admin": True}, [JANE], [PROMOTE], [ADMIN], id="promoted"),
        pytest.param({"admin": False}, [ADMIN], [DEMOTE], [JANE], id="demoted"),
        pytest.param({"state": "absent"}, [JANE], [DELETE], [GONE], id="removed"),
        pytest.param({"state": "absent"}, [GONE], [], [], id="absent"),
        pytest.param(
            {"permissions": []}, [JANE, ROLES], [REVOKE, REVOKE_OWN], [JANE, {"roles": []}], id="all rights taken away"
        ),
        pytest.param(
            {"permissions": [{"prompt": "p", "permission": "EDIT"}], "keep_owned": True},
            [JANE, ROLES],
            [CHANGE],
            [
                JANE,
                {
                    "roles": [
                        {
                            **ROLES["roles"][0],
                            "permissions": [
                                {"id": 5, "resource_type": "prompt", "resource_pattern": "p", "permission": "EDIT"}
                            ],
                        }
                    ]
                },
            ],
            id="a right changed, and what was created kept",
        ),
    ],
)
def test_what_is_sent(script: t.Any, options: t.Any, before: t.Any, changes: t.Any, after: t.Any) -> None:
    script.will(*before)
    foretold = reconcile(script.resource(User, check_mode=True, name="jane", **options))
    assert script.changes == []
    script.will(*before, *[{}] * len(changes), *after)
    done = reconcile(script.resource(User, name="jane", **options))
    assert script.changes == changes
    assert script.answers == []
    assert done["changed"] == bool(changes)
    assert {key: foretold[key] for key in ("changed", "diff")} == {key: done[key] for key in ("changed", "diff")}
    assert done["access_lost"] == foretold["access_lost"]
    assert done["access_lost"] == any(change in (DELETE, DEMOTE, SET_PASSWORD, REVOKE) for change in changes)


@pytest.mark.parametrize(
    ("rights", "lost"),
    [
        pytest.param([{"prompt": "p", "permission": "EDIT"}], False, id="raised"),
        pytest.param(
            [{"prompt": "p", "permission": "READ"}, {"prompt": "q", "permission": "READ"}], False, id="one more"
        ),
        pytest.param([{"prompt": "p", "permission": "DENY"}], True, id="denied"),
        pytest.param([], True, id="revoked"),
    ],
)
def test_a_right_that_is_lost_is_told_of_who_was_there_alone(script: t.Any, rights: t.Any, lost: bool) -> None:
    options = {"name": "jane", "password": PASSWORD, "permissions": rights, "keep_owned": True}
    script.will(JANE, ROLES, {})
    assert reconcile(script.resource(User, check_mode=True, **options))["access_lost"] is lost
    script.will(GONE)
    assert reconcile(script.resource(User, check_mode=True, **options))["access_lost"] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": ""}, "name is empty"),
        ({"name": "a:b"}, "without a colon"),
        ({"name": "jané"}, "printable ASCII"),
        ({"name": "a\nb"}, "printable ASCII"),
        ({"password": "too short"}, "password has 9 characters, but MLflow wants at least 12"),
        ({"password": "pässword of the tests"}, "password must be printable ASCII"),
        ({"password": "password1234"}, "which is known"),
        ({"name": "admin", "state": "absent"}, "cannot remove this user"),
        ({"name": "admin", "admin": False}, "must stay an administrator"),
        ({"permissions": [{"prompt": "a"}, {"prompt": "a"}]}, "twice"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(script: t.Any, options: t.Any, words: str) -> None:
    with pytest.raises(MlflowError) as raised:
        reconcile(script.resource(User, **{"name": "jane", **options}))
    assert words in str(raised.value)
    assert script.requests == []
    assert "too short" not in str(raised.value)


@pytest.mark.parametrize("name", ["a:b", "jané"])
def test_somebody_with_an_odd_name_can_be_removed(script: t.Any, name: str) -> None:
    script.will(JANE, {}, GONE)
    assert reconcile(script.resource(User, name=name, state="absent"))["changed"]


def test_a_creation_whose_answer_is_lost_is_looked_at(script: t.Any) -> None:
    script.will(GONE, ConnectionResetError("reset"), JANE, {})
    done = reconcile(script.resource(User, name="jane", password=PASSWORD))
    assert done["changed"]
    assert done["diff"]["before"] == {}
    assert script.changes == [CREATE]


def test_a_user_whom_somebody_else_has_just_created_gets_the_password(script: t.Any) -> None:
    exists = (400, {"error_code": "RESOURCE_ALREADY_EXISTS", "message": "exists"})
    script.will(GONE, exists, JANE, WRONG, {}, JANE, {})
    assert reconcile(script.resource(User, name="jane", password=PASSWORD))["changed"]
    assert script.changes == [CREATE, SET_PASSWORD]


def test_ones_own_password_is_changed_with_the_present_one(script: t.Any) -> None:
    script.will({"user": {"id": 1, "username": "admin", "is_admin": True}}, WRONG, {})
    script.will({"user": {"id": 1, "username": "admin", "is_admin": True}}, {})
    reconcile(script.resource(User, name="admin", password=PASSWORD))
    assert script.changes[0][2] == {
        "username": "admin",
        "password": PASSWORD,
        "current_password": "secret of the admin",
    }
    assert script.options[-2]["url_password"] == PASSWORD


def test_rights_in_another_workspace_are_not_looked_at(script: t.Any) -> None:
    script.will(JANE, ROLES)
    assert not reconcile(script.resource(User, name="jane", permissions=[], workspace="team"))["changed"]
