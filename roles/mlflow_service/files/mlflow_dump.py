# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The databases of an MLflow server as files that can be read, and databases made of such files again.

A file is a ZIP archive with a CSV for each table. It holds no schema: that is what MLflow's own migrations make, at the
revision that was written down with the file. So it needs no ``pg_dump`` that is as new as the server, which a
distribution of some years ago does not have, and any release of MLflow that knows the revision can take it.
"""

from __future__ import annotations

import collections.abc
import contextlib
import csv
import dataclasses
import graphlib
import importlib
import io
import typing
import urllib.parse
import zipfile

import psycopg2
import psycopg2.errorcodes
import psycopg2.extensions
from mlflow_database import AUTHENTICATION, TRACKING, Release, Target, UnusableDatabaseError, connect, explain, read
from psycopg2 import sql

# Where statements run that make or rename other databases.
MAINTENANCE_DATABASE = "postgres"
# Where MLflow keeps its configuration of Alembic.
UTILITIES = {TRACKING.name: "mlflow.store.db.utils", AUTHENTICATION.name: "mlflow.server.auth.db.utils"}
NEW, FORMER = "_restored", "_replaced"


@dataclasses.dataclass(frozen=True)
class Database:
    """A database, and the schemas that live in it; usually one."""

    targets: tuple[Target, ...]

    @property
    def name(self) -> str:
        """What its file is called, whatever the database is."""
        return self.targets[0].schema.name

    @property
    def target(self) -> Target:
        """How it is reached."""
        return self.targets[0]

    def called(self, database: str) -> Database:
        """The same on the same server, under another name."""
        targets = []
        for target in self.targets:
            parts = urllib.parse.urlsplit(target.uri)
            uri = urllib.parse.urlunsplit(parts._replace(path=f"/{urllib.parse.quote(database, safe='')}"))
            targets.append(dataclasses.replace(target, uri=uri, database=database))
        return Database(tuple(targets))

    @classmethod
    def all(cls) -> list[Database]:
        """What the environment names, each once; raises :class:`UnusableDatabaseError`."""
        found: dict[tuple[str, str], list[Target]] = {}
        for target in Target.all():
            found.setdefault((target.address, target.database), []).append(target)
        return [cls(tuple(targets)) for targets in found.values()]


@contextlib.contextmanager
def session(target: Target, *, snapshot: bool = False) -> collections.abc.Iterator[psycopg2.extensions.cursor]:
    """Work in one transaction, which is kept if all goes well; raises :class:`UnusableDatabaseError`.

    :param snapshot: only read, and see the database all the time as it is at the first question.
    """
    connection = connect(target)
    connection.set_session(
        isolation_level="REPEATABLE READ" if snapshot else None, readonly=snapshot or None, autocommit=False
    )
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "select set_config(name, '0', true) from pg_settings where name in "
                "('idle_in_transaction_session_timeout', 'transaction_timeout', 'statement_timeout')"
            )
            yield cursor
    except psycopg2.Error as error:
        raise explain(str(error), target) from error
    finally:
        connection.close()


def tables(cursor: psycopg2.extensions.cursor) -> list[str]:
    """The names of all tables, by the alphabet."""
    cursor.execute("select tablename from pg_tables where schemaname = current_schema() order by 1")
    return [name for (name,) in cursor.fetchall()]


def revisions(cursor: psycopg2.extensions.cursor, database: Database) -> dict[str, str]:
    """The revision of each schema; raises :class:`UnusableDatabaseError` where there is none."""
    found = {}
    for target in database.targets:
        revision = read(cursor, target).revision
        if revision is None:
            raise UnusableDatabaseError(
                f"Database {target.database!r} has no {target.schema.name} schema of MLflow: there is nothing to save"
            )
        found[target.schema.name] = revision
    return found


def dump(cursor: psycopg2.extensions.cursor, file: typing.IO[bytes]) -> dict[str, int]:
    """Write all tables into a file; returns the number of rows of each."""
    rows = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for table in tables(cursor):
            with archive.open(f"{table}.csv", "w", force_zip64=True) as member:
                copy = sql.SQL("copy {} to stdout with (format csv, header)").format(sql.Identifier(table))
                cursor.copy_expert(copy, member)
            rows[table] = cursor.rowcount
    return rows


def load(cursor: psycopg2.extensions.cursor, file: typing.IO[bytes]) -> dict[str, int]:
    """Fill the tables, which are there, out of a file; returns the number of rows of each.

    What a table holds before is gone: migrations write rows of their own, which are in the file too.
    """
    rows = {}
    with zipfile.ZipFile(file) as archive:
        there, given = set(tables(cursor)), {name.removesuffix(".csv") for name in archive.namelist()}
        if there != given:
            raise UnusableDatabaseError(
                f"The backup does not fit its revision: {', '.join(sorted(there ^ given))} is in one of them alone. "
                "Another program keeps tables in MLflow's database, or the file is damaged"
            )
        cursor.execute(sql.SQL("truncate {}").format(sql.SQL(", ").join(map(sql.Identifier, sorted(there)))))
        for table in parents_first(cursor, there):
            with archive.open(f"{table}.csv") as member:
                columns = next(csv.reader(io.TextIOWrapper(member, "utf-8", newline="")))
            copy = sql.SQL("copy {} ({}) from stdin with (format csv, header)").format(
                sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
            )
            with archive.open(f"{table}.csv") as member:
                cursor.copy_expert(copy, member)
            rows[table] = cursor.rowcount
    count_on(cursor)
    return rows


def parents_first(cursor: psycopg2.extensions.cursor, names: collections.abc.Iterable[str]) -> list[str]:
    """Tables in an order in which no row comes before what it refers to."""
    cursor.execute(
        "select child.relname, parent.relname from pg_constraint "
        "join pg_class child on child.oid = conrelid join pg_class parent on parent.oid = confrelid "
        "where contype = 'f' and conrelid <> confrelid and child.relnamespace = current_schema()::text::regnamespace"
    )
    sorter = graphlib.TopologicalSorter({name: set() for name in names})
    for child, parent in cursor.fetchall():
        sorter.add(child, parent)
    return list(sorter.static_order())


def count_on(cursor: psycopg2.extensions.cursor) -> None:
    """Let each sequence go on behind the rows that are there."""
    cursor.execute(
        "select table_name, column_name, pg_get_serial_sequence(quote_ident(table_name), column_name) as sequence "
        "from information_schema.columns where table_schema = current_schema() "
        "and pg_get_serial_sequence(quote_ident(table_name), column_name) is not null"
    )
    for table, column, sequence in cursor.fetchall():
        names = {"table": sql.Identifier(table), "column": sql.Identifier(column), "sequence": sql.Literal(sequence)}
        statement = "select setval({sequence}, coalesce((select max({column}) from {table}), 0) + 1, false)"
        cursor.execute(sql.SQL(statement).format(**names))


def refuse_unknown(database: Database, wanted: dict[str, str]) -> None:
    """Raise :class:`UnusableDatabaseError` for a revision that the installed MLflow cannot make."""
    for target in database.targets:
        revision = wanted[target.schema.name]
        if revision not in Release.installed(target.schema).known:
            raise UnusableDatabaseError(
                f"The backup's {target.schema.name} schema is at revision {revision}, which the installed MLflow does "
                "not know: it was made with a newer MLflow. Raise mlflow_service_version, run mlops.mlflow.site, and "
                "restore again"
            )


def make(database: Database, wanted: dict[str, str]) -> None:
    """Let MLflow make the schemas at these revisions, in a database that is empty."""
    # It takes seconds to import them.
    import alembic.command
    import sqlalchemy

    for target in database.targets:
        utils = importlib.import_module(UTILITIES[target.schema.name])
        if target.schema is TRACKING:
            engine = sqlalchemy.create_engine(target.uri)
            utils.InitialBase.metadata.create_all(engine)
            engine.dispose()
        alembic.command.upgrade(utils._get_alembic_config(target.uri), wanted[target.schema.name])


@contextlib.contextmanager
def maintaining(database: Database, *, autocommit: bool) -> collections.abc.Iterator[psycopg2.extensions.cursor]:
    """Work on the databases of a server; raises :class:`UnusableDatabaseError`."""
    target = database.called(MAINTENANCE_DATABASE).target
    connection = connect(target)
    connection.autocommit = autocommit
    try:
        with connection.cursor() as cursor:
            yield cursor
        if not autocommit:
            connection.commit()
    except psycopg2.Error as error:
        if error.pgcode not in (psycopg2.errorcodes.INSUFFICIENT_PRIVILEGE, psycopg2.errorcodes.OBJECT_IN_USE):
            raise explain(str(error), target) from error
        raise UnusableDatabaseError(
            f"The databases at {target.address} cannot be exchanged ({str(error).splitlines()[0]}): the user "
            f"{target.user!r} has to have CREATEDB and be an owner of them, and nobody else may be connected to them"
        ) from error
    finally:
        connection.close()


def prepare(database: Database) -> Database:
    """Make an empty database beside this one, with its owner and its locale."""
    fresh = database.called(database.target.database + NEW)
    with maintaining(database, autocommit=True) as cursor:
        for name in (fresh.target.database, database.target.database + FORMER):
            cursor.execute(sql.SQL("drop database if exists {}").format(sql.Identifier(name)))
        cursor.execute(
            "select pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype "
            "from pg_database where datname = %s",
            (database.target.database,),
        )
        ((owner, encoding, collate, ctype),) = cursor.fetchall()
        cursor.execute(
            sql.SQL("create database {} owner {} template template0 encoding {} lc_collate {} lc_ctype {}").format(
                sql.Identifier(fresh.target.database), sql.Identifier(owner),
                *map(sql.Literal, (encoding, collate, ctype)),
            )
        )  # fmt: skip
    return fresh


def refuse_used(databases: collections.abc.Sequence[Database]) -> None:
    """Raise :class:`UnusableDatabaseError` where somebody is connected, whom an exchange would have to throw out."""
    with maintaining(databases[0], autocommit=True) as cursor:
        # Those of this tool hold the lock. Of other users' sessions one sees no more than that they are there.
        cursor.execute(
            "select datname, count(*) from pg_stat_activity where datname = any(%s) "
            "and application_name is distinct from 'mlflow_database' group by 1 order by 1",
            ([database.target.database for database in databases],),
        )
        used = [f"{count} to {name!r}" for name, count in cursor.fetchall()]
    if used:
        raise UnusableDatabaseError(
            f"There are connections, {', '.join(used)}, and nobody may be connected to databases that are replaced: "
            "stop other servers, and end the sessions of people and reports"
        )


def exchange(databases: collections.abc.Sequence[Database]) -> None:
    """Put what was prepared in the place of the databases, all at once or not at all, and remove the former ones."""
    with maintaining(databases[0], autocommit=False) as cursor:
        for name in (database.target.database for database in databases):
            for before, after in ((name, name + FORMER), (name + NEW, name)):
                rename = sql.SQL("alter database {} rename to {}")
                cursor.execute(rename.format(sql.Identifier(before), sql.Identifier(after)))
    with maintaining(databases[0], autocommit=True) as cursor:
        for database in databases:
            cursor.execute(sql.SQL("drop database {}").format(sql.Identifier(database.target.database + FORMER)))
