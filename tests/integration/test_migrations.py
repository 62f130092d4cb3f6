# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each state that the databases can be in, in a real PostgreSQL: what the role's tools say of it, and make of it."""

from __future__ import annotations

import contextlib
import dataclasses
import time
import typing as t

import pytest

from .database_server import PASSWORD, RELEASE_3_15, USER, DatabaseServer, Pair, finish, serving

HEADS = ("dc11669786a5", "f1a2b3c4d5e6")


@pytest.fixture(scope="module")
def server() -> t.Iterator[DatabaseServer]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def migrated(server: DatabaseServer) -> Pair:
    """Databases that were empty and are current."""
    pair = server.pair()
    looked = server.run(pair, "check").document
    assert [schema["schema"] for schema in looked["schemas"].values()] == ["empty", "empty"]
    assert not looked["current"]
    answer = server.run(pair, "migrate").document
    assert answer["tracking"] == {"from": None, "to": HEADS[0]}
    assert answer["authentication"] == {"from": None, "to": HEADS[1]}
    return pair


def test_empty_databases_become_current_and_a_second_migration_changes_nothing(
    server: DatabaseServer, migrated: Pair
) -> None:
    before = server.dump(migrated.tracking), server.dump(migrated.users)
    assert server.run(migrated, "check").document["current"]
    assert server.run(migrated, "migrate").document["tracking"] == {"from": HEADS[0], "to": HEADS[0]}
    assert (server.dump(migrated.tracking), server.dump(migrated.users)) == before


def test_an_older_schema_is_refused_by_the_server_and_two_migrations_at_once_both_end_well(
    server: DatabaseServer, migrated: Pair
) -> None:
    pair = server.pair()
    server.migrate_to(pair, *RELEASE_3_15)
    assert not server.run(pair, "check").document["current"]
    refused = server.run(pair, "check", "--ready")
    assert refused.status == 1
    assert "tracking schema is older" in refused.error
    answers = [finish(process) for process in [server.start(pair, "migrate") for _ in range(2)]]
    begins = sorted(answer.document["tracking"]["from"] for answer in answers)
    assert begins == sorted([RELEASE_3_15[0], HEADS[0]])  # the second found the work done
    assert sum("Waiting for another migration" in answer.error for answer in answers) == 1
    assert server.revisions(pair) == HEADS
    assert server.dump(pair.tracking, data=False) == server.dump(migrated.tracking, data=False)


@pytest.mark.parametrize(
    ("database", "change", "status", "words"),
    [
        pytest.param("tracking", "update alembic_version set version_num = 'f4a9b2c7d1e6'", 1,
                     "newer MLflow", id="a newer schema"),
        pytest.param("users", "update alembic_version_auth set version_num = 'f4a9b2c7d1e6'", 1,
                     "newer MLflow", id="newer users"),
        pytest.param("tracking", "insert into alembic_version values ('6f8d9c3b2a1e')", 1,
                     "several revisions at once", id="several revisions"),
        pytest.param("users", "insert into alembic_version_auth values ('8606fa83a998')", 1,
                     "several revisions at once", id="several revisions of the users"),
        pytest.param("users", f'alter table alembic_version_auth owner to postgres; '
                     f'revoke all on alembic_version_auth from "{USER}"', 1,
                     "may not use database", id="tables of another user"),
    ],
)  # fmt: skip
def test_a_schema_that_must_not_be_touched_is_not(
    server: DatabaseServer, migrated: Pair, database: str, change: str, status: int, words: str
) -> None:
    pair = server.pair(migrated)
    server.sql(change, getattr(pair, database))
    before = server.dump(pair.tracking), server.dump(pair.users)
    for arguments in (["check"], ["check", "--ready"], ["migrate"]):
        answer = server.run(pair, *arguments)
        assert (answer.status, answer.error.count("\n")) == (status, 1), answer.error
        assert words in answer.error
    assert (server.dump(pair.tracking), server.dump(pair.users)) == before


@pytest.mark.parametrize(
    ("database", "statement", "words"),
    [
        pytest.param("tracking", "create table customers (id int)", "customers", id="another program's"),
        pytest.param("users", "create table users (id int); create table orders (id int)", "orders",
                     id="another program's users"),
        pytest.param("tracking", "revoke all on schema public from public; alter schema public owner to postgres",
                     "may not create tables", id="no right to make tables"),
    ],
)  # fmt: skip
def test_an_unusable_database_is_refused(server: DatabaseServer, database: str, statement: str, words: str) -> None:
    pair = server.pair()
    server.sql(statement, getattr(pair, database))
    answer = server.run(pair, "check")
    assert answer.status == 1
    assert words in answer.error


