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
        self.variables = {
            "ansible_managed": "Managed",
            "mlflow_service_database_host": "10.20.0.3",
            **loader.load_from_file(str(ROLE / "defaults" / "main.yml"), trusted_as_template=True),
            **{
                name: value
                for file in sorted((ROLE / "vars" / "main").glob("*.yml"))
                for name, value in loader.load_from_file(str(file), trusted_as_template=True).items()
            },
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
    assert password_fields(text.rstrip("\n")) == ["10.20.0.3", "5432", "mlflow", "mlflow", password]


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
    ("allowed", "host", "wanted", "origins"),
    [
        ([], EVERY_INTERFACE, {"localhost", "127.0.0.1", "[::1]", "localhost:5000"}, {"http://localhost:5000"}),
        (["m.example.com"], EVERY_INTERFACE, {"m.example.com", "m.example.com:5000"}, {"http://m.example.com:5000"}),
        (["m.example.com:80"], EVERY_INTERFACE, {"m.example.com:80"}, {"http://m.example.com:80"}),
        (["fd00::9"], "::", {"[fd00::9]", "[fd00::9]:5000"}, {"http://[fd00::9]:5000"}),
        (["10.*"], "10.1.2.3", {"10.*", "10.*:5000", "10.1.2.3", "10.1.2.3:5000"}, {"http://10.1.2.3:5000"}),
    ],
)
def test_each_allowed_host_stands_with_and_without_the_port(
    allowed: list[str], host: str, wanted: set[str], origins: set[str]
) -> None:
    role = Role(mlflow_service_allowed_hosts=allowed, mlflow_service_host=host)
    assert wanted <= set(role.value("__mlflow_service_allowed_hosts"))
    assert origins <= set(role.value("__mlflow_service_cors_origins"))


def test_the_address_of_every_interface_is_no_host_name() -> None:
    for host in (EVERY_INTERFACE, "::"):
        assert not {EVERY_INTERFACE, "[::]"} & set(
            Role(mlflow_service_host=host).value("__mlflow_service_allowed_hosts")
        )


def test_an_entry_with_a_port_gets_no_second_one() -> None:
    hosts = Role(mlflow_service_allowed_hosts=["m.example.com:80"]).value("__mlflow_service_allowed_hosts")
    assert [host for host in hosts if host.startswith("m.")] == ["m.example.com:80"]


def test_the_star_alone_allows_every_host_and_no_origin_of_them() -> None:
    role = Role(mlflow_service_allowed_hosts=["*"])
    assert role.value("__mlflow_service_allowed_hosts") == ["*"]
    assert not any("*" in origin for origin in role.value("__mlflow_service_cors_origins"))


@pytest.mark.parametrize(
    ("host", "prefix", "url"),
    [
        (EVERY_INTERFACE, "", "http://127.0.0.1:5000"),
        ("::", "", "http://[::1]:5000"),
        ("10.1.2.3", "/mlflow", "http://10.1.2.3:5000/mlflow"),
        ("fd00::9", "", "http://[fd00::9]:5000"),
    ],
)
def test_the_server_is_asked_where_it_listens(host: str, prefix: str, url: str) -> None:
    role = Role(mlflow_service_host=host, mlflow_service_static_prefix=prefix)
    assert role.value("__mlflow_service_url") == url


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
        ({"mlflow_port": 5010}, "MLFLOW_PORT", 5010),
        ({"mlflow_service_options": {"x_frame_options": "DENY"}}, "MLFLOW_SERVER_X_FRAME_OPTIONS", "DENY"),
        ({"mlflow_service_options": {"uvicorn-opts": "--limit 1"}}, "MLFLOW_UVICORN_OPTS", "--limit 1"),
        ({"mlflow_service_environment": {"MLFLOW_WORKERS": 9}}, "MLFLOW_WORKERS", 9),
    ],
)
def test_each_variable_reaches_the_servers_environment(variables: dict[str, Any], name: str, value: Any) -> None:
    assert Role(**variables).value("__mlflow_service_environment")[name] == value


def test_another_server_class_gets_no_options_of_uvicorn() -> None:
    role = Role(mlflow_service_options={"gunicorn-opts": "--threads 8"})
    assert "MLFLOW_UVICORN_OPTS" not in role.value("__mlflow_service_environment")


def test_options_without_an_environment_variable_become_quoted_flags() -> None:
    role = Role(mlflow_service_options={"app-name": "basic-auth", "waitress-opts": '--ident="50%$"'})
    (line,) = (line for line in role.render("mlflow.service.j2").splitlines() if line.startswith("ExecStart="))
    assert line.endswith(' --app-name "basic-auth" --waitress-opts "--ident=\\"50%%$$\\""')


def test_a_unit_has_one_directive_on_each_line() -> None:
    for name in ("mlflow.service.j2", "mlflow-migrate.service.j2"):
        for line in Role().render(name).splitlines():
            assert line == "" or line.startswith(("#", "[")) or line.partition("=")[0].isalnum(), line


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
