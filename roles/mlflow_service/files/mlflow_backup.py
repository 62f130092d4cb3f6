# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Back up an MLflow server, and restore it: its databases, and the artifacts that belong to them.

``make`` writes a folder into a bucket, which is named for the time: a file for each database, the list of all
artifacts, and at last ``manifest.json``, without which a backup is none. Artifacts are not copied: the list names the
generation of each, and Cloud Storage keeps what is overwritten or deleted, as long as the bucket says. ``restore``
brings back both, or changes nothing of the databases. ``list`` tells what there is, and ``show`` whether one can be
restored here.

The environment names the databases, as :mod:`mlflow_database` reads it.
"""

from __future__ import annotations

import argparse
import collections.abc
import concurrent.futures
import contextlib
import csv
import dataclasses
import importlib.metadata
import io
import json
import pathlib
import re
import sys
import time
import typing
import urllib.parse
import zipfile

import google.api_core.exceptions
import google.auth
import google.auth.exceptions
import mlflow_dump
import requests.exceptions
from google.cloud import storage
from mlflow_database import UnusableDatabaseError, alone, upgrade

# Those of Cloud Storage alone do not admit the return of what was softly deleted.
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
NAME = re.compile(r"\d{8}T\d{6}Z")
MANIFEST = "manifest.json"
ARTIFACTS = "artifacts.zip"
LIST = "artifacts.csv"
COLUMNS = ("name", "generation", "size", "crc32c")
AT_ONCE = 16
SHOWN = 10
# What people count, of all that is in the tables.
COUNTED = {
    "experiments": "experiments",
    "runs": "runs",
    "metrics": "metrics",
    "models": "registered_models",
    "model_versions": "model_versions",
    "users": "users",
}

Json = dict[str, typing.Any]


class UnusableBackupError(Exception):
    """Something that a person has to put right; the text says what."""


@dataclasses.dataclass(frozen=True, slots=True)
class Object:
    """An object of a bucket; of a million of them, one keeps no more than this in memory."""

    name: str
    generation: int
    size: int
    crc32c: str

    def is_like(self, other: Object | None) -> bool:
        """Whether another one has this content, whatever its generation is."""
        return other is not None and (other.size, other.crc32c) == (self.size, self.crc32c)


@dataclasses.dataclass(frozen=True)
class Place:
    """A folder of a bucket; its prefix ends with a slash, or is empty."""

    bucket: storage.Bucket
    prefix: str

    @classmethod
    def at(cls, client: storage.Client, location: str) -> Place:
        """What ``gs://bucket/folder`` says; raises :class:`UnusableBackupError`."""
        parts = urllib.parse.urlsplit(location)
        if parts.scheme != "gs" or not parts.netloc:
            raise UnusableBackupError(f"{location!r} is not a place in a bucket, such as gs://bucket/folder")
        folder = parts.path.strip("/")
        return cls(client.bucket(parts.netloc), f"{folder}/" if folder else "")

    def __str__(self) -> str:
        """As it was said."""
        return f"gs://{self.bucket.name}/{self.prefix}".rstrip("/")

    def inside(self, name: str) -> Place:
        """A folder of it."""
        return Place(self.bucket, f"{self.prefix}{name}/")

    def blob(self, name: str, generation: int | None = None) -> storage.Blob:
        """An object of it."""
        return storage.Blob(f"{self.prefix}{name}", self.bucket, generation=generation)

    def objects(self) -> collections.abc.Iterator[Object]:
        """All that is in it now, by the alphabet, with their names there."""
        fields = "items(name,generation,size,crc32c),nextPageToken"
        for blob in self.bucket.client.list_blobs(self.bucket, prefix=self.prefix, fields=fields):
            yield Object(blob.name.removeprefix(self.prefix), blob.generation, blob.size, blob.crc32c)


def tell(words: str) -> None:
    """Show that something goes on."""
    print(words, file=sys.stderr, flush=True)


