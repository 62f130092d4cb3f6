# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tool that proves and migrates the database, without a database: what it concludes from what it finds."""

from __future__ import annotations

import pathlib
import socket

import pytest
from ansible_collections.mlops.mlflow.roles.mlflow_service.files import mlflow_database as tool

TARGET = tool.Target(host="10.20.0.3", port=5432, user="mlflow", database="runs", dsn="postgresql://")
RELEASE = tool.Release(head="ccc", known=frozenset({"aaa", "bbb", "ccc"}))


def test_the_uri_gives_the_parts_decoded() -> None:
    target = tool.Target.from_uri("postgresql+psycopg2://m%40x@[fd00::3]:6432/a%2Fb?connect_timeout=5")
    assert (target.host, target.port, target.user, target.database) == ("fd00::3", 6432, "m@x", "a/b")
    assert target.dsn == "postgresql://m%40x@[fd00::3]:6432/a%2Fb?connect_timeout=5"


@pytest.mark.parametrize("uri", ["", "sqlite:///mlflow.db", "mysql://host/runs", "postgresql:///runs"])
def test_a_uri_of_anything_but_a_reachable_postgresql_is_refused(uri: str) -> None:
    with pytest.raises(tool.UnusableDatabaseError, match="MLFLOW_BACKEND_STORE_URI"):
        tool.Target.from_uri(uri)


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        ('FATAL:  password authentication failed for user "mlflow"', ["mlflow_service_database_password"]),
        ("fe_sendauth: no password supplied", ["mlflow_service_database_password"]),
        ('FATAL:  role "mlflow" does not exist', ["mlflow_service_database_user"]),
        ('FATAL:  database "runs" does not exist', ["mlflow_service_database_name"]),
        ('FATAL:  permission denied for database "runs"', ["mlflow_service_database_user"]),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.9"', ["mlflow_service_database_parameters"]),
        ("FATAL:  remaining connection slots are reserved for superusers", ["mlflow_service_workers"]),
        ("FATAL:  sorry, too many clients already", ["mlflow_service_workers"]),
        ("something else altogether", ["mlflow_service_database_*"]),
        ("", ["mlflow_service_database_*"]),
    ],
)
def test_each_refusal_names_the_variable_to_look_at_and_the_address(words: str, variables: list[str]) -> None:
    text = tool.explain(f'connection to server at "10.20.0.3", port 5432 failed: {words}\n', TARGET)
    assert "10.20.0.3:5432" in text
    assert all(variable in text for variable in variables)


def test_a_name_that_does_not_resolve_names_the_host_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unresolved(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    with pytest.raises(tool.UnusableDatabaseError, match=r"does not resolve.*mlflow_service_database_host"):
        tool.reach(TARGET)


def test_a_closed_port_is_no_route_and_an_open_one_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        target = tool.Target(host="127.0.0.1", port=port, user="", database="", dsn="")
        tool.reach(target)
    with pytest.raises(tool.UnusableDatabaseError, match=r"no route.*refused.*mlflow_service_database_port"):
        tool.reach(target)


def test_the_head_is_the_revision_that_none_builds_on(tmp_path: pathlib.Path) -> None:
    (tmp_path / "1.py").write_text('revision = "aaa"\ndown_revision = None\n')
    (tmp_path / "2.py").write_text("revision: str = 'bbb'\ndown_revision: str | None = 'aaa'\n")
    (tmp_path / "3.py").write_text('revision = "ccc"\ndown_revision = ("aaa", "bbb")\n')
    (tmp_path / "__init__.py").write_text("")
    assert tool.Release.from_directory(tmp_path) == RELEASE


def test_two_heads_are_an_error(tmp_path: pathlib.Path) -> None:
    (tmp_path / "1.py").write_text('revision = "aaa"\ndown_revision = None\n')
    (tmp_path / "2.py").write_text('revision = "bbb"\ndown_revision = None\n')
    with pytest.raises(tool.UnusableDatabaseError, match="no single schema head"):
        tool.Release.from_directory(tmp_path)


def test_the_head_of_the_installed_mlflow_is_read_without_importing_it() -> None:
    assert tool.Release.installed().head == "dc11669786a5"  # 3.17


@pytest.mark.parametrize(
    ("revision", "tables", "state"),
    [
        ("ccc", {"alembic_version", "experiments"}, "current"),
        ("aaa", {"alembic_version", "experiments"}, "older"),
        (None, set(), "empty"),
        (None, {"alembic_version"}, "empty"),
        (None, {"experiments", "runs"}, "older"),
    ],
)
def test_the_state_of_a_schema_follows_from_its_revision_and_tables(
    revision: str | None, tables: set[str], state: str
) -> None:
    contents = tool.Contents(revision=revision, tables=frozenset(tables))
    assert tool.judge(contents, RELEASE, TARGET) == state


def test_a_schema_of_a_newer_mlflow_is_refused() -> None:
    contents = tool.Contents(revision="ddd", tables=frozenset({"alembic_version", "experiments"}))
    with pytest.raises(tool.UnusableDatabaseError, match=r"newer MLflow.*mlflow_service_version"):
        tool.judge(contents, RELEASE, TARGET)


def test_a_database_of_another_program_is_refused() -> None:
    contents = tool.Contents(revision=None, tables=frozenset({"customers", "orders"}))
    with pytest.raises(tool.UnusableDatabaseError, match=r"customers.*mlflow_service_database_name"):
        tool.judge(contents, RELEASE, TARGET)


def test_the_command_ends_with_one_line_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "sqlite:///mlflow.db")
    assert tool.main(["check"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
