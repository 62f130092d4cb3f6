# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Migrations that are killed, held up or done twice, in a real PostgreSQL; and the server on what they made."""

from __future__ import annotations

import contextlib
import http.cookiejar
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import typing as t
import urllib.parse
import urllib.request

import psycopg2.extensions
import pytest
from ansible_collections.mlops.mlflow.roles.mlflow_service.files import mlflow_database

from .database_server import (
    RELEASE_2_22,
    RELEASE_3_15,
    USER,
    Answer,
    DatabaseServer,
    Pair,
    eventually,
    finish,
    serving,
)

HEADS = ("dc11669786a5", "f1a2b3c4d5e6")
PASSWORD = "50%: $HOME's \"`\\ id"


@pytest.fixture(scope="module")
def server() -> t.Iterator[DatabaseServer]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def old(server: DatabaseServer) -> Pair:
    """Databases of MLflow 2.22, which counted no revisions of its users, with something in them."""
    pair = server.pair()
    server.migrate_to(pair, *RELEASE_2_22)
    server.sql("drop table alembic_version_auth", pair.users)
    server.sql("insert into users (username, password_hash, is_admin) values ('ann', 'h', false)", pair.users)
    server.sql(
        "insert into experiment_permissions (experiment_id, user_id, permission) values ('1', 1, 'EDIT')", pair.users
    )
    server.sql(
        "insert into experiments (name, lifecycle_stage) select 'e' || i, 'active' from generate_series(1, 50) i",
        pair.tracking,
    )
    server.sql(
        "insert into runs (run_uuid, experiment_id, status, lifecycle_stage) "
        "select md5(i::text), 1, 'FINISHED', 'active' from generate_series(1, 500) i",
        pair.tracking,
    )
    return pair


@pytest.fixture(scope="module")
def recent(server: DatabaseServer) -> Pair:
    """Databases of MLflow 3.15."""
    pair = server.pair()
    server.migrate_to(pair, *RELEASE_3_15)
    return pair


@contextlib.contextmanager
def held(server: DatabaseServer, database: str, table: str) -> t.Iterator[psycopg2.extensions.connection]:
    """Read a table in a transaction that stays open, as a backup does."""
    with contextlib.closing(server.connect(database)) as holder:
        holder.autocommit = False
        holder.cursor().execute(f"lock table {table} in access share mode")
        yield holder


def sessions(server: DatabaseServer, database: str, condition: str) -> list[int]:
    """Process numbers of the tool's and the migration's sessions."""
    statement = f"select pid from pg_stat_activity where datname = %s and usename = %s and {condition}"  # noqa: S608 - the condition is written in this file
    rows = server.sql(statement, "postgres", database, USER)
    return [pid for (pid,) in rows]


def waits(server: DatabaseServer, database: str) -> t.Callable[[], bool]:
    """Whether a migration waits for a table there."""
    return lambda: bool(sessions(server, database, "wait_event_type = 'Lock' and wait_event = 'relation'"))


@pytest.mark.parametrize(
    ("release", "database", "table"),
    [
        pytest.param("recent", "tracking", "jobs", id="from 3.15"),
        pytest.param("old", "tracking", "trace_info", id="from 2.22"),
        pytest.param("old", "users", "registered_model_permissions", id="users from 2.22"),
    ],
)
def test_a_migration_that_is_killed_in_the_middle_leaves_nothing_and_the_next_one_finishes(
    server: DatabaseServer, request: pytest.FixtureRequest, release: str, database: str, table: str
) -> None:
    pair = server.pair(request.getfixturevalue(release))
    name = getattr(pair, database)
    before = server.dump(name)
    with held(server, name, table):
        process = server.start(pair, "migrate")
        eventually(waits(server, name))
        os.killpg(process.pid, signal.SIGKILL)
        assert finish(process).status == -signal.SIGKILL
    eventually(lambda: not sessions(server, name, "true"))
    left = server.dump(name)
    # MLflow gives users that count no revisions their first one by itself, before it migrates them.
    assert left == before or (database == "users" and RELEASE_2_22[1] in left)
    assert not server.run(pair, "check").document["current"]
    assert server.run(pair, "migrate").status == 0
    assert server.revisions(pair) == HEADS
    if release == "old":
        assert server.sql("select count(*) from runs", pair.tracking) == [(500,)]
        assert server.sql("select permission from role_permissions", pair.users) == [("EDIT",)]


def test_a_first_migration_that_is_killed_leaves_tables_without_a_revision_and_the_next_one_finishes(
    server: DatabaseServer,
) -> None:
    pair = server.pair()
    code = (
        "import sqlalchemy, sys; from mlflow.store.db.utils import InitialBase;"
        "InitialBase.metadata.create_all(sqlalchemy.create_engine(sys.argv[1]))"
    )
    subprocess.run(
        [sys.executable, "-c", code, server.uri(pair.tracking)],
        env=server.environment(pair),
        check=True,
        capture_output=True,
    )
    assert server.run(pair, "check").document["schemas"]["tracking"]["schema"] == "older"
    assert server.run(pair, "migrate").status == 0
    assert server.revisions(pair) == HEADS