def backups(place: Place) -> dict[str, list[Object]]:
    """The files of each backup, the oldest first, whether it is whole or was interrupted."""
    found: dict[str, list[Object]] = {}
    for file in place.objects():
        folder = file.name.partition("/")[0]
        if NAME.fullmatch(folder):
            found.setdefault(folder, []).append(file)
    return found


def is_manifest(file: Object) -> bool:
    """Whether it is what is written last, without which a backup is none."""
    return file.name.endswith(f"/{MANIFEST}")


def save(place: Place, artifacts: Place) -> Json:
    """Make a backup; returns its manifest."""
    databases = mlflow_dump.Database.all()
    with contextlib.ExitStack() as stack:
        for database in databases:
            stack.enter_context(alone(database.target))
        # They begin together, and see no more of what comes after.
        cursors = [stack.enter_context(mlflow_dump.session(database.target, snapshot=True)) for database in databases]
        schemas = [mlflow_dump.revisions(cursor, database) for cursor, database in zip(cursors, databases, strict=True)]
        now = time.gmtime()
        name = time.strftime("%Y%m%dT%H%M%SZ", now)
        folder = place.inside(name)
        manifest: Json = {
            "name": name,
            "location": str(folder),
            "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", now),
            "mlflow": importlib.metadata.version("mlflow"),
            "databases": [],
        }
        for database, cursor, revisions in zip(databases, cursors, schemas, strict=True):
            tell(f"Reading database {database.target.database!r}")
            blob = folder.blob(f"{database.name}.zip")
            with blob.open("wb", ignore_flush=True, content_type="application/zip") as file:
                rows = mlflow_dump.dump(cursor, file)
            entry = {"file": f"{database.name}.zip", "database": database.target.database, "schemas": revisions}
            manifest["databases"].append(entry | {"rows": rows} | described(blob))
        tell(f"Listing the artifacts of {artifacts}")
        manifest["artifacts"] = {"location": str(artifacts), **write_list(folder, artifacts)}
    counts = {table: rows for entry in manifest["databases"] for table, rows in entry["rows"].items()}
    manifest["counts"] = {name: counts[table] for name, table in COUNTED.items() if table in counts}
    folder.blob(MANIFEST).upload_from_string(json.dumps(manifest, indent=2), "application/json", if_generation_match=0)
    return manifest


def described(blob: storage.Blob) -> Json:
    """What a manifest says of a file."""
    blob.reload()
    return {"generation": blob.generation, "size": blob.size, "crc32c": blob.crc32c}


def write_list(folder: Place, artifacts: Place) -> Json:
    """Write down which artifacts there are; returns how many, and how large they are."""
    count = size = 0
    blob = folder.blob(ARTIFACTS)
    with (
        blob.open("wb", ignore_flush=True, content_type="application/zip") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        io.TextIOWrapper(archive.open(LIST, "w", force_zip64=True), "utf-8", newline="") as member,
    ):
        writer = csv.writer(member)
        writer.writerow(COLUMNS)
        for artifact in artifacts.objects():
            writer.writerow((artifact.name, artifact.generation, artifact.size, artifact.crc32c))
            count, size = count + 1, size + artifact.size
    return {"file": ARTIFACTS, "count": count, "bytes": size, **described(blob)}


def read_list(blob: storage.Blob) -> list[Object]:
    """The artifacts of a backup."""
    with (
        blob.open("rb") as file,
        zipfile.ZipFile(file) as archive,
        io.TextIOWrapper(archive.open(LIST), "utf-8", newline="") as member,
    ):
        rows = csv.reader(member)
        if tuple(next(rows)) != COLUMNS:
            raise UnusableBackupError(f"{blob.name} is not a list of artifacts")
        return [Object(name, int(generation), int(size), crc32c) for name, generation, size, crc32c in rows]


