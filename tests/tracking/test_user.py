# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users and what they may do."""

from __future__ import annotations

import typing as t
import urllib.parse

import pytest
from ansible.module_utils.urls import open_url

from .server import ADMIN, ADMIN_PASSWORD, Json, Server

PASSWORD, OTHER_PASSWORD = "a password of the tests", "another one of the tests"


def user(server: Server, name: str) -> Json | None:
    """A user, by MLflow itself."""
    users = server.ask("GET", "/api/2.0/mlflow/users/list")[1]["users"]
    return next((one for one in users if one["username"] == name), None)


def logs_in(server: Server, name: str, password: str) -> bool:
    """Whether somebody is let in."""
    return server.ask("GET", "/api/2.0/mlflow/users/current", login=(name, password))[0] == 200


def grants(server: Server, name: str) -> set[tuple[str, str, str]]:
    """What is granted to a user, by MLflow itself."""
    rows = server.ask("GET", f"/api/3.0/mlflow/users/permissions/list?username={name}")[1]["permissions"]
    return {(row["resource_type"], row["resource_pattern"], row["permission"]) for row in rows}


def grant(server: Server, name: str, kind: str, pattern: str, permission: str) -> None:
    """Somebody else grants something."""
    body = {"username": name, "resource_type": kind, "resource_id": pattern, "permission": permission}
    assert server.ask("POST", "/api/3.0/mlflow/users/permissions/grant", body)[0] == 200


@pytest.fixture
def experiment(server: Server, name: str) -> t.Callable[[str], str]:
    """Makes experiments; their IDs by their names."""

    def made(title: str) -> str:
        return str(server.ask("POST", "/api/2.0/mlflow/experiments/create", {"name": title})[1]["experiment_id"])

    return made


def test_a_user_comes_and_goes(server: Server, name: str) -> None:
    came = server.apply("mlflow_user", name=name, password=PASSWORD)
    assert came["changed"]
    assert came["diff"] == {"before": {}, "after": {"name": name}}
    assert came["resource"]["username"] == name
    assert not came["access_lost"]
    assert logs_in(server, name, PASSWORD)
    went = server.apply("mlflow_user", name=name, state="absent")
    assert went["diff"] == {"before": {"name": name, "admin": False}, "after": {}}
    assert went["access_lost"]
    assert user(server, name) is None


def test_another_password_is_set_once(server: Server, name: str) -> None:
    server.apply("mlflow_user", name=name, password=PASSWORD)
    changed = server.apply("mlflow_user", name=name, password=OTHER_PASSWORD)
    assert changed["changed"]
    assert changed["access_lost"]
    assert changed["diff"]["before"]["password"] == "(another one)"
    assert logs_in(server, name, OTHER_PASSWORD)
    assert not logs_in(server, name, PASSWORD)


def test_a_password_that_is_set_on_creation_alone_stays(server: Server, name: str) -> None:
    options = {"name": name, "update_password": "on_create"}
    assert server.apply("mlflow_user", **options, password=PASSWORD)["changed"]
    assert not server.apply("mlflow_user", **options, password=OTHER_PASSWORD)["changed"]
    assert logs_in(server, name, PASSWORD)


def test_a_user_becomes_an_administrator_and_an_ordinary_one(server: Server, name: str) -> None:
    server.apply("mlflow_user", name=name, password=PASSWORD)
    promoted = server.apply("mlflow_user", name=name, admin=True)
    assert promoted["diff"]["before"] == {"name": name, "admin": False}
    assert not promoted["access_lost"]
    assert not server.apply("mlflow_user", name=name, password=PASSWORD)["changed"], "unset is unmanaged"
    assert (user(server, name) or {})["is_admin"]
    assert server.apply("mlflow_user", name=name, admin=False)["access_lost"]
    assert not (user(server, name) or {})["is_admin"]


def test_a_user_is_created_as_an_administrator_with_permissions(
    server: Server, name: str, experiment: t.Callable[[str], str]
) -> None:
    number = experiment(name)
    wanted = [{"experiment": name, "permission": "EDIT"}]
    made = server.apply("mlflow_user", name=name, password=PASSWORD, admin=True, permissions=wanted)
    assert made["diff"]["after"] == {"name": name, "admin": True, "permissions": wanted}
    assert made["resource"]["permissions"] == [
        {"resource_type": "experiment", "resource_pattern": number, "permission": "EDIT"}
    ]
    assert grants(server, name) == {("experiment", number, "EDIT")}


