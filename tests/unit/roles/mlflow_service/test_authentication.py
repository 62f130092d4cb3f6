# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role makes of the variables of authentication, and which of their values it refuses."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
import yaml
from ansible.template import trust_as_template
from test_templates import ROLE, Role, environment

PASSWORD = "canary: 50% of $HOME's \"`\\"
SECRETS = {
    "mlflow_service_database_password": "canary-of-the-database",
    "mlflow_service_admin_password": PASSWORD,
    "mlflow_service_flask_secret_key": PASSWORD,
}


def refused(role: Role) -> list[str]:
    """The messages of the checks of credentials.yml that fail."""

    def value(expression: str, variables: dict[str, Any]) -> Any:
        known = {name: trust_as_template(text) for name, text in variables.items()}
        return role.templar.copy_with_new_env(available_variables=role.variables | known).template(
            trust_as_template(expression)
        )

    messages = []
    for task in yaml.safe_load((ROLE / "tasks" / "credentials.yml").read_text()):
        if "when" in task and not value("{{ " + task["when"] + " }}", {}):
            continue
        for check in task.get("block", [task]):
            options = check["ansible.builtin.assert"]
            conditions = options["that"] if isinstance(options["that"], list) else [options["that"]]
            variables = check.get("vars", {})
            if not all(value("{{ " + condition + " }}", variables) for condition in conditions):
                messages.append(value(options["fail_msg"], variables))
                return messages  # a play ends here
    return messages


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({}, id="any printable characters"),
        pytest.param({"mlflow_service_admin_password": 123456789012}, id="a password of digits alone"),
        pytest.param({"mlflow_service_admin_username": "ad%m in@x"}, id="a name of special characters"),
        pytest.param({"mlflow_service_admin_password": None, "mlflow_service_auth": False}, id="no authentication"),
    ],
)
def test_credentials_that_work_are_taken(variables: dict[str, Any]) -> None:
    assert refused(Role(**(SECRETS | variables))) == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        pytest.param("mlflow_service_database_password", "canary\n", id="a line break for the database"),
        pytest.param("mlflow_service_admin_password", "", id="no password"),
        pytest.param("mlflow_service_admin_password", None, id="null for a password"),
        pytest.param("mlflow_service_admin_password", "canary-is-1", id="a short password"),
        pytest.param("mlflow_service_admin_password", "canary-with-a-line\n", id="a line break at the end"),
        pytest.param("mlflow_service_admin_password", "canary\twith-a-tab", id="a tab"),
        pytest.param("mlflow_service_admin_password", "canary-with-an-é", id="more than ASCII"),
        pytest.param("mlflow_service_admin_password", "password1234", id="the password of older releases"),
        pytest.param("mlflow_service_admin_username", "", id="no name"),
        pytest.param("mlflow_service_admin_username", "admin:", id="a name with a colon"),
        pytest.param("mlflow_service_admin_username", "admin\n", id="a name with a line break"),
        pytest.param("mlflow_service_admin_username", "a" * 256, id="a long name"),
        pytest.param("mlflow_service_flask_secret_key", "", id="no key"),
        pytest.param("mlflow_service_flask_secret_key", "canary-is-short", id="a short key"),
        pytest.param("mlflow_service_flask_secret_key", "canary-with-a\nline-break", id="a key with a line break"),
    ],
)
def test_credentials_that_cannot_work_are_refused_by_name_and_not_shown(variable: str, value: str | None) -> None:
    (message,) = refused(Role(**(SECRETS | {variable: value})))
    assert variable in message
    assert "canary" not in message
    assert "password1234" not in message


def test_what_is_missing_is_told_at_once_with_the_way_to_do_without() -> None:
    variables = {**SECRETS, "mlflow_service_admin_password": "", "mlflow_service_flask_secret_key": None}
    (message,) = refused(Role(**variables))
    assert "mlflow_service_admin_password and mlflow_service_flask_secret_key" in message
    assert "mlflow_service_auth to false" in message


def test_mlflow_reads_from_its_configuration_what_the_variables_say(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.server.auth.config import read_auth_config

    role = Role(
        mlflow_service_database_user="50%@x",
        mlflow_service_auth_database_name="us%ers (a)",
        mlflow_service_default_permission="NO_PERMISSIONS",
        mlflow_service_auth_cache_ttl=7,
        mlflow_service_admin_username="ad%min",
    )
    (tmp_path / "basic_auth.ini").write_text(role.render("basic_auth.ini.j2"))
    for name, value in role.value("__mlflow_service_auth_environment").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_AUTH_CONFIG_PATH", str(tmp_path / "basic_auth.ini"))
    found = read_auth_config()
    assert found.database_uri == role.value("__mlflow_service_auth_database_uri")
    assert found.default_permission == "NO_PERMISSIONS"
    assert found.auth_cache_ttl_seconds == 7
    assert (found.admin_username, found.admin_password) == ("ad%min", None)


def test_no_password_stands_in_the_environment_of_the_server_or_its_configuration() -> None:
    role = Role(**SECRETS)
    text = str(role.value("__mlflow_service_environment")) + role.render("basic_auth.ini.j2")
    assert "canary" not in text
    assert set(role.value("__mlflow_service_secret_environment")) == {"MLFLOW_FLASK_SERVER_SECRET_KEY"}


@pytest.mark.parametrize(
    ("variables", "secrets"),
    [
        pytest.param({}, {"MLFLOW_FLASK_SERVER_SECRET_KEY": PASSWORD}, id="default"),
        pytest.param({"mlflow_service_auth": False}, {}, id="no authentication"),
        pytest.param(
            {"mlflow_service_auth": False, "mlflow_service_encryption_passphrase": PASSWORD},
            {"MLFLOW_CRYPTO_KEK_PASSPHRASE": PASSWORD},
            id="a passphrase",
        ),
        pytest.param(
            {"mlflow_service_secret_environment": {"MLFLOW_FLASK_SERVER_SECRET_KEY": "mine", "A": "1"}},
            {"MLFLOW_FLASK_SERVER_SECRET_KEY": "mine", "A": "1"},
            id="a person's words win",
        ),
    ],
)
def test_secrets_reach_the_servers_by_their_own_file(variables: dict[str, Any], secrets: dict[str, str]) -> None:
    role = Role(**(SECRETS | variables))
    assert environment(role, role.value("__mlflow_service_secret_environment")) == secrets


def test_without_authentication_nothing_tells_the_server_or_the_tools_of_it() -> None:
    role = Role(mlflow_service_auth=False)
    assert role.value("__mlflow_service_auth_options") == {}
    assert not any("AUTH" in name for name in role.value("__mlflow_service_environment"))
    assert set(role.value("__mlflow_service_database_environment")) == {"MLFLOW_BACKEND_STORE_URI", "PGPASSFILE"}


@pytest.mark.parametrize(
    ("result", "stale"),
    [
        pytest.param(None, False, id="the administrator was not looked at"),
        pytest.param({"changed": False, "skipped": True}, False, id="skipped"),
        pytest.param({"stdout": '{"changed": true, "reason": "there is no such user"}'}, False, id="made"),
        pytest.param({"stdout": '{"changed": false, "reason": null}'}, False, id="unchanged"),
        pytest.param({"stdout": '{"changed": true, "reason": "the password is another one"}'}, True, id="changed"),
    ],
)
def test_the_servers_forget_a_password_of_the_administrator_that_was_changed(
    result: dict[str, Any] | None, stale: bool
) -> None:
    role = Role(**({} if result is None else {"__mlflow_service_administrator": result}))
    assert role.value("__mlflow_service_administrator_stale") is stale
