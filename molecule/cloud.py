# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the scenarios' tests ask: the APIs of the sandbox, its databases, and servers of MLflow."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import socket
import ssl
import typing as t

import google.auth
from google.auth.transport.requests import AuthorizedSession

Host = t.Any  # testinfra makes the type of a host at run time

PROJECT = os.environ["GCP_PROJECT"]
REGION = "europe-west1"
COMPUTE = f"https://compute.googleapis.com/compute/v1/projects/{PROJECT}"
SQL = f"https://sqladmin.googleapis.com/v1/projects/{PROJECT}"
SECRETS = f"https://secretmanager.googleapis.com/v1/projects/{PROJECT}"
# Where everything is listed that a role makes: the URL, and the key of the list.
LISTED = {
    "addresses": (f"{COMPUTE}/aggregated/addresses", "addresses"),
    "disks": (f"{COMPUTE}/aggregated/disks", "disks"),
    "instances": (f"{COMPUTE}/aggregated/instances", "instances"),
    "routers": (f"{COMPUTE}/aggregated/routers", "routers"),
    "subnetworks": (f"{COMPUTE}/aggregated/subnetworks", "subnetworks"),
    "firewalls": (f"{COMPUTE}/global/firewalls", "items"),
    "global addresses": (f"{COMPUTE}/global/addresses", "items"),
    "networks": (f"{COMPUTE}/global/networks", "items"),
    "service accounts": (f"https://iam.googleapis.com/v1/projects/{PROJECT}/serviceAccounts", "accounts"),
    "buckets": (f"https://storage.googleapis.com/storage/v1/b?project={PROJECT}", "items"),
    "databases": (f"{SQL}/instances", "items"),
    "secrets": (f"{SECRETS}/secrets", "secrets"),
}


class Cloud:
    """The APIs, as the owner of the project sees them."""

    def __init__(self) -> None:
        credentials, _project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        self._session = AuthorizedSession(credentials)

    def get(self, url: str) -> dict[str, t.Any]:
        """What an API answers."""
        answer = self._session.get(url, timeout=30)
        answer.raise_for_status()
        found: dict[str, t.Any] = answer.json()
        return found

    def names(self, beginning: str, *, but: str | None = None) -> dict[str, list[str]]:
        """What there is in the project whose name begins so, by kind.

        :param but: a longer beginning, of names that are others'.
        """
        found: dict[str, list[str]] = {}
        for kind, (url, key) in LISTED.items():
            answer = self.get(url)
            scopes = answer["items"].values() if "/aggregated/" in url else [answer]
            # The last part is what tells them apart, whatever a kind of resource calls its name.
            names = [item["name"].rpartition("/")[2] for scope in scopes for item in scope.get(key, [])]
            names = [name for name in names if name.startswith(beginning) and not (but and name.startswith(but))]
            if names:
                found[kind] = sorted(names)
        return found

    def secret(self, name: str) -> str:
        """The newest value of a secret."""
        payload = self.get(f"{SECRETS}/secrets/{name}/versions/latest:access")["payload"]
        return base64.b64decode(payload["data"]).decode()


class Database:
    """The one Cloud SQL instance of a deployment, by the API and by psql on a VM of its network."""

    def __init__(self, cloud: Cloud, client: Host, deployment: str) -> None:
        (self.name,) = cloud.names(deployment)["databases"]
        self.instance = cloud.get(f"{SQL}/instances/{self.name}")
        self._client = client
        self._password = cloud.secret(f"{self.name}-database-password")

    def sql(self, statement: str, *, password: str = "") -> Host:
        """How a statement ended, as the deployment's user."""
        (address,) = self.instance["ipAddresses"]
        return self._client.run(
            "PGPASSWORD=%s psql --no-align --tuples-only --no-psqlrc --command %s %s",
            password or self._password,
            statement,
            f"host={address['ipAddress']} dbname=mlflow user=mlflow sslmode=require connect_timeout=10",
        )


class Server:
    """An MLflow server, called by its name at an address that no DNS knows.

    :param certificate: the one to trust, in PEM; without one, it is asked without TLS.
    :param prefix: the path below which all of its paths are.
    """

    def __init__(self, name: str, address: str, certificate: str, port: int = 443, prefix: str = "") -> None:
        self.name, self.address, self.port, self.prefix = name, address, port, prefix
        self._context = ssl.create_default_context(cadata=certificate) if certificate else None

    def ask(
        self,
        path: str,
        body: dict[str, t.Any] | bytes | None = None,
        *,
        user: str = "",
        password: str = "",
        host: str = "",
    ) -> tuple[int, t.Any]:
        """What it answers: the status, and JSON or text.

        :param body: what is posted, or a file's content, which is put.
        :param host: another name than its own.
        """
        headers = {"Host": host or self.name} | self.credentials(user, password)
        method, content = ("PUT", body) if isinstance(body, bytes) else ("GET", None)
        if isinstance(body, dict):
            method, content = "POST", json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, self.prefix + path, content, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, json.loads(text) if is_json else text

    def connect(self) -> http.client.HTTPConnection:
        """A connection to it."""
        connection = http.client.HTTPConnection(self.name, self.port, timeout=30)
        connection.sock = socket.create_connection((self.address, self.port), timeout=30)
        if self._context:
            connection.sock = self._context.wrap_socket(connection.sock, server_hostname=self.name)
        return connection

    @staticmethod
    def credentials(user: str, password: str) -> dict[str, str]:
        """The header that says who asks, if anybody does."""
        said = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": said} if user else {}

    def listens(self, port: int) -> bool:
        """Whether something answers at a port."""
        with socket.socket() as client:
            client.settimeout(3)
            return client.connect_ex((self.address, port)) == 0
