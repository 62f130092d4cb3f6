# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An MLflow server without a server: its answers come from a script."""

from __future__ import annotations

import io
import json
import typing as t
from email.message import Message
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlsplit

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils.mlflow.client import Client

Json = dict[str, t.Any]
OPTIONS = {
    "tracking_uri": "https://mlflow.example.com/prefix/",
    "tracking_username": "admin",
    "tracking_password": "secret of the admin",
    "workspace": None,
    "ca_path": None,
    "validate_certs": True,
    "unix_socket": None,
    "timeout": 60,
    "state": "present",
}


class Script:
    """Stands for Ansible's ``open_url``."""

    def __init__(self) -> None:
        self.answers: list[t.Any] = []
        self.requests: list[tuple[str, str, t.Any]] = []  # method, path with query, body
        self.options: list[Json] = []
        self.time = 0.0

    def will(self, *answers: t.Any) -> Script:
        """Answer with these, one after another: a document, a status with a document or a text, or an exception."""
        self.answers += answers
        return self

    def now(self) -> float:
        """A time that passes only by sleeping."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds

    def __call__(self, url: str, data: str | None = None, method: str = "GET", **options: t.Any) -> io.BytesIO:
        parts = urlsplit(url)
        path = parts.path.removeprefix("/prefix/").removeprefix("api/")
        query = ",".join(f"{key}={value}" for key, value in parse_qsl(parts.query))
        self.requests.append((method, f"{path}?{query}" if query else path, json.loads(data) if data else None))
        self.options.append({"url": url, **options})
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, tuple):
            status, body = answer[:2]
            headers = Message()
            for name, value in (answer[2] if len(answer) > 2 else {}).items():
                headers[name] = value
            text = body if isinstance(body, str) else json.dumps(body)
            raise HTTPError(url, status, "", headers, io.BytesIO(text.encode()))
        return io.BytesIO((answer if isinstance(answer, str) else json.dumps(answer)).encode())

    @property
    def changes(self) -> list[tuple[str, str, t.Any]]:
        """The requests that were not GET."""
        return [request for request in self.requests if request[0] != "GET"]

    def client(self, **options: t.Any) -> Client:
        """A client of it."""
        return Client({**OPTIONS, **options}, self, self.now, self.sleep)

    def resource(self, kind: t.Any, check_mode: bool = False, **options: t.Any) -> t.Any:
        """A resource with these options, and the defaults of the others."""
        defaults = {name: option.get("default") for name, option in kind.options.items()}
        assert options.keys() <= {*defaults, *OPTIONS}
        params = {**OPTIONS, **defaults, **options}
        return kind(self.client(**params), params, check_mode)


@pytest.fixture
def script() -> Script:
    """The server of the test."""
    return Script()
