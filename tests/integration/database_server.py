# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A PostgreSQL server of this machine's packages, in a folder of its own, and the role's tools that work on it."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import typing as t

import psycopg2
import psycopg2.extensions

FILES = pathlib.Path(__file__).parents[2] / "roles" / "mlflow_service" / "files"
USER = "m@x/y"
PASSWORD = "p@:/%#w'\"\\ d$HOME`id`"
# Heads of older releases, as their packages have them.
RELEASE_2_22 = ("0584bdc529eb", "8606fa83a998")
RELEASE_3_15 = ("6f8d9c3b2a1e", "e5f6a7b8c9d0")


def programs() -> pathlib.Path:
    """Where PostgreSQL's programs are, which Debian does not put on PATH."""
    if found := shutil.which("initdb"):
        return pathlib.Path(found).resolve().parent
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    assert folders, "There is no PostgreSQL server: apt-get install postgresql"
    return folders[-1]


@dataclasses.dataclass(frozen=True)
class Pair:
    """The databases of one MLflow server: of its runs, and of its users."""

    tracking: str
    users: str


@dataclasses.dataclass
class Answer:
    """What a tool said."""

    status: int
    output: str
    error: str

    @property
    def document(self) -> t.Any:
        """Its answer."""
        assert self.status == 0, self.error
        return json.loads(self.output)


@dataclasses.dataclass
class DatabaseServer:
    """A running server, of which `postgres` is the superuser."""

    folder: pathlib.Path
    port: int
    names: t.Iterator[str] = dataclasses.field(default_factory=lambda: (f"db{n}" for n in itertools.count()))

    def connect(self, database: str = "postgres") -> psycopg2.extensions.connection:
        """A superuser's session."""
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", password="x", dbname=database)
        connection.autocommit = True
        return connection

    def sql(self, statement: str, database: str = "postgres", *values: object) -> list[tuple[t.Any, ...]]:
        """Run a statement as the superuser."""
        with contextlib.closing(self.connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def database(self, template: str = "template1") -> str:
        """Make a database."""
        name = next(self.names)
        self.sql(f'create database {name} owner "{USER}" template {template}')
        return name

    def pair(self, template: Pair | None = None) -> Pair:
        """Make the databases of a server, empty or as others are."""
        return Pair(*(self.database(name) for name in dataclasses.astuple(template or Pair("template1", "template1"))))

    def uri(self, database: str) -> str:
        """As the role writes it."""
        return f"postgresql+psycopg2://m%40x%2Fy@127.0.0.1:{self.port}/{database}?connect_timeout=5"

    def environment(self, pair: Pair, *, auth: bool = True, password: str = PASSWORD) -> dict[str, str]:
        """What the role's tools and the server read."""
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        passwords = self.folder / f"pgpass{len(list(self.folder.glob('pgpass*')))}"
        passwords.touch(mode=0o600)
        passwords.write_text(f"127.0.0.1:{self.port}:*:{USER}:{escaped}\n")
        found = {
            **os.environ,
            "MLFLOW_BACKEND_STORE_URI": self.uri(pair.tracking),
            "PGPASSFILE": str(passwords),
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        if auth:
            found |= {
                "MLFLOW_SERVICE_AUTH_DATABASE_URI": self.uri(pair.users),
                "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
            }
        return found

    def start(self, pair: Pair, *arguments: str, **options: t.Any) -> subprocess.Popen[str]:
        """Start the tool of the databases, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, str(FILES / "mlflow_database.py"), *arguments],
            env=self.environment(pair, **options),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, pair: Pair, *arguments: str, **options: t.Any) -> Answer:
        """Run the tool of the databases to its end."""
        return finish(self.start(pair, *arguments, **options))

    def administrator(self, pair: Pair, password: str, *arguments: str) -> Answer:
        """Run the tool of the administrator."""
        done = subprocess.run(
            [sys.executable, str(FILES / "mlflow_administrator.py"), *arguments],
            env=self.environment(pair),
            input=password,
            capture_output=True,
            text=True,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def revisions(self, pair: Pair) -> tuple[str, str]:
        """Both schemas' revisions."""
        ((tracking,),) = self.sql("select version_num from alembic_version", pair.tracking)
        ((users,),) = self.sql("select version_num from alembic_version_auth", pair.users)
        return tracking, users

    def dump(self, database: str, *, data: bool = True) -> str:
        """All that is in a database."""
        command = [
            str(programs() / "pg_dump"),
            "--host=127.0.0.1",
            f"--port={self.port}",
            "--username=postgres",
            database,
        ]
        text = subprocess.run(
            [*command, *([] if data else ["--schema-only"])], check=True, capture_output=True, text=True,
            env={**os.environ, "PGPASSWORD": "x"},
        ).stdout  # fmt: skip
        # psql's guard against a server that is not trusted has a random word.
        return "\n".join(line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))

    def migrate_to(self, pair: Pair, tracking: str, users: str) -> None:
        """Make the schemas of an older release, with its migrations, which every newer one still carries."""
        code = (
            "import sys, sqlalchemy, alembic.command\n"
            "from mlflow.store.db import utils as tracking; from mlflow.server.auth.db import utils as users\n"
            "tracking.InitialBase.metadata.create_all(sqlalchemy.create_engine(sys.argv[1]))\n"
            "alembic.command.upgrade(tracking._get_alembic_config(sys.argv[1]), sys.argv[2])\n"
            "alembic.command.upgrade(users._get_alembic_config(sys.argv[3]), sys.argv[4])\n"
        )
        subprocess.run(
            [sys.executable, "-c", code, self.uri(pair.tracking), tracking, self.uri(pair.users), users],
            env=self.environment(pair), check=True, capture_output=True,
        )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> Answer:
    """Wait for the end of a tool."""
    output, error = process.communicate(timeout=600)
    return Answer(process.returncode, output, error)


def eventually(what: t.Callable[[], object]) -> None:
    """Wait until something is true: MLflow takes its time to begin, more so on a busy machine."""
    deadline = time.monotonic() + 300
    while not what():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.2)


@contextlib.contextmanager
def serving() -> t.Iterator[DatabaseServer]:
    """A server that lives as long as it is needed; it keeps nothing for the next."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mlflow-database-"))
    # PostgreSQL refuses to run as root; its packages bring a user for it.
    account = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    data, words = folder / "data", folder / "superuser"
    words.write_text("x")
    if account:
        folder.chmod(0o711)
        words.chmod(0o644)
        data.mkdir()
        shutil.chown(data, "postgres", "postgres")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    run: t.Any = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/", **account}
    flags = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=40 "
        "-c log_lock_waits=on"
    )
    try:
        subprocess.run(
            [programs() / "initdb", "--pgdata", data, "--username=postgres", "--auth=scram-sha-256", "--no-sync",
             "--encoding=UTF8", "--pwfile", words], **run,
        )  # fmt: skip
        subprocess.run([programs() / "pg_ctl", "-D", data, "-o", flags, "-l", data / "log", "-w", "start"], **run)
        try:
            server = DatabaseServer(folder, port)
            server.sql(f'create role "{USER}" login password %s', "postgres", PASSWORD)
            yield server
        finally:
            subprocess.run([programs() / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], **run)
    finally:
        shutil.rmtree(folder)