def test_permissions_are_exact_when_given_and_left_alone_when_not(
    server: Server, name: str, experiment: t.Callable[[str], str]
) -> None:
    one, two = experiment(f"{name}-1"), experiment(f"{name}-2")
    server.apply(
        "mlflow_user",
        name=name,
        password=PASSWORD,
        permissions=[
            {"experiment": f"{name}-1", "permission": "READ"},
            {"experiment": f"{name}-2", "permission": "MANAGE"},
            {"registered_model": "m", "permission": "EDIT"},
        ],
    )
    assert grants(server, name) == {
        ("experiment", one, "READ"),
        ("experiment", two, "MANAGE"),
        ("registered_model", "m", "EDIT"),
    }
    assert not server.apply("mlflow_user", name=name)["changed"]
    grant(server, name, "prompt", "by hand", "USE")
    changed = server.apply(
        "mlflow_user",
        name=name,
        permissions=[
            {"experiment": f"{name}-1", "permission": "DENY"},
            {"experiment": "*", "permission": "EDIT"},
            {"registered_model": "m", "permission": "EDIT"},
        ],
    )
    assert changed["access_lost"]
    assert changed["diff"]["before"]["permissions"] == [
        {"experiment": f"{name}-1", "permission": "READ"},
        {"experiment": f"{name}-2", "permission": "MANAGE"},
        {"prompt": "by hand", "permission": "USE"},
        {"registered_model": "m", "permission": "EDIT"},
    ]
    assert grants(server, name) == {
        ("experiment", one, "DENY"),
        ("experiment", "*", "EDIT"),
        ("registered_model", "m", "EDIT"),
    }
    assert server.apply("mlflow_user", name=name, permissions=[])["changed"]
    assert grants(server, name) == set()


@pytest.mark.parametrize("kind", ["run", "trace", "assessment", "logged_model", "gateway_secret", "mcp_server"])
def test_every_one_of_a_type_can_be_granted(server: Server, name: str, kind: str) -> None:
    wanted = [{kind: "*", "permission": "READ"}]
    server.apply("mlflow_user", name=name, password=PASSWORD, permissions=wanted)
    assert grants(server, name) == {(kind, "*", "READ")}


@pytest.mark.parametrize(("keep", "left"), [(True, {"MANAGE", "EDIT"}), (False, {"EDIT"})])
def test_what_a_user_has_created_is_kept_on_request(
    server: Server, name: str, experiment: t.Callable[[str], str], keep: bool, left: set[str]
) -> None:
    experiment(name)
    server.apply("mlflow_user", name=name, password=PASSWORD)
    body = {"name": f"{name}-own"}
    assert server.ask("POST", "/api/2.0/mlflow/experiments/create", body, login=(name, PASSWORD))[0] == 200
    grant(server, name, "experiment", "*", "USE")
    wanted = [{"experiment": name, "permission": "EDIT"}]
    server.apply("mlflow_user", name=name, permissions=wanted, keep_owned=keep)
    assert {permission for _, _, permission in grants(server, name)} == left


def test_a_reader_reads_and_writes_only_where_it_may(
    server: Server, name: str, experiment: t.Callable[[str], str]
) -> None:
    numbers = {right: experiment(f"{name}-{right}") for right in ("EDIT", "DENY", "none")}
    wanted = [{"experiment": f"{name}-{right}", "permission": right} for right in ("EDIT", "DENY")]
    server.apply("mlflow_user", name=name, password=PASSWORD, permissions=wanted)

    def may(right: str) -> tuple[int, int]:
        login = (name, PASSWORD)
        read = server.ask("GET", f"/api/2.0/mlflow/experiments/get?experiment_id={numbers[right]}", login=login)
        write = server.ask("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": numbers[right]}, login=login)
        return read[0], write[0]

    assert {right: may(right) for right in numbers} == {"EDIT": (200, 200), "DENY": (403, 403), "none": (200, 403)}


@pytest.mark.parametrize("received", [True, False], ids=["received", "not received"])
@pytest.mark.parametrize("number", [1, 2, 3], ids=["creation", "promotion", "grant"])
def test_a_change_whose_answer_is_lost_is_made_once(server: Server, name: str, number: int, received: bool) -> None:
    changes = []

    def losing(url: str, method: str, **options: t.Any) -> t.Any:
        if method != "GET":
            changes.append(url.rpartition("/")[2])
            if len(changes) == number:
                if received:
                    open_url(url, method=method, **options)
                raise ConnectionResetError("the answer is lost")
        return open_url(url, method=method, **options)

    wanted = [{"prompt": "*", "permission": "EDIT"}]
    done = server.run("mlflow_user", opener=losing, name=name, password=PASSWORD, admin=True, permissions=wanted)
    assert done["diff"] == {"before": {}, "after": {"name": name, "admin": True, "permissions": wanted}}
    steps = ["create", "update-admin", "grant"]
    assert changes == (steps if received else [*steps[:number], *steps[number - 1 :]])
    assert (user(server, name) or {})["is_admin"]
    assert grants(server, name) == {("prompt", "*", "EDIT")}
    assert logs_in(server, name, PASSWORD)


def test_roles_that_users_share_are_not_looked_at(server: Server, name: str) -> None:
    server.apply("mlflow_user", name=name, password=PASSWORD)
    role = {"workspace": "default", "name": f"team-{name}"}
    number = server.ask("POST", "/api/3.0/mlflow/roles/create", role)[1]["role"]["id"]
    right = {"role_id": number, "resource_type": "prompt", "resource_pattern": "*", "permission": "EDIT"}
    assert server.ask("POST", "/api/3.0/mlflow/roles/permissions/add", right)[0] == 200
    assert server.ask("POST", "/api/3.0/mlflow/roles/assign", {"username": name, "role_id": number})[0] == 200
    assert not server.apply("mlflow_user", name=name, permissions=[])["changed"]
    assert grants(server, name) == {("prompt", "*", "EDIT")}


