# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the MLflow server needs of its database before it starts.

``check`` proves, in less than a second, that the database can be used, and says which state its schema is in; with
``--ready`` it fails unless the schema is exactly the one that the installed MLflow wants, because a server that
starts on an older one migrates it silently. ``migrate`` brings the schema up to date, under a lock that every
machine with the same database respects.

Both read ``MLFLOW_BACKEND_STORE_URI`` from the environment, and libpq takes the password from ``PGPASSFILE``.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import typing
import urllib.parse

if typing.TYPE_CHECKING:
    import psycopg2.extensions

CONNECT_SECONDS = 5
LOCK_SECONDS = 600
# Any number does, as long as everybody who migrates an MLflow schema takes the same one.
ADVISORY_LOCK = 0x6D6C666C6F77  # "mlflow"


class UnusableDatabaseError(Exception):
    """Something that a person has to put right; the text says what, and where to look."""


@dataclasses.dataclass(frozen=True)
class Target:
    """Where the database is, as the store's URI has it."""

    host: str
    port: int
    user: str
    database: str
    dsn: str

    @classmethod
    def from_uri(cls, uri: str) -> Target:
        """Read SQLAlchemy's URI of a PostgreSQL database; raises :class:`UnusableDatabaseError` for any other URI."""
        parts = urllib.parse.urlsplit(uri)
        if parts.scheme.partition("+")[0] != "postgresql" or not parts.hostname:
            raise UnusableDatabaseError("MLFLOW_BACKEND_STORE_URI is not the URI of a PostgreSQL database with a host")
        return cls(
            host=parts.hostname,
            port=parts.port or 5432,
            user=urllib.parse.unquote(parts.username or ""),
            database=urllib.parse.unquote(parts.path.lstrip("/")),
            dsn=urllib.parse.urlunsplit(parts._replace(scheme="postgresql")),
        )

    @property
    def address(self) -> str:
        """Host and port, as people write them."""
        return f"{self.host}:{self.port}"


@dataclasses.dataclass(frozen=True)
class Release:
    """The schema revisions that the installed MLflow knows."""

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
    def installed(cls) -> Release:
        """The release in the environment of the Python that runs this."""
        spec = importlib.util.find_spec("mlflow")
        if spec is None or not spec.submodule_search_locations:
            raise UnusableDatabaseError(f"MLflow is not installed for {sys.executable}")
        return cls.from_directory(
            pathlib.Path(spec.submodule_search_locations[0], "store", "db_migrations", "versions")
        )


@dataclasses.dataclass(frozen=True)
class Contents:
    """What the database holds: the revision in ``alembic_version``, if any, and the names of its tables."""

    revision: str | None
    tables: frozenset[str]


def explain(text: str, target: Target) -> str:
    """Turn libpq's words about a connection into a sentence that names the variable to look at."""
    words = text.strip().splitlines()[0] if text.strip() else "no reason given"
    words = words.rpartition("FATAL:")[2].strip()
    if "password authentication failed" in words or "no password supplied" in words:
        return (
            f"The database at {target.address} refuses the password of user {target.user!r} ({words}): look at "
            "mlflow_service_database_password and mlflow_service_database_user"
        )
    if f'role "{target.user}" does not exist' in words:
        return f"There is no user {target.user!r} at {target.address}: look at mlflow_service_database_user"
    if f'database "{target.database}" does not exist' in words:
        return f"There is no database {target.database!r} at {target.address}: look at mlflow_service_database_name"
    if "permission denied for database" in words:
        return (
            f"User {target.user!r} may not use database {target.database!r} at {target.address} ({words}): "
            "look at mlflow_service_database_user and mlflow_service_database_name"
        )
    if "no pg_hba.conf entry" in words:
        return (
            f"The database at {target.address} does not admit this machine ({words}): look at "
            "mlflow_service_database_user, mlflow_service_database_name, and at sslmode in "
            "mlflow_service_database_parameters"
        )
    if "connection slots" in words or "too many clients" in words:
        return (
            f"The database at {target.address} has no connection left ({words}): lower mlflow_service_workers, or "
            "raise the database's max_connections"
        )
    return f"The database at {target.address} cannot be used ({words}): look at the mlflow_service_database_* variables"


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
    import psycopg2

    reach(target)
    try:
        connection = psycopg2.connect(target.dsn, application_name="mlflow_database")  # type: ignore[no-untyped-call]
    except psycopg2.OperationalError as error:
        raise UnusableDatabaseError(explain(str(error), target)) from error
    connection.autocommit = True
    return connection


