# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all collections of Compute share: paths and links, references, operations, lists, fingerprints, labels."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import time
import typing as t
import uuid
from datetime import UTC, datetime

from gcp_emulator.accounts import project_id
from gcp_emulator.errors import ApiError, Json, invalid, not_found
from gcp_emulator.services.base import Call, Service, cut
from gcp_emulator.services.compute import catalogue, filters, quotas
from gcp_emulator.values import LABELS, is_label, is_label_key, same_bytes

LINK = "https://www.googleapis.com/compute/v1/"
NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
REFERENCE = re.compile(r"projects/[^/]+/(global|regions/[^/]+|zones/[^/]+)/[A-Za-z]+/(family/)?[^/]+")
PAGE = 500


def timestamp(seconds: float | None = None) -> str:
    """RFC 3339 with milliseconds, as Compute prints it."""
    when = time.time() if seconds is None else seconds
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds")


def new_id() -> str:
    """A resource's number: 64 bits, as text."""
    return str(10**18 + secrets.randbelow(8 * 10**18))


def fingerprint(value: t.Any) -> str:
    """A hash of the content, so that equal content has equal fingerprints (recording)."""
    return base64.urlsafe_b64encode(hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()[:8]).decode()


def relative(reference: str) -> str:
    """A full or partial link without the host and version."""
    return re.sub(r"^https://[^/]+/compute/(v1|beta)/", "", reference).lstrip("/")


def link(path: str) -> str:
    """The selfLink of a path."""
    return LINK + path


def bad_value(field: str, value: object, message: str) -> ApiError:
    """A field whose value cannot be, in the form that all of Compute uses (recording)."""
    return invalid(f"Invalid value for field '{field}': '{value}'. {message}")


def not_specified(field: str) -> ApiError:
    """A field that has to be there (issue: terraform-provider-google#1469)."""
    return ApiError(400, f"Required field '{field}' not specified", "required")


def in_use(kind: str, path: str, user: str) -> ApiError:
    """What Compute says when something that another resource needs is to be deleted (recording)."""
    message = f"The {kind} resource '{path}' is already being used by '{user}'"
    return ApiError(400, message, "resourceInUseByAnotherResource")


def not_ready(path: str) -> ApiError:
    """A resource whose creation or deletion is under way (issue: google-api-python-client#485)."""
    return ApiError(400, f"The resource '{path}' is not ready", "resourceNotReady")


def check_name(field: str, name: str) -> None:
    """Refuse what is no name of a resource or tag (recording)."""
    if not NAME.fullmatch(name):
        raise bad_value(field, name, "Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'")


def check_labels(labels: Json) -> None:
    """Refuse labels that break the format (documentation; wording unverified)."""
    if len(labels) > LABELS:
        raise bad_value("resource.labels", "", f"Number of labels must not exceed {LABELS}.")
    for key, value in labels.items():
        if not is_label_key(key):
            raise bad_value("resource.labels", "", f"Label key '{key}' violates format constraints.")
        if not is_label(value):
            raise bad_value("resource.labels", "", f"Label value '{value}' violates format constraints.")


def render_operation(record: Json) -> Json:
    """A stored operation in the words of Compute."""
    states = {"PENDING": ("PENDING", 0), "RUNNING": ("RUNNING", 0), "DONE": ("DONE", 100)}
    status, progress = states[record["state"]]
    answer: Json = record["view"] | {"status": status, "progress": progress}
    if status != "PENDING":
        answer["startTime"] = answer["insertTime"]
    if status == "DONE":
        answer["endTime"] = timestamp(record.get("ended", record["due"]))
        if error := record["error"]:
            answer["error"] = {"errors": [{"code": error["reason"], "message": error["message"]}]}
            answer["httpErrorStatusCode"] = error["code"]
            answer["httpErrorMessage"] = error["reason"].replace("_", " ").upper()
    return answer


