# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A network on which Google's discovery documents answer: they judge each request, and one resource is remembered."""

from __future__ import annotations

import base64
import json
import typing as t

from .discovery import Json, Method, split

KEY = {"client_email": "thing-one@my-project.iam.gserviceaccount.com", "private_key_id": "k1", "private_key": "secret"}


class Answer:
    """What Session expects of an answer of requests."""

    def __init__(self, status_code: int, content: Json) -> None:
        self.status_code, self.text, self.headers = status_code, json.dumps(content), dict[str, str]()
        self.content = self.text.encode()

    def json(self) -> t.Any:
        """The body."""
        return json.loads(self.text)


class Google:
    """Judges requests by the documents, and answers from one resource.

    :param wanted: the resource as it is after a write.
    """

    def __init__(self, wanted: Json) -> None:
        self.wanted = wanted
        self.stored: Json | None = None
        self.complaints: list[str] = []
        self.used: list[str] = []

    def request(
        self, method: str, url: str, json: t.Any = None, params: Json | None = None, **_options: t.Any
    ) -> Answer:
        """What requests' Session has, as far as it is used."""
        document, path, query = split(url)
        found = document.find(method, path)
        if found is None:
            self.complaints.append(f"There is no {method} {path}")
            return Answer(400, {"error": {"message": "no such method"}})
        self.used.append(found.id)
        self.complaints += found.complaints([*query, *(params or {})], json)
        special = getattr(self, found.id.replace(".", "_"), None)
        if special:
            return Answer(200, special())
        return self.read() if method == "GET" else self.write(found)

    def read(self) -> Answer:
        """The resource."""
        return Answer(200, self.stored) if self.stored is not None else Answer(404, {"error": {"message": "not found"}})

    def write(self, method: Method) -> Answer:
        """Do what the request says, and answer an operation that is done, where the method answers operations."""
        gone = method.description["httpMethod"] == "DELETE" or method.id.endswith(".deleteConnection")
        self.stored = None if gone else {**(self.stored or {}), **self.wanted}
        if not str(method.description.get("response", {}).get("$ref")).endswith("Operation"):
            return Answer(200, {})
        kind = {"compute": "compute#operation", "sqladmin": "sql#operation"}.get(method.document.content["name"], "")
        link = f"https://{method.document.content['name']}.googleapis.com/operations/o"
        return Answer(200, {"kind": kind, "name": "operations/o", "done": True, "status": "DONE", "selfLink": link})

    # What the methods answer that are neither the resource nor an operation.

    def cloudresourcemanager_projects_get(self) -> Json:
        """The number of the project."""
        return {"projectId": "my-project", "projectNumber": "1"}

    def servicenetworking_services_connections_list(self) -> Json:
        """The one connection."""
        return {"connections": [self.stored]} if self.stored else {}

    def sql_users_list(self) -> Json:
        """The one user."""
        return {"items": [self.stored]} if self.stored else {}

    def serviceusage_services_batchGet(self) -> Json:  # noqa: N802 (named as the method)
        """The one API."""
        state = "DISABLED" if self.stored is None else "ENABLED"
        return {"services": [{"name": "projects/1/services/run.googleapis.com", "state": state}]}

    def serviceusage_services_disable(self) -> Json:
        """The API is off."""
        self.stored = None
        return {"name": "operations/o", "done": True}

    def storage_buckets_getIamPolicy(self) -> Json:  # noqa: N802
        """A policy with the grant, or without; somebody else is always in it."""
        mine = [dict(self.stored, members=[self.stored["member"]])] if self.stored else []
        theirs = {"role": "roles/owner", "members": ["user:boss@example.com"]}
        return {
            "etag": "BwX",
            "version": 3,
            "bindings": [theirs, *({k: v for k, v in b.items() if k != "member"} for b in mine)],
        }

    def storage_buckets_setIamPolicy(self) -> Json:  # noqa: N802
        """The grant comes where it was not, and goes where it was."""
        self.stored = None if self.stored else self.wanted
        return {}

    cloudresourcemanager_projects_getIamPolicy = storage_buckets_getIamPolicy  # noqa: N815
    cloudresourcemanager_projects_setIamPolicy = storage_buckets_setIamPolicy  # noqa: N815

    def iam_projects_serviceAccounts_keys_create(self) -> Json:  # noqa: N802
        """The one answer that has the private key."""
        self.stored = self.wanted
        return {"name": "k1", "privateKeyData": base64.b64encode(json.dumps(KEY).encode()).decode()}

    def secretmanager_projects_secrets_versions_access(self) -> Json:
        """The value that the secret has after each write."""
        return {"payload": {"data": base64.b64encode(b"text").decode()}}

    def storage_objects_list(self) -> Json:
        """One object, whose name needs quoting."""
        return {"items": [{"name": "a folder/an object", "generation": "1"}]}

    def storage_objects_delete(self) -> Json:
        """The object is gone, the bucket is not."""
        return {}