def read(connection: psycopg2.extensions.connection) -> Contents:
    """Read what decides on the state of the schema."""
    with connection.cursor() as cursor:
        cursor.execute("select tablename from pg_tables where schemaname = current_schema()")
        tables = frozenset(name for (name,) in cursor.fetchall())
        revisions = []
        if "alembic_version" in tables:
            cursor.execute("select version_num from alembic_version")
            revisions = [revision for (revision,) in cursor.fetchall()]
    if len(revisions) > 1:
        raise UnusableDatabaseError(
            f"The schema has several revisions at once ({', '.join(sorted(revisions))}): restore a backup"
        )
    return Contents(revision=revisions[0] if revisions else None, tables=tables)


def judge(contents: Contents, release: Release, target: Target) -> str:
    """Tell the state of the schema: ``empty``, ``older`` or ``current``.

    Raises :class:`UnusableDatabaseError` for one that this release must not touch.
    """
    if contents.revision == release.head:
        return "current"
    if contents.revision in release.known:
        return "older"
    if contents.revision is not None:
        raise UnusableDatabaseError(
            f"The schema of database {target.database!r} is at revision {contents.revision}, which this MLflow "
            f"(head {release.head}) does not know: it was made by a newer MLflow, or by another program. Raise "
            "mlflow_service_version, look at mlflow_service_database_name, or restore a backup of before"
        )
    if not contents.tables - {"alembic_version"}:
        return "empty"
    # A first migration that was interrupted leaves the first tables without a revision; the next one finishes it.
    if "experiments" in contents.tables:
        return "older"
    raise UnusableDatabaseError(
        f"Database {target.database!r} at {target.address} holds other tables ({', '.join(sorted(contents.tables)[:5])}"
        "...): look at mlflow_service_database_name"
    )


def may_create(connection: psycopg2.extensions.connection, target: Target) -> None:
    """Prove the right to make tables, which PostgreSQL 15 gives owners alone; raises :class:`UnusableDatabaseError`."""
    with connection.cursor() as cursor:
        cursor.execute("select current_schema(), has_schema_privilege(current_schema(), 'CREATE')")
        ((schema, allowed),) = cursor.fetchall()
    if not allowed:
        raise UnusableDatabaseError(
            f"User {target.user!r} may not create tables in schema {schema!r} of database {target.database!r}: make "
            "that user the database's owner, or look at mlflow_service_database_user"
        )


def check(target: Target, *, ready: bool) -> dict[str, str | None]:
    """Prove that the database can be used; raises :class:`UnusableDatabaseError`."""
    release = Release.installed()
    connection = connect(target)
    try:
        contents = read(connection)
        state = judge(contents, release, target)
        if state != "current":
            may_create(connection, target)
            if ready:
                raise UnusableDatabaseError(
                    f"The schema is {state} (revision {contents.revision}, this MLflow wants {release.head}): "
                    "run the play again, which migrates it"
                )
    finally:
        connection.close()
    return {"schema": state, "revision": contents.revision, "head": release.head}


def migrate(target: Target, uri: str) -> dict[str, str | None]:
    """Bring the schema to the head of the installed MLflow, once; raises :class:`UnusableDatabaseError`."""
    import psycopg2
    import psycopg2.errorcodes

    release = Release.installed()
    connection = connect(target)
    try:
        with connection.cursor() as cursor:
            cursor.execute("select set_config('lock_timeout', %s, false)", (f"{LOCK_SECONDS}s",))
            try:
                cursor.execute("select pg_advisory_lock(%s)", (ADVISORY_LOCK,))
            except psycopg2.OperationalError as error:
                if error.pgcode != psycopg2.errorcodes.LOCK_NOT_AVAILABLE:
                    raise
                raise UnusableDatabaseError(
                    f"Another migration of database {target.database!r} has been running for {LOCK_SECONDS} seconds"
                ) from error
        before = read(connection)
        if judge(before, release, target) != "current":
            may_create(connection, target)
            # The URI holds no password, so it may stand on a command line; MLflow takes it nowhere else.
            subprocess.run([sys.executable, "-m", "mlflow", "db", "upgrade", uri], check=True)
            after = read(connection)
            if after.revision != release.head:
                raise UnusableDatabaseError(
                    f"The migration ended at revision {after.revision} instead of {release.head}"
                )
    except subprocess.CalledProcessError as error:
        raise UnusableDatabaseError(
            f"mlflow db upgrade failed with exit code {error.returncode}: its words are above"
        ) from error
    finally:
        connection.close()
    return {"from": before.revision, "to": release.head}


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Prove or migrate the database of an MLflow server.")
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check", help="prove that the database can be used")
    checking.add_argument("--ready", action="store_true", help="fail unless the schema is up to date")
    commands.add_parser("migrate", help="bring the schema up to date")
    options = parser.parse_args(arguments)
    try:
        uri = os.environ.get("MLFLOW_BACKEND_STORE_URI", "")
        target = Target.from_uri(uri)
        answer = migrate(target, uri) if options.command == "migrate" else check(target, ready=options.ready)
    except UnusableDatabaseError as problem:
        print(problem, file=sys.stderr)
        return 1
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
