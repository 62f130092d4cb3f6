# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the MLflow server needs of its databases before it starts: that of the runs, and that of its users.

``check`` proves, in less than a second, that they can be used, and says which state their schemas are in and how many
connections the database server has; with ``--ready`` it fails unless the schemas are exactly those that the installed
MLflow wants, because a server that starts on an older one migrates it silently. ``migrate`` brings the schemas up to
date, under a lock that every machine with the same database respects.

Both read ``MLFLOW_BACKEND_STORE_URI`` and, where users authenticate themselves, ``MLFLOW_SERVICE_AUTH_DATABASE_URI``
and ``MLFLOW_AUTH_ADMIN_USERNAME`` from the environment, and libpq takes the password from ``PGPASSFILE``.
"""

from __future__ import annotations

import argparse
import collections.abc
import contextlib
import dataclasses
import importlib.util
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import urllib.parse

import psycopg2
import psycopg2.errorcodes
import psycopg2.extensions

CONNECT_SECONDS = 5
ANSWER_SECONDS = 30
LOCK_SECONDS = 600
TABLE_LOCK_SECONDS = 60
# Any number does, as long as everybody who changes an MLflow schema takes the same one.
ADVISORY_LOCK = 0x6D6C666C6F77  # "mlflow"


class UnusableDatabaseError(Exception):
    """Something that a person has to put right; the text says what, and where to look."""

    status = 1


class MissingDatabaseError(UnusableDatabaseError):
    """The server is there, and the database is not: what comes before this tool may yet make it."""

    status = 3


@dataclasses.dataclass(frozen=True)
class Schema:
    """One of the two schemas that MLflow keeps, each with migrations of its own."""

    name: str
    uri_variable: str
    database_variable: str
    scripts: tuple[str, ...]
    version_table: str
    # Tables that stand before the first revision does: those of an interrupted first migration, or of a release that
    # counted no revisions yet.
    unversioned: frozenset[str]
    upgrade: tuple[str, ...]


TRACKING = Schema(
    name="tracking",
    uri_variable="MLFLOW_BACKEND_STORE_URI",
    database_variable="mlflow_service_database_name",
    scripts=("store", "db_migrations", "versions"),
    version_table="alembic_version",
    unversioned=frozenset({"experiments", "runs", "metrics"}),
    upgrade=("mlflow", "db", "upgrade"),
)
AUTHENTICATION = Schema(
    name="authentication",
    uri_variable="MLFLOW_SERVICE_AUTH_DATABASE_URI",
    database_variable="mlflow_service_auth_database_name",
    scripts=("server", "auth", "db", "migrations", "versions"),
    version_table="alembic_version_auth",
    unversioned=frozenset({"users", "experiment_permissions", "registered_model_permissions"}),
    upgrade=("mlflow.server.auth", "db", "upgrade", "--url"),
)
SCHEMAS = (TRACKING, AUTHENTICATION)


@dataclasses.dataclass(frozen=True)
class Target:
    """A schema, and where its database is, as the URI has it."""

    schema: Schema
    uri: str
    host: str
    port: int
    user: str
    database: str

    @classmethod
    def from_uri(cls, schema: Schema, uri: str) -> Target:
        """Read SQLAlchemy's URI of a PostgreSQL database; raises :class:`UnusableDatabaseError` for any other URI."""
        parts = urllib.parse.urlsplit(uri)
        if parts.scheme.partition("+")[0] != "postgresql" or not parts.hostname:
            raise UnusableDatabaseError(f"{schema.uri_variable} is not the URI of a PostgreSQL database with a host")
        return cls(
            schema=schema,
            uri=uri,
            host=parts.hostname,
            port=parts.port or 5432,
            user=urllib.parse.unquote(parts.username or ""),
            database=urllib.parse.unquote(parts.path.lstrip("/")),
        )

    @classmethod
    def all(cls) -> list[Target]:
        """What the environment names, that of the runs first; raises :class:`UnusableDatabaseError`."""
        return [
            cls.from_uri(schema, os.environ.get(schema.uri_variable, ""))
            for schema in SCHEMAS
            if schema is TRACKING or schema.uri_variable in os.environ
        ]

    @property
    def dsn(self) -> str:
        """The URI as libpq reads it."""
        return urllib.parse.urlunsplit(urllib.parse.urlsplit(self.uri)._replace(scheme="postgresql"))

    @property
    def address(self) -> str:
        """Host and port, as people write them."""
        return f"{self.host}:{self.port}"