def test_both_schemas_in_one_database_are_migrated(server: DatabaseServer, old: Pair) -> None:
    name = server.database(old.tracking)
    pair = Pair(name, name)
    server.migrate_to(pair, RELEASE_2_22[0], RELEASE_2_22[1])
    server.sql("drop table alembic_version_auth", name)
    found = server.run(pair, "check").document["schemas"]
    assert {schema["schema"] for schema in found.values()} == {"older"}
    assert server.run(pair, "migrate").status == 0
    assert server.revisions(pair) == HEADS
    fresh = server.database()
    assert server.run(Pair(fresh, fresh), "migrate").status == 0
    assert server.run(Pair(fresh, fresh), "check").document["current"]


def test_a_lock_that_is_lost_with_its_connection_lets_two_migrations_both_end_well(
    server: DatabaseServer, recent: Pair
) -> None:
    pair = server.pair(recent)
    with held(server, pair.tracking, "jobs"):
        first = server.start(pair, "migrate")
        eventually(waits(server, pair.tracking))
        (lock,) = sessions(
            server, pair.tracking, "state = 'idle in transaction' and application_name = 'mlflow_database'"
        )
        server.sql("select pg_terminate_backend(%s)", "postgres", lock)
        second = server.start(pair, "migrate")
        eventually(lambda: len(sessions(server, pair.tracking, "wait_event_type = 'Lock'")) == 2)
    answers = [finish(first), finish(second)]
    assert [answer.status for answer in answers] == [0, 0], answers
    assert server.revisions(pair) == HEADS


def test_a_table_that_somebody_holds_ends_the_migration_with_a_word_and_no_change(
    server: DatabaseServer, recent: Pair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = server.pair(recent)
    before = server.dump(pair.tracking)
    monkeypatch.setattr(mlflow_database, "TABLE_LOCK_SECONDS", 1)
    for name, value in server.environment(pair).items():
        monkeypatch.setenv(name, value)
    with held(server, pair.tracking, "jobs"):
        assert mlflow_database.main(["migrate"]) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert "another session has held a table for 1 seconds" in message
    assert message.endswith(f"it is at revision {RELEASE_3_15[0]} now")
    assert server.dump(pair.tracking) == before


def test_a_migration_that_never_ends_is_waited_for_and_told(
    server: DatabaseServer, recent: Pair, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mlflow_database, "LOCK_SECONDS", 1)
    for name, value in server.environment(recent).items():
        monkeypatch.setenv(name, value)
    (target, _users) = mlflow_database.Target.all()
    with mlflow_database.alone(target):
        assert mlflow_database.main(["migrate"]) == 1
    assert "has been running for 1 seconds" in capsys.readouterr().err
    assert server.revisions(recent) == RELEASE_3_15


class Site:
    """A running server, and a browser that is logged in as the administrator."""

    def __init__(self, server: DatabaseServer, pair: Pair, folder: pathlib.Path) -> None:
        self.folder, self.environment = folder, server.environment(pair)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.address = f"http://127.0.0.1:{probe.getsockname()[1]}"
        (folder / "basic_auth.ini").write_text(
            "[mlflow]\ndefault_permission = READ\nauth_cache_ttl_seconds = 60\n"
            f"database_uri = {server.uri(pair.users).replace('%', '%%')}\n"
        )
        self.environment |= {
            "MLFLOW_AUTH_CONFIG_PATH": str(folder / "basic_auth.ini"),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": PASSWORD,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_ARTIFACTS_DESTINATION": str(folder),
        }
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, self.address, "admin", PASSWORD)
        self.browser = urllib.request.build_opener(
            urllib.request.HTTPBasicAuthHandler(passwords),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
        )

    @contextlib.contextmanager
    def running(self, *options: str) -> t.Iterator[None]:
        """Serve for a while."""
        port = self.address.rpartition(":")[2]
        command = [sys.executable, "-m", "mlflow", "server", "--port", port, "--workers", "1", *options]
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(
                command, env=self.environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        try:
            eventually(lambda: self.get("/health")[0] == 200 or process.poll())
            assert process.poll() is None, (self.folder / "log").read_text()
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def get(self, path: str, opener: t.Any = urllib.request, form: dict[str, str] | None = None) -> tuple[int, str]:
        """Ask; 0 for no answer at all."""
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            with (opener.urlopen if opener is urllib.request else opener.open)(self.address + path, data, 30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""


def test_the_server_knows_its_administrator_without_his_password_and_its_forms_outlive_a_restart(
    server: DatabaseServer, tmp_path: pathlib.Path
) -> None:
    pair = server.pair()
    assert server.run(pair, "migrate").status == 0
    assert server.administrator(pair, PASSWORD).document["changed"]
    site = Site(server, pair, tmp_path)
    with site.running("--app-name", "basic-auth"):
        assert site.get("/signup")[0] == 401
        status, page = site.get("/signup", site.browser)
        assert status == 200
        (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', page)
    form = {"username": "ann", "password": "a-long-password", "csrf_token": token}
    with site.running("--app-name", "basic-auth"):
        refused = site.get("/api/2.0/mlflow/users/create-ui", site.browser, form | {"csrf_token": "x"})
        assert refused[0] == 400
        assert site.get("/api/2.0/mlflow/users/create-ui", site.browser, form)[0] == 200
    assert server.sql("select username from users order by 1", pair.users) == [("admin",), ("ann",)]
    with site.running():
        assert site.get("/signup")[0] == 404  # nobody is asked for anything
    assert isinstance(server.run(pair, "check", "--ready"), Answer)
    assert server.run(pair, "check", "--ready").status == 0