def prune(place: Place, keep: int) -> list[str]:
    """Delete all but the newest whole backups, and what interrupted ones before them left; returns their names."""
    found = backups(place)
    whole = [name for name, files in found.items() if any(map(is_manifest, files))]
    oldest = whole[-keep:][:1]
    gone = [name for name in found if oldest and name < oldest[0]]
    for name in gone:
        # Without its manifest it is no backup any more, should this be interrupted. With the generation it does not
        # live on as an old version.
        for file in sorted(found[name], key=is_manifest, reverse=True):
            place.blob(file.name, file.generation).delete()
    return gone


def manifest_of(folder: Place) -> Json:
    """What a backup says of itself; raises :class:`UnusableBackupError`."""
    try:
        found: Json = json.loads(folder.blob(MANIFEST).download_as_bytes())
    except google.api_core.exceptions.NotFound as error:
        raise UnusableBackupError(f"There is no backup at {folder}, or it was interrupted") from error
    return found


def fitting(manifest: Json) -> list[tuple[mlflow_dump.Database, Json]]:
    """The databases of this server, each with what a backup has of it; raises what says that they do not fit."""
    databases = {f"{database.name}.zip": database for database in mlflow_dump.Database.all()}
    entries = {entry["file"]: entry for entry in manifest["databases"]}
    if databases.keys() != entries.keys():
        raise UnusableBackupError(
            f"The backup has {', '.join(entries)}, and this server has {', '.join(databases)}: mlflow_service_auth "
            "has to be as it was when the backup was made"
        )
    for file, database in databases.items():
        mlflow_dump.refuse_unknown(database, entries[file]["schemas"])
    return [(database, entries[file]) for file, database in databases.items()]


def restore(folder: Place, artifacts: Place) -> Json:
    """Bring back what a backup has; returns what was done.

    The databases are made beside those that are there, which are replaced in one step when all else is done: whatever
    goes wrong before leaves them as they were. Artifacts are brought back just before that.
    """
    manifest = manifest_of(folder)
    databases = fitting(manifest)
    with contextlib.ExitStack() as stack:
        for database, entry in databases:
            stack.enter_context(alone(database.target))
            tell(f"Making database {database.target.database!r}")
            bring_back(mlflow_dump.prepare(database), folder, entry)
        mlflow_dump.refuse_used([database for database, _entry in databases])
        tell(f"Bringing back the artifacts of {artifacts}")
        source = Place.at(folder.bucket.client, manifest["artifacts"]["location"])
        listed = read_list(folder.blob(ARTIFACTS, manifest["artifacts"]["generation"]))
        changed = bring_back_artifacts(source, artifacts, listed)
    # The locks are sessions, too, and a database that has one keeps its name.
    mlflow_dump.exchange([database for database, _entry in databases])
    return {"name": manifest["name"], "mlflow": manifest["mlflow"], "counts": manifest["counts"], "artifacts": changed}


def bring_back(database: mlflow_dump.Database, folder: Place, entry: Json) -> None:
    """Fill a new database, and bring it to the schema of the MLflow that is installed."""
    mlflow_dump.make(database, entry["schemas"])
    blob = folder.blob(entry["file"], entry["generation"])
    with blob.open("rb") as file, mlflow_dump.session(database.target) as cursor:
        rows = mlflow_dump.load(cursor, file)
        if rows != entry["rows"]:
            differing = [table for table in entry["rows"] if rows.get(table) != entry["rows"][table]]
            raise UnusableBackupError(f"{blob.name} has another number of rows than its manifest says: {differing}")
    for target in database.targets:
        if problem := upgrade(target):
            raise UnusableBackupError(f"The restored {target.schema.name} schema cannot be migrated: {problem}")


