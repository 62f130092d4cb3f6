# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the role computes from its variables, and the files that it writes of them."""

from __future__ import annotations

import pathlib
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = pathlib.Path(__file__).parents[4] / "roles" / "mlflow_service"
EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 - a value, bound to nothing
AWKWARD = "p@:/%#w'\"\\ d$HOME`id`{{ x }}"


class Role:
    """The role's variables and templates, as a play would have them."""

    def __init__(self, **variables: Any) -> None:
        loader = DataLoader()
        loader.set_basedir(str(ROLE / "templates"))
        internal = {
            name: value
            for file in sorted((ROLE / "vars" / "main").glob("*.yml"))
            for name, value in loader.load_from_file(str(file), trusted_as_template=True).items()
        }
        self.variables = internal | {
            "ansible_managed": "Managed",
            "ansible_facts": {"processor_vcpus": 2, "memtotal_mb": 3900, "distribution_major_version": "12"},
            "mlflow_service_database_host": "10.20.0.3",
            "mlflow_service_flask_secret_key": "canary-of-the-forms",
            "__mlflow_service_database_seen": True,
            "__mlflow_service_database": {
                "stdout": '{"connections": {"max": 100, "reserved": 3, "limit": null, "others": 0}}'
            },
            **loader.load_from_file(str(ROLE / "defaults" / "main.yml"), trusted_as_template=True),
            **variables,
        }
        self.templar = Templar(loader=loader, variables=self.variables)

    def value(self, name: str) -> Any:
        """The value of a variable."""
        return self.templar.template(self.variables[name])

    def render(self, name: str) -> str:
        """A template, rendered with the options of the template module."""
        text = trust_as_template((ROLE / "templates" / name).read_text())
        return str(self.templar.copy_with_new_env(searchpath=[str(ROLE / "templates")]).template(
            text, overrides={"trim_blocks": True, "lstrip_blocks": False}, escape_backslashes=False
        ))  # fmt: skip


class Unit:
    """A unit that the role writes."""

    def __init__(self, role: Role, name: str, template: str, server: Any = None) -> None:
        self.role, self.name, self.template, self.server = role, name, template, server

    def render(self) -> str:
        """The unit's text."""
        self.role.variables["server"] = self.server
        self.role.templar.available_variables = self.role.variables
        return self.role.render(self.template)


def units(role: Role) -> list[Unit]:
    """All units of the role."""
    return [
        Unit(role, found["unit"], found["template"], found.get("server"))
        for found in role.value("__mlflow_service_units")
    ]


def unit(role: Role, name: str) -> str:
    """The text of the unit of that name."""
    (found,) = (found for found in units(role) if found.name == name)
    return found.render()


def environment(role: Role, content: Mapping[str, Any]) -> dict[str, str]:
    """The environment file, read back: in double quotes, systemd takes a backslash off four characters."""
    role.variables["content"] = content
    role.templar.available_variables = role.variables
    found = {}
    for line in role.render("mlflow.env.j2").splitlines():
        if match := re.fullmatch(r'(\w+)="((?:[^"\\`$]|\\["\\`$])*)"', line):
            found[match[1]] = re.sub(r"\\(.)", r"\1", match[2])
        else:
            assert line.startswith("#")
    return found


def password_fields(line: str) -> list[str]:
    """A line of a libpq password file, read back: a backslash takes the next character as it is."""
    fields, characters = [""], iter(line)
    for character in characters:
        if character == ":":
            fields.append("")
        else:
            fields[-1] += next(characters) if character == "\\" else character
    return fields


@pytest.mark.parametrize("password", [AWKWARD, "a:b", "back\\slash", ":", "plain", "trailing space "])
def test_any_password_survives_the_password_file(password: str) -> None:
    role = Role(mlflow_service_database_password=password)
    text = role.render("pgpass.j2")
    assert password_fields(text.rstrip("\n")) == ["10.20.0.3", "5432", "*", "mlflow", password]


@pytest.mark.parametrize("value", [AWKWARD, "", "# no comment", "a=b", "two  spaces", "tab\there"])
def test_any_value_survives_the_environment_file(value: str) -> None:
    assert environment(Role(), {"NAME": value}) == {"NAME": value}


def test_truth_values_are_written_as_mlflow_reads_them() -> None:
    assert environment(Role(), {"YES": True, "NO": False, "FIVE": 5}) == {"YES": "true", "NO": "false", "FIVE": "5"}


def test_the_uri_names_driver_and_address_and_no_password() -> None:
    role = Role(
        mlflow_service_database_host="fd00::3",
        mlflow_service_database_user="m@x/y",
        mlflow_service_database_name="a b/c",
        mlflow_service_database_password="canary",
    )
    parts = urllib.parse.urlsplit(role.value("__mlflow_service_database_uri"))
    assert parts.scheme == "postgresql+psycopg2"
    assert parts.netloc == "m%40x%2Fy@[fd00::3]:5432"
    assert parts.path == "/a%20b%2Fc"
    assert dict(urllib.parse.parse_qsl(parts.query))["tcp_user_timeout"] == "15000"
    assert "canary" not in str(role.value("__mlflow_service_environment"))