class Collection(Service):
    """One collection of resources, such as firewalls.

    ``collection`` is its name in paths, ``item`` the name of one in ``kind`` and in messages.
    """

    api = "compute"
    collection: str
    item: str

    @property
    def kind(self) -> str:
        """The kind in the store."""
        return "compute." + self.collection

    # Paths

    def parent(self, call: Call) -> str:
        """``projects/p/zones/z`` and the like, in a region or zone that exists."""
        project = "projects/" + call.path["project"]
        if zone := call.path.get("zone"):
            if zone not in catalogue.ZONES:
                # issue: inspec-gcp#301
                raise bad_value("zone", zone, "Unknown zone.")
            return f"{project}/zones/{zone}"
        if region := call.path.get("region"):
            if region not in catalogue.REGIONS:
                # issue: nodejs-compute#390
                raise bad_value("region", region, "Unknown region.")
            return f"{project}/regions/{region}"
        return f"{project}/global"

    def path(self, call: Call) -> str:
        """The path of the resource that a call names."""
        name = next(value for key, value in call.path.items() if key not in ("project", "zone", "region"))
        return f"{self.parent(call)}/{self.collection}/{name}"

    def load(self, call: Call) -> tuple[str, Json]:
        """Path and document of the resource that a call names.

        :raises ApiError: 404.
        """
        path = self.path(call)
        resource = self.store.get(self.kind, path)
        if resource is None:
            raise not_found(path)
        return path, resource

    def required(self, kind: str, path: str) -> Json:
        """What a body refers to, which has to be there, and neither being created nor deleted.

        issue: terraform-google-network#365

        :raises ApiError: 404, or 400 that the client is to repeat.
        """
        resource = self.store.get(kind, path)
        if resource is None:
            raise not_found(path)
        self._check_settled(path)
        return resource

    def load_settled(self, call: Call) -> tuple[str, Json]:
        """``load``, for a change: refused while the resource is being created or deleted."""
        path, resource = self.load(call)
        self._check_settled(path)
        return path, resource

    def _check_settled(self, path: str) -> None:
        for record in self.cloud.operations.pending(path):
            if record["view"].get("operationType") in ("insert", "delete"):
                raise not_ready(path)

    def reference(self, call: Call, value: str, field: str) -> str:
        """The path that a link in a body means.

        :raises ApiError: 400 for what is no link (issue: cloud-foundation-toolkit#95).
        """
        path = relative(value)
        if not path.startswith("projects/"):
            path = f"projects/{call.path['project']}/{path}"
        if not REFERENCE.fullmatch(path):
            raise bad_value(field, value, "The URL is malformed.")
        _, project, rest = path.split("/", 2)
        return f"projects/{project_id(self.store, project)}/{rest}"

    # Making resources

    def new(self, call: Call, **values: t.Any) -> tuple[str, Json]:
        """Path and document for what the body asks for, with the fields that every resource has.

        :raises ApiError: 400 for a bad name, 409 for one that is taken.
        """
        name = call.body.get("name", "")
        check_name("resource.name", name)
        parent = self.parent(call)
        path = f"{parent}/{self.collection}/{name}"
        if self.store.get(self.kind, path):
            raise ApiError(409, f"The resource '{path}' already exists", "alreadyExists")
        return path, self.described(path, call.body | values)

    def described(self, path: str, values: Json) -> Json:
        """A document with kind, id, links and time."""
        resource = {key: value for key, value in values.items() if value is not None}
        resource |= {
            "kind": "compute#" + self.item,
            "id": new_id(),
            "creationTimestamp": timestamp(),
            "selfLink": link(path),
            "name": path.rsplit("/", 1)[1],
        }
        _, project, scope, place, *_ = path.split("/")
        if scope in ("zones", "regions"):
            resource[scope[:-1]] = link(f"projects/{project}/{scope}/{place}")
        return resource

    def change_labels(self, call: Call) -> Json:
        """The answer to ``setLabels``."""
        path, resource = self.load_settled(call)
        if not same_bytes(call.body.get("labelFingerprint"), resource.get("labelFingerprint")):
            # recording
            message = "Labels fingerprint either invalid or resource labels have changed"
            raise ApiError(412, message, "conditionNotMet")
        labels = call.body.get("labels") or {}
        check_labels(labels)
        self.save(path, resource | {"labels": labels, "labelFingerprint": fingerprint(labels)})
        return self.operate(call, "setLabels", path)

    def save(self, path: str, resource: Json) -> None:
        """Write a resource that has changed."""
        self.store.put(self.kind, path, resource)

    def operate(
        self,
        call: Call,
        kind: str,
        path: str,
        action: str | None = None,
        error: ApiError | None = None,
        **arguments: t.Any,
    ) -> Json:
        """Begin an operation on a resource; its first view.

        :param kind: the ``operationType``.
        :param action: what is applied; it gets ``path`` and the arguments.
        :param error: how it ends, without an action.
        """
        if over := quotas.check(self.cloud, kind, path):
            action, error = None, over
        parts = path.split("/")
        scope = parts[2] if len(parts) > 3 else "global"
        where = "/".join(parts[:4]) if scope != "global" else f"projects/{parts[1]}/global"
        name = f"operation-{int(time.time() * 1000)}-{uuid.uuid4().hex[:13]}-{uuid.uuid4().hex[:8]}"
        target = self.store.get(self.kind, path) or {}
        view = {
            "kind": "compute#operation",
            "id": new_id(),
            "name": name,
            "operationType": kind,
            "targetLink": link(path),
            "targetId": target.get("id", new_id()),
            "user": call.principal,
            "insertTime": timestamp(),
            "selfLink": link(f"{where}/operations/{name}"),
        }
        if scope != "global":
            view[scope[:-1]] = link(where)
        if request := call.first("requestId"):
            view["clientOperationId"] = request
        record = self.cloud.operations.start(
            f"compute/{where}/operations/{name}",
            action,
            {"path": path} | arguments if action else None,
            target=path,
            view=view,
            error={"code": error.code, "message": error.message, "reason": error.reason} if error else None,
        )
        return render_operation(record)

    def operate_in_network(self, call: Call, kind: str, path: str, resource: Json, gone: bool = False) -> Json:
        """``operate``, for what a network's machines must hear of: its firewall rules, subnetworks and routers.

        :param gone: whether the resource is removed.
        """
        network, removed = relative(resource["network"]), self.kind if gone else ""
        return self.operate(call, kind, path, "compute.networks.configure", network=network, removed=removed)

    # Lists

    def items(self, prefix: str) -> list[Json]:
        """The stored resources below a path, in the order of their names."""
        return [resource for _key, resource in self.store.items(self.kind, prefix + "/")]

    def answer_list(self, call: Call, items: list[Json] | None = None) -> Json:
        """The answer to ``list``: filtered, ordered, one page."""
        parent = self.parent(call)
        found = self.items(f"{parent}/{self.collection}") if items is None else items
        return self.page(call, found, f"compute#{self.item}List", f"{parent}/{self.collection}")

    def answer_aggregated(self, call: Call, items: list[Json] | None = None) -> Json:
        """The answer to ``aggregatedList``: by zone, region or ``global``; places without any are left out."""
        project = "projects/" + call.path["project"]
        found = self.items(project) if items is None else items
        answer = self.page(call, found, f"compute#{self.item}AggregatedList", f"{project}/aggregated/{self.collection}")
        places: dict[str, Json] = {}
        for resource in answer.pop("items", []):
            _, _, scope, place, *_ = relative(resource["selfLink"]).split("/")
            key = "global" if scope == "global" else f"{scope}/{place}"
            places.setdefault(key, {self.collection: []})[self.collection].append(resource)
        return answer | {"items": places}

    def page(self, call: Call, items: list[Json], kind: str, path: str) -> Json:
        """One page of a list; ``items`` is absent when there are none (recording)."""
        if wanted := call.first("filter"):
            items = list(filter(filters.parse(wanted), items))
        order = call.first("orderBy")
        if order in ("creationTimestamp desc", "creationTimestamp"):
            items = sorted(items, key=lambda item: item["creationTimestamp"], reverse=order.endswith("desc"))
        elif order not in ("", "name"):
            raise bad_value("orderBy", order, "Unsupported order.")
        size = int(call.first("maxResults", str(PAGE)))
        if not 0 <= size <= PAGE:
            raise bad_value("maxResults", size, f"Must be between 0 and {PAGE}.")
        token = call.first("pageToken")
        try:
            shown, further = cut(items, token, size or PAGE)
        except ValueError:
            raise bad_value("pageToken", token, "The page token is invalid.") from None
        answer: Json = {"kind": kind, "id": path, "selfLink": link(path)}
        return answer | ({"items": shown} if shown else {}) | ({"nextPageToken": further} if further else {})
