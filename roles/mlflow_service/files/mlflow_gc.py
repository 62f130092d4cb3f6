# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Delete for good what users have deleted long ago: runs, models and experiments of MLflow, with their artifacts.

``delete-30d`` is ``mlflow gc`` for what was deleted 30 days ago, or earlier. By itself that asks the tracking server to
delete artifacts, with a login; here it goes to where they are. ``show-30d`` tells what it would delete.

``MLFLOW_BACKEND_STORE_URI`` names the database, and libpq takes the password from ``PGPASSFILE``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import pathlib
import posixpath
import sys
import typing
import urllib.parse

import google.api_core.exceptions
import mlflow.cli
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

# What each method of MLflow's store deletes for good.
DELETES = {
    "_hard_delete_run": "runs",
    "_hard_delete_logged_model": "models",
    "_hard_delete_experiment": "experiments",
}

Json = dict[str, typing.Any]


class Untouched:
    """The place of artifacts that stay."""

    def delete_artifacts(self) -> None:
        """Delete nothing."""


def resolve(uri: str, artifacts: str) -> str:
    """Where artifacts are that clients reach through the server: below ``artifacts``, of which they are a part."""
    parts = urllib.parse.urlsplit(uri)
    if parts.scheme != "mlflow-artifacts":
        return uri
    path = posixpath.normpath(f"/{parts.path}").strip("/")
    if not path:
        raise MlflowException(f"{uri} is the place of all artifacts, and not of a run's")
    return f"{artifacts.rstrip('/')}/{path}"


def collect(older_than: str, artifacts: str, *, delete: bool) -> Json:
    """Let MLflow delete, or only tell what it would; returns the identifiers of both kinds of things.

    :param older_than: how long ago something was deleted at least, as MLflow has it, such as ``30d``.
    """
    found: Json = {kind: [] for kind in DELETES.values()}
    repository_of = mlflow.cli.get_artifact_repository

    def repository(artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> typing.Any:
        place = resolve(artifact_uri, artifacts)
        return repository_of(place, tracking_uri, registry_uri) if delete else Untouched()

    def noting(kind: str, original: typing.Callable[..., None]) -> typing.Callable[..., None]:
        def note(store: SqlAlchemyStore, identifier: str) -> None:
            if delete:
                original(store, identifier)
            print(f"{'Deleted' if delete else 'Would delete'} {kind[:-1]} {identifier}", file=sys.stderr, flush=True)
            found[kind].append(identifier)

        return note

    # A release before 3.0 has no models of this kind.
    originals = {name: getattr(SqlAlchemyStore, name) for name in DELETES if hasattr(SqlAlchemyStore, name)}
    database = os.environ["MLFLOW_BACKEND_STORE_URI"]
    # It wants a server's address, which it has no use for now.
    flags = ["--backend-store-uri", database, "--tracking-uri", database, "--older-than", older_than]
    if os.environ.get("MLFLOW_ENABLE_WORKSPACES", "").lower() == "true":
        flags.append("--all-workspaces")
    try:
        mlflow.cli.get_artifact_repository = repository
        for name, original in originals.items():
            setattr(SqlAlchemyStore, name, noting(DELETES[name], original))
        # What it prints says "deleted" in either case.
        with contextlib.redirect_stdout(io.StringIO()):
            mlflow.cli.gc.main(flags, standalone_mode=False)
    finally:
        mlflow.cli.get_artifact_repository = repository_of
        for name, original in originals.items():
            setattr(SqlAlchemyStore, name, original)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Delete for good what users of MLflow have deleted.")
    parser.add_argument("what", help="show or delete, a hyphen, and how long ago, such as show-30d or delete-12h")
    parser.add_argument("--artifacts", required=True, help="as the server has them, such as gs://bucket/folder")
    parser.add_argument("--answer", type=pathlib.Path, required=True, help="a file for what was or would be deleted")
    options = parser.parse_args(arguments)
    command, _hyphen, older_than = options.what.partition("-")
    if command not in ("show", "delete") or not older_than:
        parser.error(f"{options.what!r} is not such as show-30d or delete-12h")
    try:
        found = collect(older_than, options.artifacts, delete=command == "delete")
    except (MlflowException, google.api_core.exceptions.GoogleAPIError) as error:
        print(f"{error} What was deleted before is deleted; run it again for the rest.", file=sys.stderr)
        return 1
    # Whoever reads it finds the old one or the new one, and never a part.
    fresh = options.answer.with_suffix(".new")
    fresh.write_text(json.dumps(found))
    fresh.replace(options.answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
