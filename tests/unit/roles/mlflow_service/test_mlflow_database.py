# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tool that proves and migrates the database, without a database: what it concludes from what it finds."""

from __future__ import annotations

import pathlib
import socket

import pytest
from ansible_collections.mlops.mlflow.roles.mlflow_service.files import mlflow_database as tool

URI = "postgresql+psycopg2://mlflow@10.20.0.3:5432/runs"
TARGET = tool.Target.from_uri(tool.TRACKING, URI)
USERS = tool.Target.from_uri(tool.AUTHENTICATION, URI)
RELEASE = tool.Release(head="ccc", known=frozenset({"aaa", "bbb", "ccc"}))


def test_the_uri_gives_the_parts_decoded() -> None:
    target = tool.Target.from_uri(tool.TRACKING, "postgresql+psycopg2://m%40x@[fd00::3]:6432/a%2Fb?connect_timeout=5")
    assert (target.host, target.port, target.user, target.database) == ("fd00::3", 6432, "m@x", "a/b")
    assert target.dsn == "postgresql://m%40x@[fd00::3]:6432/a%2Fb?connect_timeout=5"


@pytest.mark.parametrize("uri", ["", "sqlite:///mlflow.db", "mysql://host/runs", "postgresql:///runs"])
@pytest.mark.parametrize("schema", tool.SCHEMAS, ids=lambda schema: schema.name)
def test_a_uri_of_anything_but_a_reachable_postgresql_is_refused(uri: str, schema: tool.Schema) -> None:
    with pytest.raises(tool.UnusableDatabaseError, match=schema.uri_variable):
        tool.Target.from_uri(schema, uri)


def test_users_have_a_database_only_where_the_environment_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", URI)
    monkeypatch.delenv("MLFLOW_SERVICE_AUTH_DATABASE_URI", raising=False)
    assert [target.schema.name for target in tool.Target.all()] == ["tracking"]
    monkeypatch.setenv("MLFLOW_SERVICE_AUTH_DATABASE_URI", URI + "_auth")
    assert [target.database for target in tool.Target.all()] == ["runs", "runs_auth"]


@pytest.mark.parametrize("variable", ["MLFLOW_BACKEND_STORE_URI", "MLFLOW_SERVICE_AUTH_DATABASE_URI"])
def test_a_variable_that_is_there_and_empty_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for schema in tool.SCHEMAS:
        monkeypatch.setenv(schema.uri_variable, "" if schema.uri_variable == variable else URI)
    with pytest.raises(tool.UnusableDatabaseError, match=variable):
        tool.Target.all()


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
        ('FATAL:  too many connections for role "mlflow"', ["mlflow_service_workers"]),
        ("ERROR:  permission denied for table alembic_version", ["mlflow_service_database_user"]),
        ("canceling statement due to statement timeout", ["another session"]),
        ("something else altogether", ["mlflow_service_database_*"]),
        ("", ["mlflow_service_database_*"]),
    ],
)
def test_each_refusal_names_the_variable_to_look_at_and_the_address(words: str, variables: list[str]) -> None:
    text = str(tool.explain(f'connection to server at "10.20.0.3", port 5432 failed: {words}\n', TARGET))
    assert "10.20.0.3:5432" in text
    assert all(variable in text for variable in variables)


@pytest.mark.parametrize(
    ("target", "variable"),
    [(TARGET, "mlflow_service_database_name"), (USERS, "mlflow_service_auth_database_name")],
    ids=["tracking", "authentication"],
)
def test_a_missing_database_has_an_exit_code_of_its_own_and_names_its_own_variable(
    target: tool.Target, variable: str
) -> None:
    problem = tool.explain('FATAL:  database "runs" does not exist', target)
    assert problem.status == 3
    assert str(problem).endswith(f"look at {variable}")


