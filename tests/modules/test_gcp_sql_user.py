# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the rows of the user's table cannot say: passwords, which nobody can read, and users of IAM."""

from __future__ import annotations

import contextlib
import typing as t

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.gcp.errors import GcpError
from ansible_collections.mlops.mlflow.plugins.modules.gcp_sql_instance import SqlInstance
from ansible_collections.mlops.mlflow.plugins.modules.gcp_sql_user import SqlUser
from gcp_emulator.backends import RefusedError
from gcp_emulator.faults import Fault

from .cases.gcp_sql_user import CASE
from .cloud import Cloud

Json = dict[str, t.Any]

PATH = "projects/test-project/instances/one"
INSTANCE = f"https://sqladmin.googleapis.com/v1/{PATH}"
OLD, NEW = "canary-of-old", "canary-of-new"
LABEL = "password-version-jane"


@pytest.fixture(autouse=True)
def prepared(cloud: Cloud) -> None:
    """An instance."""
    for needed in CASE.needs:
        cloud.run(needed.kind, needed.options)


def user(cloud: Cloud, **options: t.Any) -> Json:
    given = CASE.base | options
    promise = cloud.run(SqlUser, given, check_mode=True)
    result = cloud.run(SqlUser, given)
    assert (promise["changed"], promise["diff"]) == (result["changed"], result["diff"])
    assert "canary" not in f"{promise}{result}"
    return result


def password(cloud: Cloud, name: str = "jane") -> str | None:
    return cloud.emulator.databases.users[PATH][name]


def labels(cloud: Cloud) -> Json:
    found: Json = cloud.emulator.ok("GET", INSTANCE)["settings"].get("userLabels", {})
    return found


def test_another_version_of_a_password_is_a_change_once(cloud: Cloud) -> None:
    assert user(cloud, password=OLD, password_version="1")["changed"]
    assert labels(cloud) == {LABEL: "1"}
    assert not user(cloud, password=NEW, password_version="1")["changed"]
    assert password(cloud) == OLD

    rotated = user(cloud, password=NEW, password_version="2")
    assert rotated["changed"]
    sides = [rotated["diff"][side]["passwordVersion"] for side in ("before", "after")]
    assert sides == ["1", "2"]
    assert rotated["resource"]["passwordVersion"] == "2"
    assert (password(cloud), labels(cloud)) == (NEW, {LABEL: "2"})
    assert not user(cloud, password=NEW, password_version="2")["changed"]


def test_a_user_without_a_version_gets_one(cloud: Cloud) -> None:
    user(cloud, password=OLD)
    assert user(cloud, password=NEW, password_version="2026-11")["changed"]
    assert password(cloud) == NEW
    assert not user(cloud, password=NEW, password_version="2026-11")["changed"]
    assert not user(cloud)["changed"], "what is unset is left alone"
    assert labels(cloud) == {LABEL: "2026-11"}


def test_a_version_costs_one_request_more_and_nothing_else(cloud: Cloud) -> None:
    user(cloud, password=OLD, password_version="1")
    with cloud.recorded() as sent:
        cloud.run(SqlUser, CASE.base | {"password": OLD, "password_version": "1"})
    assert [(request.method, request.path.rpartition("/")[2]) for request in sent] == [("GET", "users"), ("GET", "one")]