def test_an_unknown_experiment_is_an_error_and_in_a_check_a_warning(server: Server, name: str) -> None:
    options: Json = {
        "name": name,
        "password": PASSWORD,
        "permissions": [{"experiment": name, "permission": "EDIT"}],
    }
    message = server.fails("mlflow_user", **options)
    assert f"experiments that do not exist, or are deleted: {name}." in message
    assert user(server, name) is None
    foretold = server.run("mlflow_user", check_mode=True, **options)
    assert foretold["diff"]["after"]["permissions"] == options["permissions"]


def test_a_deleted_experiment_is_unknown(server: Server, name: str, experiment: t.Callable[[str], str]) -> None:
    server.ask("POST", "/api/2.0/mlflow/experiments/delete", {"experiment_id": experiment(name)})
    wanted = [{"experiment": name, "permission": "EDIT"}]
    assert "or are deleted" in server.fails("mlflow_user", name=name, password=PASSWORD, permissions=wanted)


def test_what_mlflow_does_not_know_is_told_in_its_own_words(server: Server, name: str) -> None:
    wanted = [{"skill": "*", "permission": "READ"}]
    message = server.fails("mlflow_user", name=name, password=PASSWORD, permissions=wanted)
    assert "Invalid resource type 'skill'" in message


def test_a_user_without_a_password_cannot_be_created(server: Server, name: str) -> None:
    assert "cannot be created without password" in server.fails("mlflow_user", name=name)


@pytest.mark.parametrize(
    ("login", "words"),
    [
        pytest.param({"tracking_password": "not the right one"}, "refuses the login of 'admin'", id="wrong password"),
        pytest.param({"tracking_username": None, "tracking_password": None}, "wants a login", id="none"),
        pytest.param({"tracking_uri": "http://evil.example.com"}, "Use one of its allowed hosts", id="host"),
        pytest.param({"workspace": "team"}, "workspaces are not enabled", id="workspace"),
        pytest.param({"tracking_uri": "http://localhost/nowhere"}, "tracking_uri|authentication is not on", id="path"),
    ],
)
def test_a_login_that_does_not_do_is_an_error(server: Server, name: str, login: Json, words: str) -> None:
    given = {key: value for key, value in login.items() if value is not None}
    without = {key: None for key, value in login.items() if value is None}
    message = server.fails("mlflow_user", name=name, state="absent", **without, **given)
    assert any(word in message for word in words.split("|")), message


def test_somebody_else_than_an_administrator_is_told_so(server: Server, name: str) -> None:
    server.apply("mlflow_user", name=name, password=PASSWORD)
    login = {"tracking_username": name, "tracking_password": PASSWORD}
    message = server.fails("mlflow_user", name="somebody", state="absent", **login)
    assert f"does not let {name!r} do this" in message
    assert "Log in as an administrator" in message


def test_an_administrator_changes_their_own_password(server: Server, name: str) -> None:
    server.apply("mlflow_user", name=name, password=PASSWORD, admin=True)
    login: Json = {"tracking_username": name, "tracking_password": PASSWORD}
    assert server.run("mlflow_user", name=name, password=OTHER_PASSWORD, **login)["changed"]
    assert logs_in(server, name, OTHER_PASSWORD)


def test_the_users_are_listed(server: Server, name: str) -> None:
    server.apply("mlflow_user", name=name, password=PASSWORD, permissions=[{"prompt": "*", "permission": "USE"}])
    told = server.run("mlflow_user_info")
    assert not told["changed"]
    found = {one["username"]: one for one in told["users"]}
    assert found[ADMIN]["is_admin"]
    assert [row["permission"] for role in found[name]["roles"] for row in role["permissions"]] == ["USE"]


@pytest.mark.parametrize("name_of_user", ["with space", "a/b&c=d?e#f", "1", "x" * 250])
def test_odd_names_are_names(server: Server, name: str, name_of_user: str) -> None:
    odd = f"{name_of_user}{name}"[:255]
    server.apply("mlflow_user", name=odd, password=PASSWORD, permissions=[{"prompt": "*", "permission": "USE"}])
    assert grants(server, urllib.parse.quote(odd)) == {("prompt", "*", "USE")}
    server.apply("mlflow_user", name=odd, state="absent")


def test_passwords_are_in_no_result(server: Server, name: str) -> None:
    refused = [{"skill": "*", "permission": "USE"}]
    results = [
        server.run("mlflow_user", name=name, password=PASSWORD),
        server.run("mlflow_user", name=name, password=OTHER_PASSWORD),
        server.run("mlflow_user", name=name, password=OTHER_PASSWORD, permissions=refused),
    ]
    assert [secret for secret in (PASSWORD, OTHER_PASSWORD, ADMIN_PASSWORD, "scrypt") if secret in str(results)] == []
