# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The whole emulator inside the test's process: real services and state, nothing behind them that must be started."""

from __future__ import annotations

import asyncio
import json
import typing as t
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from gcp_emulator import accounts, policies, tokens
from gcp_emulator.backends.objects import DiskObjects
from gcp_emulator.backends.remembered import RememberedDatabases, RememberedMachines
from gcp_emulator.calls import CallLog
from gcp_emulator.cloud import Cloud
from gcp_emulator.discovery import Apis
from gcp_emulator.errors import Json
from gcp_emulator.faults import Faults
from gcp_emulator.front import Front
from gcp_emulator.operations import Operations
from gcp_emulator.server import register
from gcp_emulator.services.base import Service
from gcp_emulator.settings import Settings
from gcp_emulator.store import Store
from starlette.types import ASGIApp

PROJECT = "test-project"
OWNER = f"sandbox-owner@{PROJECT}.iam.gserviceaccount.com"
SERVICES = ("compute", "sqladmin", "secretmanager", "servicenetworking")


@dataclass(frozen=True)
class Answer:
    """What came back. Header names have small letters."""

    status: int
    headers: dict[str, str]
    content: bytes

    def json(self) -> Json:
        """The body."""
        return t.cast(Json, json.loads(self.content)) if self.content else {}

    @property
    def message(self) -> str:
        """What an error says."""
        return str(self.json()["error"]["message"])

    @property
    def reason(self) -> str:
        """The reason of an error of the older APIs, or the status of the younger ones'."""
        error = self.json()["error"]
        return str(error["errors"][0]["reason"] if "errors" in error else error["status"])


async def exchange(
    app: ASGIApp, verb: str, url: str, headers: dict[str, str], content: bytes, client: str = "127.0.0.1"
) -> Answer:
    """Send a request to an application as if it came over the network."""
    parts = urlsplit(url)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},  # a client that stays until the answer is whole
        "http_version": "1.1",
        "method": verb,
        "scheme": parts.scheme,
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [
            (name.lower().encode(), value.encode()) for name, value in ({"host": parts.netloc} | headers).items()
        ],
        "server": (parts.netloc, 443),
        "client": (client, 1),
        "root_path": "",
    }
    incoming = [{"type": "http.request", "body": content, "more_body": False}]
    sent: list[t.Any] = []

    async def receive() -> t.Any:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: t.Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    return Answer(start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body)


@dataclass
class Emulator:
    """An emulated Google Cloud with one project, whose services are enabled, and the account that owns it."""

    cloud: Cloud
    services: list[Service]
    front: Front
    machines: RememberedMachines
    databases: RememberedDatabases
    project: str = PROJECT
    owner: str = OWNER
    tokens: dict[str, str] = field(default_factory=dict)

    def call(
        self,
        verb: str,
        url: str,
        body: t.Any = None,
        *,
        principal: str | None = OWNER,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request.

        :param url: whole, quoted as it goes over the wire.
        :param body: JSON, or bytes that are sent as they are.
        :param principal: who sends it; None sends no credential.
        """
        sent = dict(headers or {})
        if principal is not None:
            if principal not in self.tokens:
                self.tokens[principal] = tokens.issue(self.cloud.store, principal)
            sent.setdefault("authorization", f"Bearer {self.tokens[principal]}")
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return asyncio.run(exchange(self.front, verb, url, sent, content))

    @staticmethod
    def exchange(app: ASGIApp, path: str, headers: dict[str, str], client: str) -> t.Coroutine[t.Any, t.Any, Answer]:
        """Ask another application than the front, as a client with this address."""
        return exchange(app, "GET", f"http://169.254.169.254{path}", headers, b"", client)

    def ok(self, verb: str, url: str, body: t.Any = None, **others: t.Any) -> Json:
        """Send a request that must succeed; its body."""
        answer = self.call(verb, url, body, **others)
        assert answer.status in (200, 204), answer.content.decode()
        return answer.json()

    def account(self, name: str, *roles: str) -> str:
        """A further service account, with roles on the project; its e-mail address."""
        email = f"{name}@{self.project}.iam.gserviceaccount.com"
        accounts.create_account(self.cloud.store, self.project, email)
        for role in roles:
            policies.grant(self.cloud.store, f"projects/{self.project}", role, f"serviceAccount:{email}")
        return email

    def finish(self) -> None:
        """Wait until no operation is under way."""
        for key, _record in list(self.cloud.store.items("operations")):
            self.cloud.operations.wait(key, 10)

    @property
    def faults(self) -> Faults:
        """The faults that its methods meet; a lost answer is raised by ``call`` as LostAnswerError."""
        return self.front.faults

    @property
    def calls(self) -> CallLog:
        """The calls that came: method, path and status of each."""
        return self.front.calls

    def close(self) -> None:
        """Let go of its files."""
        self.cloud.operations.stop()
        self.cloud.store.close()


def assemble(directory: Path, apis: Apis) -> Emulator:
    """An emulator whose state is in a directory, with nothing behind the APIs and operations that take no time.

    :param apis: Google's documents; reading them takes seconds, so that those who make many emulators share them.
    """
    settings = Settings(directory, project=PROJECT, operation_seconds=0, apis_only=True)
    store = Store(directory / "state.db")
    machines, databases = RememberedMachines(), RememberedDatabases()
    operations = Operations(store, settings.operation_seconds)
    cloud = Cloud(settings, store, operations, machines, databases, DiskObjects(directory / "objects"))
    services = register(cloud)
    enabled = (*accounts.DEFAULT_SERVICES, *(f"{name}.googleapis.com" for name in SERVICES))
    project = accounts.create_project(store, PROJECT, enabled)
    accounts.create_account(store, PROJECT, OWNER)
    accounts.create_account(store, PROJECT, accounts.default_compute_account(project))
    policies.grant(store, f"projects/{PROJECT}", "roles/owner", f"serviceAccount:{OWNER}")
    return Emulator(cloud, services, Front(cloud, services, apis, strict=True), machines, databases)
