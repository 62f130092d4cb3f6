# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make the administrator of an MLflow server, and make his password the one that is given on standard input.

MLflow makes him itself when it first starts, of a password in its environment, and never looks at that again. Here this
process alone sees the password, and a changed one is changed in the database as well.

It reads ``MLFLOW_SERVICE_AUTH_DATABASE_URI`` and ``MLFLOW_AUTH_ADMIN_USERNAME`` from the environment, and libpq takes
the database's password from ``PGPASSFILE``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys

import mlflow_database as database
from werkzeug.security import check_password_hash


@dataclasses.dataclass(frozen=True)
class Administrators:
    """What the database knows of the administrator, and who else is one."""

    password_hash: str | None
    is_admin: bool
    others: list[str]

    def differs(self, password: str) -> str | None:
        """What has to change, in words; None when nothing has to."""
        if self.password_hash is None:
            return "there is no such user"
        if not self.is_admin:
            return "the user is no administrator"
        if not check_password_hash(self.password_hash, password):
            return "the password is another one"
        return None


def find(target: database.Target, name: str) -> Administrators:
    """Read the users; raises :class:`database.UnusableDatabaseError`."""
    with database.asking(target) as cursor:
        if database.AUTHENTICATION.unversioned <= database.read(cursor, target).tables:
            cursor.execute(
                "select username, password_hash, is_admin from users where is_admin or username = %s", (name,)
            )
            users = {username: (password_hash, is_admin) for username, password_hash, is_admin in cursor.fetchall()}
        else:
            users = {}
    password_hash, is_admin = users.pop(name, (None, False))
    return Administrators(password_hash=password_hash, is_admin=bool(is_admin), others=sorted(users))


def write(target: database.Target, name: str, password: str, *, exists: bool) -> None:
    """Let MLflow write the user, with its own rules and its own hash."""
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore()
    store.init_db(target.uri)
    try:
        if exists:
            store.update_user(name, password=password, is_admin=True)
        else:
            store.create_user(name, password, is_admin=True)
    finally:
        store.engine.dispose()


def have(target: database.Target, name: str, password: str, *, check: bool) -> dict[str, object]:
    """Have the administrator as he should be; raises :class:`database.UnusableDatabaseError`."""
    reason = find(target, name).differs(password)
    if reason and not check:
        with database.alone(target):
            # Somebody else may have done it meanwhile, and MLflow would migrate the schema before it writes.
            found = find(target, name)
            reason = found.differs(password)
            with database.asking(target) as cursor:
                contents = database.read(cursor, target)
            if contents.revision != database.Release.installed(target.schema).head:
                raise database.UnusableDatabaseError(
                    f"The {target.schema.name} schema is not up to date: run the play without --tags, which migrates it"
                )
            if reason:
                write(target, name, password, exists=found.password_hash is not None)
    return {"changed": bool(reason), "reason": reason, "others": find(target, name).others}


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Have the administrator, with the password on standard input.")
    parser.add_argument("--check", action="store_true", help="change nothing, and say what would be changed")
    options = parser.parse_args(arguments)
    schema = database.AUTHENTICATION
    try:
        target = database.Target.from_uri(schema, os.environ.get(schema.uri_variable, ""))
        answer = have(target, os.environ["MLFLOW_AUTH_ADMIN_USERNAME"], sys.stdin.read(), check=options.check)
    except database.UnusableDatabaseError as problem:
        print(problem, file=sys.stderr)
        return problem.status
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
