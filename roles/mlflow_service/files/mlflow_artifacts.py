# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prove that the MLflow server may use the place of its artifacts: ``mlflow_artifacts.py [--read-only] gs://bucket/folder``.

It writes, reads, lists and deletes an object of its own, with the rights of whoever runs it. A server that lacks one of
them starts all the same, and its first upload hangs for more than a minute before it fails.
"""

from __future__ import annotations

import argparse
import sys
import typing
import urllib.parse
import uuid

import google.api_core.exceptions
import google.auth
import google.auth.exceptions
import requests.exceptions
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

ANSWER_SECONDS = 10
RETRY_SECONDS = 20
SCOPES = ["https://www.googleapis.com/auth/devstorage.read_write"]
CONTENT = b"MLflow may use this bucket.\n"

Step = typing.Callable[[], object]


class UnusableBucketError(Exception):
    """Something that a person has to put right; the text says what, and where to look."""


def explain(error: Exception, bucket: str, permission: str) -> str:
    """Turn what a library raises into a sentence that names the bucket, the right and the variable to look at."""
    asked = f"Bucket {bucket!r} cannot be used for artifacts"
    if isinstance(error, google.auth.exceptions.GoogleAuthError):
        return (
            f"{asked}: the service has no credentials that are valid ({error}). Give the machine a service account, or "
            "name a key by GOOGLE_APPLICATION_CREDENTIALS in mlflow_service_environment"
        )
    if isinstance(error, google.api_core.exceptions.NotFound):
        return f"{asked}: there is no such bucket. Make it, or look at mlflow_service_artifact_bucket"
    if isinstance(error, google.api_core.exceptions.Unauthorized):
        return f"{asked}: Cloud Storage does not accept the service's credentials ({error.message})"
    if isinstance(error, google.api_core.exceptions.Forbidden):
        return (
            f"{asked}: the service lacks {permission} ({error.message}). Grant its service account "
            "roles/storage.objectUser on the bucket, and have cloud-platform among the scopes of the machine"
        )
    if isinstance(error, (google.api_core.exceptions.RetryError, requests.exceptions.RequestException)):
        return (
            f"{asked}: Cloud Storage does not answer ({error}). Look at the machine's way to storage.googleapis.com, "
            "and at a proxy in mlflow_service_environment"
        )
    return f"{asked}, when {permission} was tried ({error}): look at mlflow_service_artifact_bucket"


def attempt(step: Step, bucket: str, permission: str) -> typing.Any:
    """Do what needs a permission; raises :class:`UnusableBucketError`."""
    try:
        return step()
    except (
        google.api_core.exceptions.GoogleAPIError,
        google.auth.exceptions.GoogleAuthError,
        requests.exceptions.RequestException,
    ) as error:
        raise UnusableBucketError(explain(error, bucket, permission)) from error


def prove(location: str, *, read_only: bool) -> None:
    """Try each right that the server needs; raises :class:`UnusableBucketError`."""
    parts = urllib.parse.urlsplit(location)
    if parts.scheme != "gs" or not parts.netloc:
        raise UnusableBucketError(f"{location!r} is not the place of a bucket, such as gs://bucket/folder")
    folder = parts.path.strip("/")
    prefix = f"{folder}/" if folder else ""
    credentials, project = attempt(lambda: google.auth.default(scopes=SCOPES), parts.netloc, "a login")
    # A project is not needed to use a bucket, and a machine's credentials do not always tell one.
    bucket = storage.Client(project=project or "none", credentials=credentials).bucket(parts.netloc)
    probe = bucket.blob(f"{prefix}.mlflow-probe-{uuid.uuid4().hex}")
    options: dict[str, typing.Any] = {"timeout": ANSWER_SECONDS, "retry": DEFAULT_RETRY.with_timeout(RETRY_SECONDS)}
    reading: dict[str, Step] = {
        "storage.objects.list": lambda: list(bucket.client.list_blobs(bucket, prefix=prefix, max_results=1, **options)),
    }
    writing: dict[str, Step] = {
        "storage.objects.create": lambda: probe.upload_from_string(CONTENT, "text/plain", **options),
        "storage.objects.get": lambda: compare(probe.download_as_bytes(**options), parts.netloc),
        f"storage.objects.delete (for {probe.name})": lambda: probe.delete(**options),
    }
    for permission, step in (reading if read_only else reading | writing).items():
        attempt(step, parts.netloc, permission)


def compare(found: bytes, bucket: str) -> None:
    """Refuse a bucket that gives back something else."""
    if found != CONTENT:
        raise UnusableBucketError(f"Bucket {bucket!r} gives back something else than what was written to it")


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Prove that an MLflow server may use its bucket.")
    parser.add_argument("location", help="as the server has it, such as gs://bucket/folder")
    parser.add_argument("--read-only", action="store_true", help="try only what changes nothing")
    options = parser.parse_args(arguments)
    try:
        prove(options.location, read_only=options.read_only)
    except UnusableBucketError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