@pytest.mark.parametrize(
    ("missing", "password", "status", "words"),
    [
        pytest.param("tracking", PASSWORD, 3, "mlflow_service_database_name", id="no database"),
        pytest.param("users", PASSWORD, 3, "mlflow_service_auth_database_name", id="no database of the users"),
        pytest.param("", "another", 1, "mlflow_service_database_password", id="another password"),
    ],
)
def test_a_connection_that_is_refused_names_its_variable_at_once(
    server: DatabaseServer, missing: str, password: str, status: int, words: str
) -> None:
    pair = dataclasses.replace(server.pair(), **({missing: "nowhere"} if missing else {}))
    begin = time.monotonic()
    answer = server.run(pair, "check", password=password)
    assert time.monotonic() - begin < 10  # MLflow itself takes 104
    assert (answer.status, answer.error.count("\n")) == (status, 1), answer.error
    assert words in answer.error


def test_connections_are_counted_and_a_server_without_a_free_one_is_told(
    server: DatabaseServer, migrated: Pair
) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(contextlib.closing(server.connect()))
        found = server.run(migrated, "check").document["connections"]
        assert found == {"max": 40, "reserved": 3, "used": 3, "others": 3, "limit": None}
        server.sql(f'alter role "{USER}" connection limit 1')
        try:
            assert server.run(migrated, "check").document["connections"]["limit"] == 1
            server.sql(f'alter role "{USER}" connection limit 0')
            assert "no connection left" in server.run(migrated, "check").error
        finally:
            server.sql(f'alter role "{USER}" connection limit -1')


def test_a_table_that_is_held_does_not_keep_the_look_waiting(
    server: DatabaseServer, migrated: Pair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ansible_collections.mlops.mlflow.roles.mlflow_service.files import mlflow_database

    monkeypatch.setattr(mlflow_database, "ANSWER_SECONDS", 1)
    for name, value in server.environment(migrated).items():
        monkeypatch.setenv(name, value)
    with contextlib.closing(server.connect(migrated.tracking)) as holder:
        holder.autocommit = False
        holder.cursor().execute("lock table alembic_version")
        assert mlflow_database.main(["check"]) == 1
    assert "another session" in capsys.readouterr().err


def test_without_authentication_its_database_is_not_looked_at_and_is_there_when_it_comes_back(
    server: DatabaseServer, migrated: Pair
) -> None:
    pair = server.pair(migrated)
    server.sql("insert into users (username, password_hash, is_admin) values ('admin', 'h', true)", pair.users)
    assert set(server.run(Pair(pair.tracking, "nowhere"), "check", "--ready", auth=False).document["schemas"]) == {
        "tracking"
    }
    assert server.run(pair, "check", "--ready").document["current"]


def test_the_administrator_is_made_once_and_compared_from_then_on(server: DatabaseServer, migrated: Pair) -> None:
    pair = server.pair(migrated)
    refused = server.run(pair, "check", "--ready")
    assert refused.status == 1
    assert "mlflow_service_admin_username" in refused.error

    assert server.administrator(pair, PASSWORD, "--check").document["changed"]
    assert server.sql("select count(*) from users", pair.users) == [(0,)]
    made = server.administrator(pair, PASSWORD)
    assert made.document == {"changed": True, "reason": "there is no such user", "others": []}
    assert PASSWORD not in made.output + made.error
    assert server.run(pair, "check", "--ready").status == 0

    before = server.dump(pair.users)
    assert not server.administrator(pair, PASSWORD).document["changed"]
    assert server.administrator(pair, PASSWORD + "x", "--check").document["changed"]
    assert server.dump(pair.users) == before

    server.sql("update users set is_admin = false", pair.users)
    server.sql("insert into users (username, password_hash, is_admin) values ('former', 'h', true)", pair.users)
    asked = server.administrator(pair, PASSWORD + "x").document
    assert asked == {"changed": True, "reason": "the user is no administrator", "others": ["former"]}
    assert not server.administrator(pair, PASSWORD + "x").document["changed"]
    assert server.administrator(pair, PASSWORD, "--check").document["reason"] == "the password is another one"
    assert server.sql("select username, is_admin from users order by 1", pair.users) == [
        ("admin", True),
        ("former", True),
    ]


def test_the_administrator_is_foretold_where_there_are_no_users_yet(server: DatabaseServer) -> None:
    assert server.administrator(server.pair(), PASSWORD, "--check").document["changed"]
    refused = server.administrator(server.pair(), PASSWORD)
    assert refused.status == 1
    assert "not up to date" in refused.error