@dataclasses.dataclass(frozen=True)
class Release:
    """The revisions of a schema that the installed MLflow knows."""

    head: str
    known: frozenset[str]

    @classmethod
    def from_directory(cls, versions: pathlib.Path) -> Release:
        """Read Alembic's migration scripts as text.

        Importing them, as Alembic does to tell the head, takes seconds; they are plain assignments.
        """
        revisions: set[str] = set()
        parents: set[str] = set()
        for script in versions.glob("*.py"):
            text = script.read_text(encoding="utf-8")
            for name, value in re.findall(r"^(revision|down_revision)\s*(?::[^=\n]+)?=(.+)$", text, re.MULTILINE):
                (revisions if name == "revision" else parents).update(re.findall(r"[\"'](\w+)[\"']", value))
        heads = revisions - parents
        if len(heads) != 1:
            raise UnusableDatabaseError(
                f"The installed MLflow has no single schema head in {versions}: {sorted(heads)}"
            )
        return cls(head=heads.pop(), known=frozenset(revisions))

    @classmethod
    def installed(cls, schema: Schema) -> Release:
        """The release in the environment of the Python that runs this."""
        spec = importlib.util.find_spec("mlflow")
        if spec is None or not spec.submodule_search_locations:
            raise UnusableDatabaseError(f"MLflow is not installed for {sys.executable}")
        return cls.from_directory(pathlib.Path(spec.submodule_search_locations[0], *schema.scripts))


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a database holds: the revision of the schema, if any, and the names of all its tables."""

    revision: str | None
    tables: frozenset[str]


def explain(text: str, target: Target) -> UnusableDatabaseError:
    """Turn PostgreSQL's words into an error that names the variable to look at."""
    words = text.strip().splitlines()[0] if text.strip() else "no reason given"
    words = words.rpartition("FATAL:")[2].strip()
    database = target.schema.database_variable
    if "password authentication failed" in words or "no password supplied" in words:
        return UnusableDatabaseError(
            f"The database at {target.address} refuses the password of user {target.user!r} ({words}): look at "
            "mlflow_service_database_password and mlflow_service_database_user"
        )
    if f'role "{target.user}" does not exist' in words:
        return UnusableDatabaseError(
            f"There is no user {target.user!r} at {target.address}: look at mlflow_service_database_user"
        )
    if f'database "{target.database}" does not exist' in words:
        return MissingDatabaseError(
            f"There is no database {target.database!r} at {target.address}: make it, owned by user {target.user!r}, or "
            f"look at {database}"
        )
    if "permission denied" in words:
        return UnusableDatabaseError(
            f"User {target.user!r} may not use database {target.database!r} at {target.address} ({words}): "
            f"look at mlflow_service_database_user and {database}"
        )
    if "no pg_hba.conf entry" in words:
        return UnusableDatabaseError(
            f"The database at {target.address} does not admit this machine ({words}): look at "
            f"mlflow_service_database_user, {database}, and at sslmode in mlflow_service_database_parameters"
        )
    if "connection slots" in words or "too many" in words:
        return UnusableDatabaseError(
            f"The database at {target.address} has no connection left ({words}): lower mlflow_service_workers, or "
            "raise the database's max_connections"
        )
    if "statement timeout" in words:
        return UnusableDatabaseError(
            f"The database at {target.address} did not answer a simple question within {ANSWER_SECONDS} seconds: it is "
            f"overloaded, or another session of database {target.database!r} holds its tables"
        )
    return UnusableDatabaseError(
        f"The database at {target.address} cannot be used ({words}): look at the mlflow_service_database_* variables"
    )


