# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The emulator of the comparison: its APIs alone, what really is in it, and the log of what it was asked."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import google.auth
import google.auth.transport.requests
import requests
from gcp_emulator import daemon

Json = dict[str, t.Any]

OPERATION_SECONDS = 0.3
SERVICES = ("compute", "iam", "secretmanager", "sqladmin", "storage")
REQUEST = re.compile(r" INFO gcp_emulator\.front: (?P<verb>[A-Z]+) (?P<host>[^/\s]+)(?P<path>/\S*): (?P<status>\d+)$")
CONNECTION = re.compile(r" INFO gcp_emulator\.proxy: CONNECT (?P<host>\S+)$")
TOKENS = "oauth2.googleapis.com"
# google-auth asks here, for each new credential, from where it may be used.
LOOKUPS = "iamcredentials.googleapis.com"


@dataclass(frozen=True)
class Request:
    """One request that the emulator answered."""

    verb: str
    host: str
    path: str
    status: int


@dataclass(frozen=True)
class Traffic:
    """What one task sent."""

    requests: list[Request]
    connections: int

    @property
    def tokens(self) -> int:
        """How many access tokens were asked for."""
        return sum(request.host == TOKENS for request in self.requests)

    @property
    def calls(self) -> int:
        """How often the API of the resource was asked."""
        return sum(request.host not in (TOKENS, LOOKUPS) for request in self.requests)


class Sandbox:
    """An emulator with an empty project in which the services are enabled.

    Asked here, it is asked as the project's owner, by its APIs: what they answer is what really is there.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextlib.contextmanager
    def running(self) -> t.Iterator[Sandbox]:
        """The sandbox while it is up; nothing of an earlier one, nothing left behind.

        From here on this process and its children speak to it, as a shell does in which its exports stand.
        """
        self._command("down")
        self._command("up", "--apis-only", "--name", "comparison", "--operation-seconds", str(OPERATION_SECONDS))
        try:
            os.environ.update(daemon.environment(self.directory))
            credentials, self.project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
            self._http = google.auth.transport.requests.AuthorizedSession(credentials)
            services = [f"{name}.googleapis.com" for name in SERVICES]
            url = f"https://serviceusage.googleapis.com/v1/projects/{self.project}/services:batchEnable"
            operation = self.ask("POST", url, {"serviceIds": services})
            while not operation.get("done"):
                operation = self.ask("GET", f"https://serviceusage.googleapis.com/v1/{operation['name']}")
            yield self
        finally:
            self._command("down")

    @property
    def _proxy(self) -> str:
        return os.environ["HTTPS_PROXY"]

    @property
    def log(self) -> Path:
        """What its server writes down of each request."""
        return self.directory / "server.log"

    def ask(self, verb: str, url: str, body: Json | None = None) -> Json:
        """A request that must succeed; its answer."""
        answer = self._http.request(verb, url, json=body, timeout=30)
        answer.raise_for_status()
        return t.cast(Json, answer.json()) if answer.content else {}

    def arm(self, method: str, kind: str) -> None:
        """The next call of a method meets a fault."""
        document = {"method": method, "kind": kind, "call": 1}
        requests.post(f"{self._proxy}/faults", json=document, timeout=30).raise_for_status()

    def disarm(self) -> None:
        """No call meets a fault any more."""
        requests.delete(f"{self._proxy}/faults", timeout=30).raise_for_status()

    def traffic(self, begin: int, end: int) -> Traffic:
        """What stands in the log between two offsets."""
        with self.log.open("rb") as file:
            file.seek(begin)
            lines = file.read(end - begin).decode(errors="replace").splitlines()
        found = [match for line in lines if (match := REQUEST.search(line))]
        requests = [Request(m["verb"], m["host"], m["path"], int(m["status"])) for m in found]
        return Traffic(requests, sum(bool(CONNECTION.search(line)) for line in lines))

    def _command(self, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "gcp_emulator", *arguments, "--directory", str(self.directory)], check=True
        )