def test_a_version_that_was_not_noted_is_made_up_for_by_the_next_run(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(SqlUser, "set_label", lambda _self, _version: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            cloud.run(SqlUser, CASE.base | {"password": NEW, "password_version": "1"})
    cloud.emulator.finish()
    assert (password(cloud), labels(cloud)) == (NEW, {})
    assert user(cloud, password=NEW, password_version="1")["changed"]
    assert not user(cloud, password=NEW, password_version="1")["changed"]


@pytest.mark.parametrize("there", [False, True], ids=["insert", "update"])
def test_a_version_is_noted_only_after_the_password_is_set(cloud: Cloud, there: bool) -> None:
    if there:
        user(cloud, password=OLD, password_version="1")
    method = "sql.users.update" if there else "sql.users.insert"
    cloud.emulator.faults.add(Fault(method=method, kind="operation-error", call=1))
    with cloud.recorded() as sent, pytest.raises(GcpError):
        cloud.run(SqlUser, CASE.base | {"password": NEW, "password_version": "2"})
    assert "PATCH" not in {request.method for request in sent}
    assert labels(cloud) == ({LABEL: "1"} if there else {})


def test_a_label_that_somebody_changes_meanwhile_is_not_changed_back(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def set_app(value: str) -> None:
        cloud.emulator.ok("PATCH", INSTANCE, {"settings": {"userLabels": {"app": value}}})
        cloud.emulator.finish()

    read, others = SqlUser.instance, iter(["somebody else's"])

    def meanwhile(self: SqlUser) -> Json:
        found = read(self)
        for value in others:
            set_app(value)
        return found

    set_app("mine")
    monkeypatch.setattr(SqlUser, "instance", meanwhile)
    cloud.run(SqlUser, CASE.base | {"password": OLD, "password_version": "1"})
    assert labels(cloud) == {"app": "somebody else's", LABEL: "1"}


def test_labels_of_the_instance_stay_when_a_version_is_noted_and_forgotten(cloud: Cloud) -> None:
    instance = CASE.needs[0].options
    settings = instance["settings"] | {"user_labels": {"app": "mlflow"}}
    cloud.run(SqlInstance, instance | {"settings": settings})
    user(cloud, password=OLD, password_version="1")
    assert labels(cloud) == {"app": "mlflow", LABEL: "1"}
    assert not cloud.run(SqlInstance, instance | {"settings": settings})["changed"]
    assert user(cloud, state="absent")["changed"]
    assert labels(cloud) == {"app": "mlflow"}


def test_a_name_that_a_label_cannot_have_is_told_by_a_digest(cloud: Cloud) -> None:
    user(cloud, name="Jane.Doe@example.com", password=OLD, password_version="1")
    (label,) = labels(cloud)
    assert label.startswith("password-version-")
    assert len(label) <= 63
    assert not user(cloud, name="Jane.Doe@example.com", password=NEW, password_version="1")["changed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"password_version": "1"}, "Give the option password too"),
        ({"password": OLD, "password_version": "No Label"}, "password_version is 'No Label', but must be"),
        ({"password": OLD, "type": "CLOUD_IAM_USER"}, "password is for users of the type BUILT_IN"),
        ({"password_policy": {"password_expiration_duration": "a week"}}, "must be a number of seconds"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(options: Json, words: str) -> None:
    defaults = dict.fromkeys(SqlUser.fields) | {"state": "present"}
    with pytest.raises(GcpError, match=words):
        SqlUser.check(defaults | CASE.base | options)


def test_always_sets_the_password_at_each_run(cloud: Cloud) -> None:
    user(cloud, password=OLD)
    assert user(cloud, password=NEW, update_password="always")["changed"]
    assert password(cloud) == NEW


def test_a_password_that_the_policy_refuses_is_an_error_that_does_not_tell_it(cloud: Cloud) -> None:
    instance = CASE.needs[0].options
    policy = {"enable_password_policy": True, "complexity": "COMPLEXITY_DEFAULT"}
    cloud.run(SqlInstance, instance | {"settings": instance["settings"] | {"password_validation_policy": policy}})
    with pytest.raises(GcpError, match=r"INVALID_PASSWORD.*Check the option password") as error:
        cloud.run(SqlUser, CASE.base | {"password": OLD})
    assert OLD not in str(error.value)
    assert "jane" not in cloud.emulator.databases.users[PATH]


@pytest.mark.parametrize(
    ("name", "kind", "known", "role"),
    [
        (
            "MLflow@test-project.iam.gserviceaccount.com",
            "CLOUD_IAM_SERVICE_ACCOUNT",
            "mlflow@test-project.iam",
            "cloudsqliamserviceaccount",
        ),
        ("Jane@Example.com", "CLOUD_IAM_USER", "jane@example.com", "cloudsqliamuser"),
        ("team@example.com", "CLOUD_IAM_GROUP", "team@example.com", "cloudsqliamgroup"),
    ],
)
def test_a_user_of_iam_is_named_as_postgresql_wants_it(
    cloud: Cloud, name: str, kind: str, known: str, role: str
) -> None:
    assert user(cloud, name=name, type=kind)["resource"]["name"] == known
    assert cloud.emulator.databases.roles[PATH][known] == (role,)
    assert not user(cloud, name=name, type=kind)["changed"]
    assert not user(cloud, name=known, type=kind)["changed"]
    assert user(cloud, name=name, type=kind, state="absent")["changed"]


def test_a_user_of_iam_needs_a_flag_which_the_error_names(cloud: Cloud) -> None:
    instance = CASE.needs[0].options
    cloud.run(SqlInstance, instance | {"settings": instance["settings"] | {"database_flags": []}})
    with pytest.raises(GcpError, match=r"Set the flag cloudsql\.iam_authentication to on in settings\.database_flags"):
        cloud.run(SqlUser, CASE.base | {"name": "jane@example.com", "type": "CLOUD_IAM_USER"})


def test_a_role_that_there_is_not_is_an_error(cloud: Cloud) -> None:
    with pytest.raises(GcpError, match='role "readers" does not exist'):
        cloud.run(SqlUser, CASE.base | {"database_roles": ["readers"]})


def test_a_user_who_owns_objects_is_not_dropped_and_the_way_out_is_told(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(cloud, password=OLD, password_version="1")
    words = 'role "jane" cannot be dropped because some objects depend on it Details: 112 objects in database mlflow'

    def refuse(_path: str, _name: str) -> None:
        raise RefusedError(words)

    monkeypatch.setattr(cloud.emulator.databases, "drop_user", refuse)
    with pytest.raises(GcpError, match=r"112 objects in database mlflow.*REASSIGN OWNED BY"):
        cloud.run(SqlUser, CASE.base | {"state": "absent"})
    assert labels(cloud) == {LABEL: "1"}


ANYWHERE = ("503", "reset-before", "reset-after", "slow")
FAULTS = [
    *((f"sql.{method}", kind) for method in ("users.list", "instances.get") for kind in (*ANYWHERE, "stale")),
    *(
        (f"sql.{method}", kind)
        for method in ("users.insert", "users.update", "instances.patch")
        for kind in (*ANYWHERE, "operation-error")
    ),
]


@pytest.mark.parametrize(("method", "kind"), FAULTS)
@pytest.mark.parametrize("call", [1, 2])
def test_a_password_that_meets_a_fault_is_set_by_the_next_run_at_the_latest(
    cloud: Cloud, method: str, kind: str, call: int
) -> None:
    for version, value in (("1", OLD), ("2", NEW)):
        options = CASE.base | {"password": value, "password_version": version}
        cloud.emulator.faults.add(Fault(method=method, kind=kind, call=call))
        with contextlib.suppress(GcpError):
            cloud.run(SqlUser, options)
        cloud.emulator.faults.clear()
        cloud.run(SqlUser, options)
        assert (password(cloud), labels(cloud)) == (value, {LABEL: version})
        assert not user(cloud, password=value, password_version=version)["changed"]