def bring_back_artifacts(source: Place, artifacts: Place, listed: list[Object]) -> Json:
    """Have exactly the artifacts of a list; returns how many were brought back, removed, and are lost.

    A generation that is in place is left; one that was overwritten or deleted is copied over it, and one that was
    softly deleted is restored. What came later is deleted, which a bucket with versions can undo.
    """
    there = {artifact.name: artifact for artifact in artifacts.objects()}
    missing = [artifact for artifact in listed if not artifact.is_like(there.get(artifact.name))]
    later = there.keys() - {artifact.name for artifact in listed}

    def copy(blob: storage.Blob, name: str) -> None:
        token = ""
        while token is not None:
            token, _done, _total = artifacts.blob(name).rewrite(blob, token=token or None)

    def return_one(artifact: Object) -> str | None:
        blob = source.blob(artifact.name, artifact.generation)
        try:
            copy(blob, artifact.name)
        except google.api_core.exceptions.NotFound:
            try:
                blob = source.bucket.restore_blob(blob.name, generation=artifact.generation)
            except google.api_core.exceptions.NotFound:
                return artifact.name
            if str(source) != str(artifacts):
                copy(blob, artifact.name)
        return None

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        lost = [name for name in pool.map(return_one, missing) if name]
        list(pool.map(lambda name: artifacts.blob(name).delete(), later))
    for name in lost[:SHOWN]:
        tell(f"Lost: {name}, of which the bucket keeps no version any more")
    return {"listed": len(listed), "returned": len(missing) - len(lost), "removed": len(later), "lost": len(lost)}


def explain(error: Exception) -> str:
    """Turn what a library raises into a sentence that says where to look."""
    if isinstance(error, google.auth.exceptions.GoogleAuthError):
        return f"The service has no credentials that are valid ({error}): give the machine a service account"
    if isinstance(error, google.api_core.exceptions.Forbidden):
        return (
            f"The service lacks a right on the bucket ({error.message}): grant its service account "
            "roles/storage.objectUser there, and have cloud-platform among the scopes of the machine"
        )
    if isinstance(error, google.api_core.exceptions.NotFound):
        return f"There is no such bucket or object ({error.message}): look at mlflow_service_backup_location"
    return f"Cloud Storage does not do what it is asked ({error})"


def run(options: argparse.Namespace) -> Json:
    """Do what the command line says; raises what :func:`main` catches."""
    credentials, project = google.auth.default(scopes=SCOPES)
    # A project is not needed to use a bucket, and a machine's credentials do not always tell one.
    client = storage.Client(project=project or "none", credentials=credentials)
    place = Place.at(client, options.location)
    if options.command == "list":
        whole = [name for name, files in backups(place).items() if any(map(is_manifest, files))]
        return {"backups": [manifest_of(place.inside(name)) for name in whole]}
    if options.command == "show":
        manifest = manifest_of(place)
        fitting(manifest)
        return manifest
    artifacts = Place.at(client, options.artifacts)
    if options.command == "restore":
        return restore(place, artifacts)
    manifest = save(place, artifacts)
    return manifest | {"pruned": prune(place, options.keep)}


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Back up or restore the databases and the artifacts of MLflow.")
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="make a backup")
    making.add_argument("--keep", type=int, required=True, help="how many backups there may be; older ones go")
    restoring = commands.add_parser("restore", help="bring back a backup, while no server runs")
    listing = commands.add_parser("list", help="tell which backups there are")
    showing = commands.add_parser("show", help="tell what a backup has, and fail if it cannot be restored here")
    for command in (making, restoring):
        command.add_argument("--artifacts", required=True, help="as the server has them, such as gs://bucket/folder")
        command.add_argument("--answer", type=pathlib.Path, help="a file for what is else said on the standard output")
    for command, words in ((making, "where"), (restoring, "the backup"), (showing, "the backup"), (listing, "where")):
        command.add_argument("location", help=f"{words}, such as gs://bucket/folder")
    options = parser.parse_args(arguments)
    try:
        answer = run(options)
    except (UnusableBackupError, UnusableDatabaseError) as problem:
        tell(str(problem))
        return 1
    except (
        google.api_core.exceptions.GoogleAPIError,
        google.auth.exceptions.GoogleAuthError,
        requests.exceptions.RequestException,
    ) as error:
        tell(explain(error))
        return 1
    text = json.dumps(answer)
    if options.command in ("make", "restore") and options.answer:
        # Whoever reads it finds the old one or the new one, and never a part.
        fresh = options.answer.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(options.answer)
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
