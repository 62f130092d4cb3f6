# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the collections of Cloud SQL share: links in two dialects, operations, one at a time."""

from __future__ import annotations

import threading
import typing as t
import uuid
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime

from gcp_emulator.errors import ApiError, Json
from gcp_emulator.services.base import Call, Service
from gcp_emulator.services.compute.base import fingerprint
from gcp_emulator.services.sqladmin.catalogue import wrong

ROOTS = {
    "v1": "https://sqladmin.googleapis.com/v1/",
    "v1beta4": "https://sqladmin.googleapis.com/sql/v1beta4/",
}
INSTANCES, DATABASES, USERS = "sql.instances", "sql.databases", "sql.users"

_BUSY: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def timestamp(seconds: float) -> str:
    """RFC 3339 with milliseconds and Z, as Cloud SQL prints it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_progress() -> ApiError:
    """An instance does one thing at a time (recording)."""
    message = (
        "Operation failed because another operation was already in progress. "
        "Try your request after the current operation is complete."
    )
    return ApiError(409, message, "operationInProgress")


class Part(Service):
    """A part of Cloud SQL. Links are stored without their root, which differs by version."""

    api = "sqladmin"

    def answer(self, call: Call, document: Json) -> Json:
        """A document as it is answered: links in the caller's version."""
        root = ROOTS[call.version]
        links = {key: root + document[key] for key in ("selfLink", "targetLink") if key in document}
        return document | links

    def instance(self, call: Call) -> tuple[str, Json]:
        """Path and document of the instance that a call names.

        :raises ApiError: 404.
        """
        path = f"projects/{call.path['project']}/instances/{call.path['instance']}"
        document = self.store.get(INSTANCES, path)
        if document is None:
            # recording
            raise ApiError(404, "The Cloud SQL instance does not exist.", "instanceDoesNotExist")
        return path, document

    def check_idle(self, path: str) -> None:
        """Refuse a change while another is under way."""
        if self.cloud.operations.pending(path):
            raise in_progress()

    @contextmanager
    def connected(self, call: Call) -> t.Iterator[tuple[str, Json]]:
        """For what is done in PostgreSQL itself, at once: an instance that runs and that nobody else changes.

        Done within the call, as at Google: what PostgreSQL refuses is answered with 400 instead of by an operation that
        fails (issues: terraform-google-sql-db#323, kernelci/kcidb#407, mobility-feed-api#1174), and the operation that
        is answered was seen DONE at once (documentation). A password is not written down for later.
        """
        path, instance = self.instance(call)
        if not _BUSY[path].acquire(blocking=False):
            raise in_progress()
        try:
            self.check_idle(path)
            if instance["state"] != "RUNNABLE" or instance["settings"]["activationPolicy"] == "NEVER":
                raise wrong("Invalid request since instance is not running.")  # recording
            yield path, instance
        finally:
            _BUSY[path].release()

    def operate(
        self, call: Call, kind: str, path: str, action: str | None = None, factor: float = 1, **arguments: t.Any
    ) -> Json:
        """Begin an operation on an instance; its first view. The action gets ``path`` and the arguments."""
        _, project, _, name = path.split("/")
        identifier = str(uuid.uuid4())
        view = {
            "kind": "sql#operation",
            "name": identifier,
            "operationType": kind,
            "targetId": name,
            "targetProject": project,
            "targetLink": path,
            "selfLink": f"projects/{project}/operations/{identifier}",
            "user": call.principal,
        }
        record = self.cloud.operations.start(
            f"sqladmin/projects/{project}/operations/{identifier}",
            action,
            {"path": path} | arguments if action else None,
            target=path,
            view=view,
            factor=factor,
        )
        return self.answer_operation(call, record)

    def answer_operation(self, call: Call, record: Json) -> Json:
        """A stored operation in the words of Cloud SQL."""
        answer = record["view"] | {"status": record["state"], "insertTime": timestamp(record["created"])}
        if record["state"] != "PENDING":
            answer["startTime"] = answer["insertTime"]
        if record["state"] == "DONE":
            answer["endTime"] = timestamp(float(record.get("ended") or record["due"]))
            if error := record["error"]:
                code = error["reason"] if error["reason"].isupper() else "INTERNAL_ERROR"
                entry = {"kind": "sql#operationError", "code": code, "message": error["message"]}
                answer["error"] = {"kind": "sql#operationErrors", "errors": [entry]}
        return self.answer(call, answer)


def etag(document: Json) -> str:
    """A hash of the content."""
    return fingerprint({key: value for key, value in document.items() if key != "etag"})