def reach(target: Target) -> None:
    """Prove the name and the route; raises :class:`UnusableDatabaseError`."""
    try:
        addresses = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise UnusableDatabaseError(
            f"The name of the database's host, {target.host!r}, does not resolve ({error.strerror}): look at "
            "mlflow_service_database_host"
        ) from error
    reasons = []
    for family, kind, protocol, _name, address in addresses:
        with socket.socket(family, kind, protocol) as probe:
            probe.settimeout(CONNECT_SECONDS)
            try:
                probe.connect(address)
            except OSError as error:
                reasons.append(error.strerror or "no answer within 5 seconds")
            else:
                return
    raise UnusableDatabaseError(
        f"There is no route to the database at {target.address} ({', '.join(dict.fromkeys(reasons))}): look at "
        "mlflow_service_database_host and mlflow_service_database_port, whether the database runs, and whether this "
        "machine's network reaches it (for Cloud SQL with a private address: the peering of the network)"
    )


def connect(target: Target) -> psycopg2.extensions.connection:
    """Log in; raises :class:`UnusableDatabaseError`."""
    reach(target)
    try:
        connection = psycopg2.connect(target.dsn, application_name="mlflow_database")
    except psycopg2.OperationalError as error:
        raise explain(str(error), target) from error
    connection.autocommit = True
    return connection


@contextlib.contextmanager
def asking(target: Target) -> collections.abc.Iterator[psycopg2.extensions.cursor]:
    """Ask the database, each question for a bounded time; raises :class:`UnusableDatabaseError`."""
    connection = connect(target)
    try:
        with connection.cursor() as cursor:
            cursor.execute("select set_config('statement_timeout', %s, false)", (f"{ANSWER_SECONDS}s",))
            yield cursor
    except psycopg2.Error as error:
        raise explain(str(error), target) from error
    finally:
        connection.close()