def test_a_name_that_does_not_resolve_names_the_host_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    def unresolved(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    with pytest.raises(tool.UnusableDatabaseError, match=r"does not resolve.*mlflow_service_database_host"):
        tool.reach(TARGET)


def test_a_closed_port_is_no_route_and_an_open_one_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        target = tool.Target.from_uri(tool.TRACKING, f"postgresql://127.0.0.1:{port}/runs")
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


@pytest.mark.parametrize(
    ("schema", "head"),
    [(tool.TRACKING, "dc11669786a5"), (tool.AUTHENTICATION, "f1a2b3c4d5e6")],
    ids=["3.17", "3.17 users"],
)
def test_the_head_of_the_installed_mlflow_is_read_without_importing_it(schema: tool.Schema, head: str) -> None:
    assert tool.Release.installed(schema).head == head


LEGACY = {"users", "experiment_permissions", "registered_model_permissions"}


@pytest.mark.parametrize(
    ("target", "revision", "tables", "shared", "state"),
    [
        pytest.param(TARGET, "ccc", {"alembic_version", "experiments"}, False, "current", id="current"),
        pytest.param(TARGET, "aaa", {"alembic_version", "experiments"}, False, "older", id="older"),
        pytest.param(TARGET, None, set(), False, "empty", id="empty"),
        pytest.param(TARGET, None, {"alembic_version"}, False, "empty", id="a first revision that did not come"),
        pytest.param(TARGET, None, {"experiments", "runs", "metrics", "tags"}, False, "older", id="interrupted"),
        pytest.param(USERS, None, LEGACY, False, "older", id="users before 3.6, which counted no revisions"),
        pytest.param(USERS, None, {"experiments", "alembic_version"}, True, "empty", id="users beside the runs"),
        pytest.param(USERS, None, {"experiments", *LEGACY}, True, "older", id="users before 3.6 beside the runs"),
        pytest.param(USERS, "ccc", {"experiments", "users"}, True, "current", id="both current"),
    ],
)
def test_the_state_of_a_schema_follows_from_its_revision_and_tables(
    target: tool.Target, revision: str | None, tables: set[str], shared: bool, state: str
) -> None:
    contents = tool.Contents(revision=revision, tables=frozenset(tables))
    assert tool.judge(contents, RELEASE, target, shared=shared) == state


@pytest.mark.parametrize("target", [TARGET, USERS], ids=["tracking", "authentication"])
def test_a_schema_of_a_newer_mlflow_is_refused(target: tool.Target) -> None:
    contents = tool.Contents(revision="ddd", tables=frozenset({"alembic_version", "experiments"}))
    with pytest.raises(tool.UnusableDatabaseError, match=r"newer MLflow.*mlflow_service_version"):
        tool.judge(contents, RELEASE, target, shared=False)


@pytest.mark.parametrize(
    ("target", "tables"),
    [
        pytest.param(TARGET, {"customers", "orders"}, id="another program"),
        pytest.param(TARGET, LEGACY | {"alembic_version_auth"}, id="users where the runs should be"),
        pytest.param(USERS, {"alembic_version", "experiments", "runs", "metrics"}, id="runs where the users should be"),
        pytest.param(USERS, {"users", "customers"}, id="users of another program"),
    ],
)
def test_a_database_of_something_else_is_refused(target: tool.Target, tables: set[str]) -> None:
    contents = tool.Contents(revision=None, tables=frozenset(tables))
    with pytest.raises(tool.UnusableDatabaseError, match=rf"{min(tables)}.*{target.schema.database_variable}"):
        tool.judge(contents, RELEASE, target, shared=False)


def test_a_database_is_shared_when_host_port_and_name_are_the_same() -> None:
    assert tool.is_shared(USERS, [TARGET])
    assert not tool.is_shared(tool.Target.from_uri(tool.AUTHENTICATION, URI + "_auth"), [TARGET])
    assert not tool.is_shared(TARGET, [])


@pytest.mark.parametrize("command", [["check"], ["check", "--ready"], ["migrate"]], ids=" ".join)
def test_the_command_ends_with_one_line_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "sqlite:///mlflow.db")
    assert tool.main(command) == 1
    assert capsys.readouterr().err.count("\n") == 1