def test_without_parameters_the_uri_ends_with_the_database() -> None:
    role = Role(mlflow_service_database_parameters={})
    assert role.value("__mlflow_service_database_uri").endswith("/mlflow")


@pytest.mark.parametrize(
    ("variables", "name", "value"),
    [
        ({}, "MLFLOW_ARTIFACTS_DESTINATION", "/var/lib/mlflow/artifacts"),
        ({"mlflow_service_artifact_bucket": "b"}, "MLFLOW_ARTIFACTS_DESTINATION", "gs://b/mlruns"),
        (
            {"mlflow_service_artifact_bucket": "b", "mlflow_service_artifact_folder": ""},
            "MLFLOW_ARTIFACTS_DESTINATION",
            "gs://b",
        ),
        (
            {"mlflow_service_artifact_bucket": "b", "mlflow_service_serve_artifacts": False},
            "MLFLOW_DEFAULT_ARTIFACT_ROOT",
            "gs://b/mlruns",
        ),
        ({"mlflow_service_static_prefix": "/mlflow"}, "MLFLOW_STATIC_PREFIX", "/mlflow"),
        ({"mlflow_service_artifacts_only": True}, "MLFLOW_ARTIFACTS_ONLY", True),
        ({"mlflow_service_enable_workspaces": True}, "MLFLOW_ENABLE_WORKSPACES", True),
        ({"mlflow_service_x_frame_options": "DENY"}, "MLFLOW_SERVER_X_FRAME_OPTIONS", "DENY"),
        ({"mlflow_service_pool_size": 3}, "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE", 3),
        ({"mlflow_service_environment": {"MLFLOW_DISABLE_TELEMETRY": False}}, "MLFLOW_DISABLE_TELEMETRY", False),
    ],
)
def test_each_variable_reaches_the_servers_environment(variables: dict[str, Any], name: str, value: Any) -> None:
    assert Role(**variables).value("__mlflow_service_environment")[name] == value


def test_what_has_a_variable_of_its_own_is_known_as_such() -> None:
    role = Role(mlflow_service_static_prefix="/mlflow")
    owned = role.value("__mlflow_service_owned_environment") | role.value("__mlflow_service_auth_environment")
    known = role.value("__mlflow_service_variable_of_environment")
    assert [name for name in owned if name not in known and not name.startswith("MLFLOW_SERVICE_")] == []
    assert [name for name in known.values() if name.split()[0].strip(",") not in SPECIFIED] == []


SPECIFIED = DataLoader().load_from_file(str(ROLE / "meta/argument_specs.yml"))["argument_specs"]["main"]["options"]


def test_no_secret_stands_in_a_unit_or_in_the_environment_that_is_shown() -> None:
    role = Role(
        mlflow_service_database_password="canary",
        mlflow_service_flask_secret_key="canary",
        mlflow_service_encryption_passphrase="canary",
        mlflow_service_secret_environment={"TOKEN": "canary"},
    )
    shown = [unit.render() for unit in units(role)] + [str(role.value("__mlflow_service_environment"))]
    assert [text for text in shown if "canary" in text] == []


def test_values_of_flags_are_quoted_as_systemd_reads_them() -> None:
    role = Role(mlflow_service_auth=False, mlflow_service_app_name='50%$"\\')
    (line,) = (line for line in unit(role, "mlflow.service").splitlines() if line.startswith("ExecStart="))
    assert ' --app-name "50%%$$\\"\\\\"' in line


@pytest.mark.parametrize("prometheus", [True, False])
def test_a_unit_has_one_directive_on_each_line(prometheus: bool) -> None:
    for found in units(Role(mlflow_service_prometheus=prometheus)):
        for line in found.render().splitlines():
            assert line == "" or line.startswith(("#", "[")) or line.partition("=")[0].isalnum(), line


def test_each_server_has_a_socket_that_nginx_may_use() -> None:
    role = Role()
    names = [found.name for found in units(role)]
    for service in role.value("__mlflow_service_server_units"):
        socket = service.replace(".service", ".socket")
        assert {service, socket} <= set(names)
        text = unit(role, socket)
        assert "SocketMode=0660" in text
        assert "SocketGroup=www-data" in text
        assert f"Requires={socket}" in unit(role, service)
        assert "StandardInput=socket" in unit(role, service)


def test_metrics_are_counted_by_one_server_alone() -> None:
    role = Role(mlflow_service_prometheus=True)
    assert " --expose-prometheus %t/%N/metrics\n" in unit(role, "mlflow.service")
    assert "prometheus" not in unit(role, "mlflow-api.service")


@pytest.mark.parametrize(
    "variables",
    [
        {"mlflow_service_version": "3.17.1"},
        {"mlflow_service_python_manager": "uv"},
        {"mlflow_service_python_version": "3.12"},
        {"mlflow_service_packages": ["mlflow==3.17.2"]},
    ],
)
def test_different_contents_are_different_environments(variables: dict[str, Any]) -> None:
    path = "__mlflow_service_environment_path"
    assert Role(**variables).value(path) != Role().value(path)


def test_settings_of_the_server_do_not_make_another_environment() -> None:
    path = "__mlflow_service_environment_path"
    assert Role(mlflow_service_workers=9, mlflow_port=1234).value(path) == Role().value(path)