@contextlib.contextmanager
def alone(target: Target) -> collections.abc.Iterator[None]:
    """Hold the lock that everybody takes who changes the database; raises :class:`UnusableDatabaseError`.

    It belongs to a transaction and not to a session, so a pooler, which gives the session to somebody else after a
    transaction, keeps it too; and it ends with the connection, whichever end dies.
    """
    connection = connect(target)
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            # The transaction stays open and idle for as long as the work takes. (transaction_timeout: PostgreSQL 17.)
            cursor.execute(
                "select set_config(name, '0', true) from pg_settings where name in "
                "('idle_in_transaction_session_timeout', 'transaction_timeout', 'statement_timeout')"
            )
            cursor.execute("select pg_try_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
            ((free,),) = cursor.fetchall()
            if not free:
                print(f"Waiting for another migration of database {target.database!r}", file=sys.stderr, flush=True)
                cursor.execute("select set_config('lock_timeout', %s, true)", (f"{LOCK_SECONDS}s",))
                cursor.execute("select pg_advisory_xact_lock(%s)", (ADVISORY_LOCK,))
    except psycopg2.Error as error:
        connection.close()
        if error.pgcode == psycopg2.errorcodes.LOCK_NOT_AVAILABLE:
            raise UnusableDatabaseError(
                f"Another migration of database {target.database!r} has been running for {LOCK_SECONDS} seconds: wait "
                "for its end and run the play again"
            ) from error
        raise explain(str(error), target) from error
    try:
        yield
    finally:
        connection.close()


def read(cursor: psycopg2.extensions.cursor, target: Target) -> Contents:
    """Read what decides on the state of the schema."""
    cursor.execute("select tablename from pg_tables where schemaname = current_schema()")
    tables = frozenset(name for (name,) in cursor.fetchall())
    revisions = []
    if target.schema.version_table in tables:
        cursor.execute(f"select version_num from {target.schema.version_table}")  # noqa: S608 - one of two constants
        revisions = [revision for (revision,) in cursor.fetchall()]
    if len(revisions) > 1:
        raise UnusableDatabaseError(
            f"The {target.schema.name} schema of database {target.database!r} has several revisions at once "
            f"({', '.join(sorted(revisions))}), which no migration leaves: restore a backup"
        )
    return Contents(revision=revisions[0] if revisions else None, tables=tables)


def judge(contents: Contents, release: Release, target: Target, *, shared: bool) -> str:
    """Tell the state of the schema: ``empty``, ``older`` or ``current``.

    Raises :class:`UnusableDatabaseError` for one that this release must not touch. In a ``shared`` database, the tables
    of the schema that was judged before are no strangers.
    """
    schema = target.schema
    if contents.revision == release.head:
        return "current"
    if contents.revision in release.known:
        return "older"
    if contents.revision is not None:
        raise UnusableDatabaseError(
            f"The {schema.name} schema of database {target.database!r} is at revision {contents.revision}, which this "
            f"MLflow (head {release.head}) does not know: it was made by a newer MLflow, or by another program. Raise "
            f"mlflow_service_version, look at {schema.database_variable}, or restore a backup of before"
        )
    if schema.unversioned <= contents.tables:
        return "older"
    if shared or not contents.tables - {schema.version_table}:
        return "empty"
    raise UnusableDatabaseError(
        f"Database {target.database!r} at {target.address} holds other tables than those of MLflow's {schema.name} "
        f"({', '.join(sorted(contents.tables)[:5])}...): look at {schema.database_variable}"
    )


def may_create(cursor: psycopg2.extensions.cursor, target: Target) -> None:
    """Prove the right to make tables, which PostgreSQL 15 gives owners alone; raises :class:`UnusableDatabaseError`."""
    cursor.execute("select current_schema(), has_schema_privilege(current_schema(), 'CREATE')")
    ((schema, allowed),) = cursor.fetchall()
    if not allowed:
        raise UnusableDatabaseError(
            f"User {target.user!r} may not create tables in schema {schema!r} of database {target.database!r}: make "
            "that user the database's owner, or look at mlflow_service_database_user"
        )


def has_administrator(cursor: psycopg2.extensions.cursor, name: str) -> bool:
    """Whether the server would find its administrator, whom it else would want to make itself."""
    cursor.execute("select 1 from users where username = %s", (name,))
    return cursor.fetchone() is not None


def count_connections(cursor: psycopg2.extensions.cursor) -> dict[str, int | None]:
    """How many connections the database server has, and who uses them, but for the one that asks.

    ``others`` are those that are not this user's from this machine, and ``limit`` is the user's own.
    """
    cursor.execute(
        "select current_setting('max_connections')::int, "
        "(select sum(setting::int) from pg_settings "
        "where name in ('superuser_reserved_connections', 'reserved_connections')), "
        "(select nullif(rolconnlimit, -1) from pg_roles where rolname = current_user)"
    )
    ((most, reserved, limit),) = cursor.fetchall()
    # What belongs to the server itself has no user or no database, and takes none of these connections.
    cursor.execute(
        "select count(*), count(*) filter (where usename = current_user "
        "and client_addr is not distinct from inet_client_addr()) from pg_stat_activity "
        "where usename is not null and datname is not null and pid <> pg_backend_pid() "
        "and backend_type is distinct from 'parallel worker'"
    )
    ((used, own),) = cursor.fetchall()
    return {"max": most, "reserved": int(reserved), "used": used, "others": used - own, "limit": limit}


def is_shared(target: Target, others: list[Target]) -> bool:
    """Whether another schema, which comes first, lives in the same database."""
    return any((target.address, target.database) == (other.address, other.database) for other in others)


def check(targets: list[Target], administrator: str, *, ready: bool) -> dict[str, object]:
    """Prove that the databases can be used; raises :class:`UnusableDatabaseError`."""
    schemas = {}
    connections: dict[str, int | None] = {}
    for number, target in enumerate(targets):
        release = Release.installed(target.schema)
        if target.schema is AUTHENTICATION and importlib.util.find_spec("flask_wtf") is None:
            raise UnusableDatabaseError(
                "MLflow's authentication needs Flask-WTF, which is not installed: name mlflow[auth] in "
                "mlflow_service_packages"
            )
        with asking(target) as cursor:
            contents = read(cursor, target)
            state = judge(contents, release, target, shared=is_shared(target, targets[:number]))
            if state != "current":
                may_create(cursor, target)
                if ready:
                    raise UnusableDatabaseError(
                        f"The {target.schema.name} schema is {state} (revision {contents.revision}, this MLflow wants "
                        f"{release.head}): run the play again, which migrates it"
                    )
            if ready and target.schema is AUTHENTICATION and not has_administrator(cursor, administrator):
                raise UnusableDatabaseError(
                    f"Database {target.database!r} has no user {administrator!r}, who is to be the administrator: run "
                    "the play again, which makes him, or look at mlflow_service_admin_username"
                )
            connections = connections or count_connections(cursor)
        schemas[target.schema.name] = {"schema": state, "revision": contents.revision, "head": release.head}
    current = all(schema["schema"] == "current" for schema in schemas.values())
    return {"current": current, "schemas": schemas, "connections": connections}


def upgrade(target: Target) -> str | None:
    """Let MLflow migrate the schema; returns what went wrong, if anything did."""
    # The URI holds no password, so it may stand on a command line; MLflow takes it nowhere else. A migration takes as
    # long as it takes, but a table that somebody else holds would stop it, and everybody behind it, for ever.
    bounds = f"-c statement_timeout=0 -c lock_timeout={TABLE_LOCK_SECONDS}s"
    reason = ""
    with subprocess.Popen(
        [sys.executable, "-m", *target.schema.upgrade, target.uri],
        env={**os.environ, "PGOPTIONS": bounds},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr or ():
            print(line, end="", file=sys.stderr, flush=True)
            reason = line.strip() if re.match(r"[\w.]+(Error|Exception)\b", line) else reason
    if process.returncode == 0:
        return None
    if "lock timeout" in reason:
        reason += (
            f"; another session has held a table for {TABLE_LOCK_SECONDS} seconds: end the backup, the open "
            "transaction or the other server, and run the play again"
        )
    return f"exit code {process.returncode}: {reason or 'its words are above'}"


def migrate(targets: list[Target]) -> dict[str, object]:
    """Bring the schemas to the heads of the installed MLflow, once; raises :class:`UnusableDatabaseError`."""
    answer: dict[str, object] = {}
    for number, target in enumerate(targets):
        release = Release.installed(target.schema)
        with alone(target):
            with asking(target) as cursor:
                before = read(cursor, target)
                state = judge(before, release, target, shared=is_shared(target, targets[:number]))
                if state != "current":
                    may_create(cursor, target)
            if state != "current":
                problem = upgrade(target)
                with asking(target) as cursor:
                    after = read(cursor, target)
                # Where the lock was lost with its connection, somebody else may have done it meanwhile.
                if after.revision != release.head:
                    raise UnusableDatabaseError(
                        f"The migration of database {target.database!r} from revision {before.revision} failed "
                        f"({problem or 'without a word'}); it is at revision {after.revision} now"
                    )
        answer[target.schema.name] = {"from": before.revision, "to": release.head}
    return answer


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Prove or migrate the databases of an MLflow server.")
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="prove that the databases can be used")
    checking.add_argument("--ready", action="store_true", help="fail unless the schemas are up to date")
    commands.add_parser("migrate", help="bring the schemas up to date")
    options = parser.parse_args(arguments)
    try:
        targets = Target.all()
        if options.command == "migrate":
            answer = migrate(targets)
        else:
            answer = check(targets, os.environ.get("MLFLOW_AUTH_ADMIN_USERNAME", ""), ready=options.ready)
    except UnusableDatabaseError as problem:
        print(problem, file=sys.stderr)
        return problem.status
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
